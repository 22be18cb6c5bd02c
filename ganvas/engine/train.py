"""The loop: the story of a run, from the first batch to the model folder.  It knows no paper.

One iteration is in step.py.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas import rng as random
from ganvas.engine import checkpoint, optim
from ganvas.engine.checkpoint import State
from ganvas.engine.cut import cut_of
from ganvas.engine.ema import Average, unmoved
from ganvas.engine.feed import Feed
from ganvas.engine.log import Log, duration
from ganvas.engine.recompute import recompute
from ganvas.engine.run import Run
from ganvas.engine.step import Halted, NonFinite, iterate
from ganvas.engine.synced import meet
from ganvas.gan import GAN, Batch
from ganvas.nets.blocks import first_blocks
from ganvas.team import ALONE, Team

MOST_ROLLBACKS = 3
SILENCE = 20.0  # seconds after which a line of progress comes between two lines of the log, within an iteration too
EARLY = 30.0  # seconds after which a first picture of what was learned is made, however far apart the others are
UNMOVED = 0.1  # share of its first weights that an average may still hold at the end without a word


@dataclass
class Outcome:
    """How a run ended.  stopped: the signal's number, or None if it reached its end."""

    images_seen: int
    seconds: float
    stopped: int | None
    best: dict[str, float] | None
    collapsed: bool = False  # stopped by the watch; the newest checkpoint is from before


def new_state(gan: GAN, device: torch.device) -> State:
    """Fresh optimisers and average for a GAN that has just been built.

    Convolutions keep their weights channels-last, the layout that the CPU's and the GPU's fast kernels want: 1.10 to
    1.16 times as many images a second for the digits presets (benchmarks/memory_format.py, one CPU thread).
    """
    gan.to(device).train()
    for module in gan.players().values():
        torch.nn.utils.convert_conv2d_weight_memory_format(module, torch.channels_last)
    optimisers = {name: optim.build(gan.rule(name), player.parameters()) for name, player in gan.players().items()}
    return State(gan, optimisers, Average(gan) if gan.has_average else None)


