"""The loop: it iterates a GAN's phases and knows no paper.

`iterate` is one training iteration; `train` is the story of a run, from the first batch to the model folder.
"""

from __future__ import annotations

import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from ganvas import folder as model_folder
from ganvas import latents
from ganvas.data import Images, grid
from ganvas.engine import checkpoint, optim
from ganvas.engine.checkpoint import State
from ganvas.engine.ema import Average, averaged
from ganvas.engine.feed import Feed
from ganvas.engine.log import Log, Screen, duration
from ganvas.errors import InputError
from ganvas.files import write_atomic
from ganvas.gan import GAN, Batch, Phase
from ganvas.ops.pixels import to_uint8

Score = Callable[[GAN], dict[str, float]]  # lower is better for the first entry


class Settings(BaseModel):
    """What a run is besides its paper's Config: the engine's own choices, recorded in config.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    fit: str = "crop"
    max_unreadable: float = 0.0
    seed: int = 0
    device: str = "cpu"
    precision: str = "fp32"  # or bf16: autocast, with penalties and weights in float32
    checkpoint_every: int = 0  # images; 0: a tenth of the run, at most 1,000,000
    sample_every: int = 0  # images; 0: a fortieth of the run, at most 250,000
    log_every: int = 0  # images; 0: a two-hundredth of the run, at most 50,000

    def interval(self, name: str, images: int) -> int:
        """The interval in images, defaults worked out."""
        parts, most = {"checkpoint": (10, 1_000_000), "sample": (40, 250_000), "log": (200, 50_000)}[name]
        return getattr(self, f"{name}_every") or max(1, min(images // parts, most))


class NonFinite(InputError):
    """A loss that is not a number, caught before the optimiser stepped."""


@dataclass
class Outcome:
    """How a run ended.  stopped: the signal's number, or None if it reached its end."""

    images_seen: int
    seconds: float
    stopped: int | None
    best: dict[str, float] | None


