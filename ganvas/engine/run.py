"""A run's folder and what is written into it: pictures, film, model folder, best/, checkpoints.  Not here: the loop."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from ganvas import folder as model_folder
from ganvas.data import Images, grid
from ganvas.engine import checkpoint, health
from ganvas.engine.checkpoint import State
from ganvas.engine.ema import averaged
from ganvas.engine.log import Screen
from ganvas.errors import InputError
from ganvas.files import write_atomic
from ganvas.gan import GAN, Batch
from ganvas.metrics.protocol import lower_is_better
from ganvas.ops.pixels import to_float, to_uint8

Score = Callable[[GAN], dict[str, float]]  # the first entry decides; its name says which way is better


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
    evaluate_every: int = 0  # images; 0: with every checkpoint
    score: str = "sliced"  # what chooses best/: sliced, or one of `scoring.CHOICES` with features "own"
    on_collapse: Literal["warn", "stop", "rollback"] = "warn"

    def interval(self, name: str, images: int) -> int:
        """The interval in images, defaults worked out."""
        if name == "evaluate" and not self.evaluate_every:
            name = "checkpoint"
        given = getattr(self, f"{name}_every")
        parts, most = {"checkpoint": (10, 1_000_000), "sample": (40, 250_000), "log": (200, 50_000)}.get(name, (1, 1))
        return given or max(1, min(images // parts, most))


class NonFinite(InputError):
    """A loss that is not a number, caught before the optimiser stepped."""


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
        """samples/<images_seen>.png from fixed seeds, a row for a class, and the same as samples.png."""
        gan = state.gan
        with averaged(gan, state.average):
            k = gan.config.num_classes
            n = 2000 if self.images.is_toy else 8 * min(max(k, 8), 10)  # a row for each of the first ten classes
            classes = [i // 8 % k for i in range(n)] if k else None
            x = gan.sample(n, seed=0, classes=classes).cpu()
        real = np.asarray(self.images.x[:2000]) if self.images.is_toy else None
        picture = grid.picture(x.numpy() if x.dim() == 2 else to_uint8(x).numpy(), columns=8, real=real)
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
            facts["best"] = best_so_far(state)
            model_folder.write_weights(folder, gan.state_dict(), facts)
            counts = {name: sum(p.numel() for p in player.parameters()) for name, player in gan.players().items()}
            score = f"After {gan.images_seen:,} images" + (f"; best so far: {best_so_far(state)}" if state.best else "")
        model_folder.write_description(folder, self.description)
        model_folder.write_card(folder, self.description, self.title, counts, score)

    def evaluate(self, state: State, means: dict[str, float]) -> tuple[dict[str, float], health.Verdict]:
        """Score of the players that sample, health of those that learn; best/ if it is the best so far.

        -> what to log, verdict
        """
        must_be_finite(state)  # best/ is no place for a critic that is not a number, however well G still scores
        gan, found = state.gan, {}
        if self.score is not None:
            with averaged(gan, state.average):
                found = self.score(gan)
        # Health is that of the generator that learns: an average forgets slowly and hides for long that it collapsed.
        if self.images.is_toy or len(self.images) < 2:
            verdict = health.Verdict({})  # a tight mode is no collapse; the toys have mode counts
        else:
            verdict = health.look(gan, self.real(), means, state.diversity)
        state.diversity = max(state.diversity, verdict.evidence.get("health/diversity", 0.0))
        if found and not verdict.collapsed:
            self.keep_best(state, *next(iter(found.items())))
        return {f"score/{name}": value for name, value in found.items()} | verdict.evidence, verdict

    def keep_best(self, state: State, name: str, value: float) -> None:
        """best/, if the value is better than the best so far."""
        sign = 1 if lower_is_better(name) else -1
        if not math.isfinite(value) or (state.best is not None and sign * value >= sign * state.best[name]):
            return
        state.best = {name: value, "images": state.gan.images_seen}
        self.write_model(state, self.folder / "best")
        picture = self.folder / model_folder.PICTURE
        if picture.exists():
            write_atomic(self.folder / "best" / model_folder.PICTURE, partial(shutil.copyfile, picture))

    def real(self) -> Batch:
        """The same real images for every look at the run's health, spread over the data set."""
        m = len(self.images)
        index = np.linspace(0, m - 1, min(health.LOOK, m)).astype(int)
        y = torch.from_numpy(self.images.y[index]) if self.images.y is not None else None
        device = torch.device(self.settings.device)
        x = to_float(torch.from_numpy(np.array(self.images.x[index]))).to(device)
        return Batch(x, y.to(device) if y is not None else None)

    def save(self, state: State) -> None:
        """Model folder, film, and last the checkpoint.

        What a kill leaves is then never older than the checkpoint that the run goes on from.  Raises NonFinite,
        with nothing written, where a weight is not a number.
        """
        must_be_finite(state)
        self.write_model(state, self.folder)
        self.write_film()
        checkpoint.save(state, self.checkpoints)


def must_be_finite(state: State) -> None:
    """Raises NonFinite, naming the player, if a weight, average or buffer is not a number."""
    for name, value in (*state.gan.state_dict().items(), *averages(state)):
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise NonFinite(f"{name} of the model is not finite")


def best_so_far(state: State) -> str:
    """The best score for people: "FD-own 12.3 at 60,000 images"."""
    if state.best is None:
        return "none"
    name, value = next(iter(state.best.items()))
    return f"{name} {value:.5g} at {state.best['images']:,} images"


def averages(state: State) -> list[tuple[str, Tensor]]:
    """The averaged players' tensors by name."""
    return list(state.average.players.state_dict().items()) if state.average is not None else []