def train(run: Run, state: State, team: Team = ALONE) -> Outcome:
    """Trains until `config.images`, or until a signal asks to stop; either way the state is saved.

    Bit for bit the same on the same machine, whether it ran through or was killed and resumed.  team: the processes
    that train together; what `run` does, the first one does for all (the others have a `Silent` one).
    """
    gan, config, settings = state.gan, state.gan.config, run.settings
    device = torch.device(settings.device)
    deterministic()
    gan.frozen = first_blocks(gan.players()["D"], settings.freeze_D) if settings.freeze_D else []
    gan.dataset_size = len(run.data)
    if gan.has_average and (held := unmoved(gan)) > UNMOVED:
        how = f"(ema={config.ema:g}); set ema_ramp=true, a lower ema," if config.ema else "; set a lower ema_images"
        run.screen.say(
            f"warning: the average of G, which is what samples, will at the end of {config.images:,} images still be "
            f"{held:.0%} its first weights {how} or more images"
        )
    assert settings.micro_batch != "auto", "to be settled before"
    cut = cut_of(gan, team, settings.micro_batch, settings.sync_batch_norm)
    if settings.recompute:
        recompute(gan)
    if team.size > 1:
        meet(gan, settings.sync_batch_norm)
    feed = Feed(run.data, settings.seed, device, config.flip, (team.rank, team.size))
    autocast = (lambda: torch.autocast(device.type, torch.bfloat16)) if settings.precision == "bf16" else nullcontext
    every = {name: settings.interval(name, config.images) for name in ("checkpoint", "sample", "log", "evaluate")}
    sums: dict[str, list[Tensor]] = {}
    means: dict[str, float] = {}
    said, drawn = [time.monotonic()], False  # when progress was last said; is there a picture of this sitting?
    started, shown, before = time.monotonic(), 0, state.seconds  # shown: images of this sitting, rolled back or not

    with (
        asked_to_stop(run.screen.answer) as stop,
        good_kept(run, gan),
        closing(run.log(gan.images_seen)) as log,
    ):
        last = False
        while not last:
            origin = gan.images_seen

            def real(k: int, origin: int = origin) -> Batch:
                return feed.batch(origin + k * config.batch, config.batch)

            def rng(phase: str, k: int, iteration: int = gan.iteration) -> torch.Generator:
                return random.generator("step", settings.seed, iteration, phase, k, 0, state.rollbacks)

            def renewed(batch: Batch, phase: str, k: int, origin: int = origin) -> Batch:
                return feed.renewed(batch, origin + k * config.batch, phase)

            def asked(done: int, total: int, shown: int = shown, means: dict[str, float] = means) -> bool:
                if (now := time.monotonic()) - said[0] > SILENCE:
                    said[0] = now
                    speed = shown / max(now - started, 1e-9)
                    line = f"{progress(gan, means, speed)} | step {done + 1} of {total}"
                    run.screen.show(line, False, gan.images_seen / config.images)
                return team.any(bool(stop))

            try:
                logs, batches = iterate(gan, real, state.optimisers, rng, autocast, renewed, state.half, cut, asked)
            except Halted as halted:
                state.half = halted.half if halted.half.steps else None
                state.seconds = before + time.monotonic() - started
                if sums:
                    means = mean_of(sums)
                    log.write(
                        gan.images_seen, {"iteration": gan.iteration, "seconds": round(state.seconds, 2), **means}
                    )
                leave(run, state, log, means)
                return Outcome(
                    gan.images_seen, state.seconds, team.told(lambda: [*stop, signal.SIGTERM][0]), state.best
                )
            state.half = None
            gan.images_seen += batches * config.batch
            gan.iteration += 1
            if state.average is not None:
                state.average.update()
            shown += batches * config.batch
            for key, value in logs.items():
                sums.setdefault(key, []).append(value)

            state.seconds = before + time.monotonic() - started
            due = {name for name, n in every.items() if gan.images_seen // n > origin // n}
            last = gan.images_seen >= config.images
            if due and not last and team.any(bool(stop)):  # agreed, for a look may be the work of all
                due.clear()  # what can wait waits; the next step is not begun
            if "checkpoint" in due and settings.on_collapse != "warn":
                due.add("evaluate")  # what is rolled back to must have been looked at
            if "log" in due or last:
                means = mean_of(sums)
                sums.clear()
                speed = shown / max(time.monotonic() - started, 1e-9)
                log.write(gan.images_seen, {"iteration": gan.iteration, "seconds": round(state.seconds, 2), **means})
                said[0] = time.monotonic()
                run.screen.show(progress(gan, means, speed), last, gan.images_seen / config.images)
            early = not drawn and not stop and time.monotonic() - started > EARLY
            if "sample" in due or last or early:
                run.write_picture(state, kept="sample" in due or last)
                drawn = True
            if "evaluate" in due or last:
                found, verdict = run.evaluate(state, means)
                log.write(gan.images_seen, found)
                if verdict.sentence:
                    run.screen.say(f"at {gan.images_seen:,} images: {verdict.sentence}")
                if settings.on_collapse != "warn" and team.any(verdict.collapsed):
                    at = gan.images_seen
                    if not roll_back(run, state, team):
                        return Outcome(at, state.seconds, None, state.best, collapsed=True)
                    sums.clear()
                    last = False
                    continue
            if "checkpoint" in due or last:
                run.save(state, last)
    return Outcome(gan.images_seen, state.seconds, None, state.best)


def mean_of(sums: dict[str, list[Tensor]]) -> dict[str, float]:
    """Of what was logged since the last line."""
    return {key: torch.stack(values).mean().item() for key, values in sums.items()}


def leave(run: Run, state: State, log: Log, means: dict[str, float]) -> None:
    """Saves a run that was asked to stop, be it in the middle of an iteration; going on gives the same bits."""
    run.write_picture(state)
    if run.settings.on_collapse != "warn":  # what may be rolled back to must have been looked at
        found, verdict = run.evaluate(state, means)
        log.write(state.gan.images_seen, found)
        if verdict.collapsed:
            run.screen.say(
                f"at {state.gan.images_seen:,} images: {verdict.sentence}; going on from the last checkpoint"
            )
            return
    run.save(state)


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


def roll_back(run: Run, state: State, team: Team = ALONE) -> bool:
    """Back to the newest checkpoint, from before the collapse.  -> go on, with other draws? else the run is over

    What the run has seen of good samples stays known: best/ is on disk, and a fall is measured from the peak.
    """
    best, peak, rollbacks = state.best, state.diversity, state.rollbacks
    path = team.told(lambda: checkpoint.restore(state, run.checkpoints)[0])
    state.share(team)
    run.write_picture(state)  # the model folder's picture is of its weights
    if run.settings.on_collapse == "stop" or rollbacks >= MOST_ROLLBACKS:
        why = "as asked" if run.settings.on_collapse == "stop" else f"after {rollbacks} roll-backs"
        run.screen.say(f"stopped {why}; {path} and best/ are from before the collapse")
        return False
    state.best, state.diversity, state.rollbacks = best, peak, rollbacks + 1
    run.screen.say(f"rolled back to {path}, going on with other draws ({state.rollbacks} of {MOST_ROLLBACKS})")
    return True


def progress(gan: GAN, means: dict[str, float], speed: float) -> str:
    """The line on the screen."""
    left = duration(max(gan.config.images - gan.images_seen, 0) / speed) if speed else "?"
    share = min(gan.images_seen / gan.config.images, 1.0)
    headline = f" | {gan.headline} {means[gan.headline]:.4g}" if gan.headline in means else ""
    losses = "".join(f" | {key} {means[key]:.4g}" for key in means if key.endswith("/loss"))
    return f"{share:6.1%} | {gan.images_seen:,} images | {speed:,.0f} images/s | {left} left{headline}{losses}"


def deterministic() -> None:
    """The kernels that give the same bits every time, so that resuming is exact."""
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


@contextmanager
def asked_to_stop(answer: Callable[[str], None]) -> Iterator[list[int]]:
    """A list that holds the signal's number once Ctrl-C or SIGTERM came, which is answered at once; a second one ends
    at once.
    """
    caught: list[int] = []

    def catch(number: int, _: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        answer("saving after this optimiser step; once more to leave with the last checkpoint only")

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