def iterate(
    gan: GAN,
    real: Callable[[int], Batch],
    optimisers: dict[str, torch.optim.Optimizer],
    rng: Callable[[str, int, int], torch.Generator],
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> tuple[dict[str, Tensor], int]:
    """One iteration: every phase in order, each moving its player alone.  -> (mean of the logs, fresh batches used)

    Step k of every phase sees batch k of the iteration, so the iteration uses as many fresh batches as its longest
    phase repeats.  rng(player, k, part) gives the generator that the paper's `draw` draws from.
    """
    logs: dict[str, list[Tensor]] = {}
    phases = [phase for phase in gan.phases() if gan.iteration % phase.every == 0]
    for phase in phases:
        freeze_all_but(gan, phase.player)
        for k in range(phase.repeat):
            step(gan, phase, real(k), optimisers[phase.player], partial(rng, phase.player, k), autocast, logs)
    gan.requires_grad_(True)
    return {key: torch.stack(values).mean() for key, values in logs.items()}, max(phase.repeat for phase in phases)


def step(
    gan: GAN,
    phase: Phase,
    real: Batch,
    optimiser: torch.optim.Optimizer,
    rng: Callable[[int], torch.Generator],
    autocast: Callable[[], AbstractContextManager],
    logs: dict[str, list[Tensor]],
) -> None:
    """One optimiser step of one player: accumulate, check, step, after."""
    optimiser.zero_grad(set_to_none=True)
    for part, micro in enumerate(split(real, gan.config.accumulate)):
        drawn = gan.draw(micro, rng(part))
        with autocast():
            loss = phase.loss(micro, drawn)
        if not torch.isfinite(loss.total):
            raise NonFinite(f"the loss of {phase.player} is {loss.total.item()}, stopped before its optimiser stepped")
        (loss.total / gan.config.accumulate).backward()
        for key, value in {f"{phase.player}/loss": loss.total, **loss.logs}.items():
            logs.setdefault(key, []).append(value.detach().float())
    optim.set_lr(optimiser, gan.config, phase.player, gan.images_seen)
    optimiser.step()
    if phase.after is not None:
        phase.after()


def freeze_all_but(gan: GAN, player: str) -> None:
    """Only this player's parameters collect gradients."""
    for name, module in gan.players().items():
        module.requires_grad_(name == player)


def split(batch: Batch, parts: int) -> Iterator[Batch]:
    """A batch in equal parts."""
    ys = batch.y.chunk(parts) if batch.y is not None else (None,) * parts
    yield from (Batch(x, y) for x, y in zip(batch.x.chunk(parts), ys))


def new_state(gan: GAN, device: torch.device) -> State:
    """Fresh optimisers and average for a GAN that has just been built."""
    gan.to(device).train()
    optimisers = {name: optim.build(gan.config, name, player.parameters()) for name, player in gan.players().items()}
    return State(gan, optimisers, Average(gan) if gan.config.ema else None)


@dataclass
class Run:
    """A run's folder and what is written into it."""

    folder: Path
    description: model_folder.Description
    title: str
    images: Images
    settings: Settings
    score: Score | None = None
    screen: Screen = field(default_factory=Screen)

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def write_picture(self, state: State) -> None:
        """samples/<images_seen>.png from seeds 0 to 63, and the same as samples.png."""
        gan = state.gan
        with averaged(gan, state.average):
            n = 2000 if self.images.is_toy else 64
            classes = [i // 8 % gan.config.num_classes for i in range(n)] if gan.config.num_classes else None
            x = gan.sample(n, seed=0, classes=classes).cpu()
        real = np.asarray(self.images.x[:2000]) if self.images.is_toy else None
        picture = grid.picture(x.numpy() if x.dim() == 2 else to_uint8(x).numpy(), real=real)
        grid.save(picture, self.folder / "samples" / f"{gan.images_seen:012d}.png")
        grid.save(picture, self.folder / model_folder.PICTURE)

    def write_film(self) -> None:
        """film.gif of the pictures so far."""
        frames = sorted((self.folder / "samples").glob("[0-9]*.png"))
        if len(frames) > 1:
            grid.film(frames, self.folder / "film.gif")

    def write_model(self, state: State, folder: Path) -> None:
        """A model folder of the state as it is: averaged players where there is an average."""
        gan = state.gan
        with averaged(gan, state.average):
            facts = {
                "images_seen": str(gan.images_seen),
                "iteration": str(gan.iteration),
                "ema": str(bool(state.average)),
            }
            facts["best"] = str(state.best)
            model_folder.write_weights(folder, gan.state_dict(), facts)
            counts = {name: sum(p.numel() for p in player.parameters()) for name, player in gan.players().items()}
            score = f"After {gan.images_seen:,} images" + (f"; best so far {state.best}" if state.best else "")
        model_folder.write_description(folder, self.description)
        model_folder.write_card(folder, self.description, self.title, counts, score)

    def save(self, state: State) -> None:
        """Model folder, best/ if this is the best so far, film, and last the checkpoint.

        What a kill leaves is then never older than the checkpoint that the run goes on from.  Raises NonFinite,
        with nothing written, where a weight is not a number.
        """
        must_be_finite(state)
        better = False
        if self.score is not None:
            with averaged(state.gan, state.average):
                scores = self.score(state.gan)
            name, value = next(iter(scores.items()))
            better = math.isfinite(value) and (state.best is None or value < state.best[name])
            if better:
                state.best = {name: value, "images": state.gan.images_seen}
        self.write_model(state, self.folder)
        if better:
            self.write_model(state, self.folder / "best")
            picture = self.folder / model_folder.PICTURE
            if picture.exists():
                write_atomic(self.folder / "best" / model_folder.PICTURE, partial(shutil.copyfile, picture))
        self.write_film()
        checkpoint.save(state, self.checkpoints)


def train(run: Run, state: State) -> Outcome:
    """Trains until `config.images`, or until a signal asks to stop; either way the state is saved.

    Bit for bit the same on the same machine, whether it ran through or was killed and resumed.
    """
    gan, config, settings = state.gan, state.gan.config, run.settings
    device = torch.device(settings.device)
    deterministic()
    feed = Feed(run.images, settings.seed, device, config.flip)
    autocast = (lambda: torch.autocast(device.type, torch.bfloat16)) if settings.precision == "bf16" else nullcontext
    every = {name: settings.interval(name, config.images) for name in ("checkpoint", "sample", "log")}
    sums: dict[str, list[Tensor]] = {}
    started, first, before = time.monotonic(), gan.images_seen, state.seconds

    with asked_to_stop() as stop, good_kept(run, gan), closing(Log(run.folder, gan.images_seen)) as log:
        last = False
        while not last:
            origin = gan.images_seen

            def real(k: int, origin: int = origin) -> Batch:
                return feed.batch(origin + k * config.batch, config.batch)

            def rng(player: str, k: int, part: int, iteration: int = gan.iteration) -> torch.Generator:
                return latents.generator("step", settings.seed, iteration, player, k, part)

            logs, batches = iterate(gan, real, state.optimisers, rng, autocast)
            gan.images_seen += batches * config.batch
            gan.iteration += 1
            if state.average is not None:
                state.average.update()
            for key, value in logs.items():
                sums.setdefault(key, []).append(value)

            state.seconds = before + time.monotonic() - started
            due = {name for name, n in every.items() if gan.images_seen // n > origin // n}
            last = gan.images_seen >= config.images or bool(stop)
            if "log" in due or last:
                means = {key: torch.stack(values).mean().item() for key, values in sums.items()}
                sums.clear()
                speed = (gan.images_seen - first) / max(time.monotonic() - started, 1e-9)
                log.write(gan.images_seen, {"iteration": gan.iteration, "seconds": round(state.seconds, 2), **means})
                run.screen.show(progress(gan, means, speed), force=last)
            if "sample" in due or last:
                run.write_picture(state)
            if "checkpoint" in due or last:
                run.save(state)
                if state.best:
                    log.write(gan.images_seen, {f"best/{k}": v for k, v in state.best.items()})
    early = stop and gan.images_seen < config.images
    return Outcome(gan.images_seen, state.seconds, stop[0] if early else None, state.best)


def must_be_finite(state: State) -> None:
    """Raises NonFinite, naming the player, if a weight, average or buffer is not a number."""
    for name, value in (*state.gan.state_dict().items(), *averages(state)):
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise NonFinite(f"{name} of the model is not finite")


def averages(state: State) -> list[tuple[str, Tensor]]:
    """The averaged players' tensors by name."""
    return list(state.average.players.state_dict().items()) if state.average is not None else []


@contextmanager
def good_kept(run: Run, gan: GAN) -> Iterator[None]:
    """Adds to NonFinite when it happened, what is left, and what to do."""
    try:
        yield
    except NonFinite as error:
        good = checkpoint.checkpoints(run.checkpoints)
        where = f"the last good checkpoint is {good[-1]}" if good else "no checkpoint was written yet"
        raise NonFinite(
            f"{error}, at {gan.images_seen:,} images; {where}; "
            "start anew with lower learning rates, as --set G_lr=1e-4 D_lr=1e-4"
        ) from None


def progress(gan: GAN, means: dict[str, float], speed: float) -> str:
    """The line on the screen."""
    left = duration(max(gan.config.images - gan.images_seen, 0) / speed)
    share = min(gan.images_seen / gan.config.images, 1.0)
    headline = f" | {gan.headline} {means[gan.headline]:.4g}" if gan.headline in means else ""
    losses = "".join(f" | {key} {means[key]:.4g}" for key in means if key.endswith("/loss"))
    return f"{share:6.1%} | {gan.images_seen:,} images | {speed:,.0f} images/s | {left} left{headline}{losses}"


def deterministic() -> None:
    """The kernels that give the same bits every time, so that resuming is exact."""
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """A list that holds the signal's number once Ctrl-C or SIGTERM came; a second one ends at once."""
    caught: list[int] = []

    def catch(number: int, _: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        before = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield caught
        return
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
