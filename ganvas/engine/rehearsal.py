"""What a run costs, measured: every kind of step, a picture, a look, a checkpoint, on a state that is thrown away.

`estimate.py` counts on paper, in a moment and without memory; here the same is done, as far as patience goes, and the
process is watched while it does.  What is too dear to be tried whole is tried small, and the rest is a straight line.
"""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

import torch

from ganvas import rng
from ganvas.engine.checkpoint import State
from ganvas.engine.ema import averaged
from ganvas.engine.feed import Feed
from ganvas.engine.memory import peak, reset_peak, resident
from ganvas.engine.run import Run
from ganvas.engine.step import freeze_all_but, step
from ganvas.gan import GAN, Phase

EXACT = 500  # iterations that are counted one by one; the others by as many, drawn
SHEET, LOOK, CHEAP, DEAREST = 80, 512, 1000, 10_000  # samples of a picture, a look, the cheap score, the others
PAIRS = 10  # pictures of pairs that a look at held-out ones costs, where it is not tried
DISK = 2e8  # bytes a second that a disk is trusted with
HEAVY = 3e8  # bytes of a state that is not written to try it
FEW = 2  # rows of the smallest trial


@dataclass(frozen=True)
class Clock:
    """Seconds by the clock, and of the processor (all threads together)."""

    wall: float = 0.0
    processor: float = 0.0

    def __add__(self, other: Clock) -> Clock:
        return Clock(self.wall + other.wall, self.processor + other.processor)

    def __mul__(self, n: float) -> Clock:
        return Clock(self.wall * n, self.processor * n)


@dataclass
class Cost:
    """Of a run: what its time is spent on (steps, pictures, looks, checkpoints), its memory at the peak, its disk."""

    clocks: dict[str, Clock] = field(default_factory=dict)
    memory_bytes: int = 0  # of the process; on a GPU: there
    more_bytes: int = 0  # of it, what is not taken yet
    disk_bytes: int = 0
    memory_row: float = 0.0  # bytes for each further row of a part

    @property
    def seconds(self) -> float:
        """Of the whole run, by the clock, with the machine as busy as it is now."""
        return sum(clock.wall for clock in self.clocks.values())

    @property
    def processor(self) -> float:
        """Processor seconds of the whole run."""
        return sum(clock.processor for clock in self.clocks.values())


def rehearse(run: Run, state: State, parts: int, patience: float) -> Cost:
    """What `run` would cost.  The run's folder and the state are for trying: both are spoiled.

    state: of the run's GAN with `accumulate` 1, its batch one of the run's `parts`.  patience: seconds, for each of
    a few things that are tried.
    """
    gan, c, device = state.gan, state.gan.config, torch.device(run.settings.device)
    gan.iteration, gan.dataset_size = 1, len(run.data)  # not 0, where schedules have their exceptions
    before = resident(device)
    reset_peak(device)
    iterations, steps = course(gan, c.batch * parts)
    per_step, per_row = tried_steps(run, state, patience)
    clocks = {"steps": update_clock(state) * iterations}
    for name, number in steps.items():
        clocks["steps"] += per_step[name] * (number * parts)
    counts = {n: c.images // run.settings.interval(n, c.images) + 1 for n in ("checkpoint", "sample", "evaluate")}
    clocks["pictures"], clocks["looks"], unseen = tried_samples(run, state, patience, counts)
    clocks["checkpoints"], disk = tried_save(run, state, counts)
    touched = min(c.images / max(len(run.data), 1), 1.0)  # of the data, which is read from a mapped file
    arrays = round(touched * sum(array.nbytes for array in run.data.arrays.values()))
    memory = peak(device) + arrays + round(per_row[1]) + unseen
    return Cost(clocks, memory, max(memory - before, 0), disk, per_row[0])


def course(gan: GAN, batch: int) -> tuple[float, dict[str, float]]:
    """Iterations of the run, and the optimiser steps of each phase."""
    at, images, iterations, steps = gan.iteration, 0.0, 0.0, Counter[str]()

    def due(i: int) -> tuple[int, dict[str, int]]:
        gan.iteration = i
        phases = [phase for phase in gan.phases() if i % phase.every == 0]
        return max(phase.repeat for phase in phases) * batch, {phase.name: phase.repeat for phase in phases}

    while images < gan.config.images and iterations < EXACT:
        shown, these = due(int(iterations))
        images, iterations = images + shown, iterations + 1
        steps.update(these)
    total: dict[str, float] = dict(steps)
    if images < gan.config.images:
        drawn = [due(i) for i in random.Random(0).sample(range(EXACT, 10**6), EXACT)]
        more = (gan.config.images - images) / sum(shown for shown, _ in drawn)  # times the drawn ones
        for _, these in drawn:
            for name, number in these.items():
                total[name] = total.get(name, 0.0) + number * more
        iterations += more * EXACT
    gan.iteration = at
    return iterations, total


def most_rows(part: int, few: int, bearable: float) -> int:
    """Rows of the larger trial: at least `few`, at most the `part`, and a divisor of it, as its groups ask for."""
    return max((n for n in range(few, part + 1) if part % n == 0 and n <= bearable), default=few)


def tried_steps(run: Run, state: State, patience: float) -> tuple[dict[str, Clock], tuple[float, float]]:
    """The clock of one step of each phase by name; bytes for each further row, and for the rows not tried."""
    gan, part, device = state.gan, state.gan.config.batch, torch.device(run.settings.device)
    feed = Feed(run.data, run.settings.seed, device, gan.config.flip)
    autocast = run.settings.precision == "bf16"
    few = min(FEW, part)

    def tried(rows: int, seconds: float) -> dict[str, Clock]:
        clocks: dict[str, Clock] = {}
        for phase in gan.phases():
            freeze_all_but(gan, phase.player)
            clocks[phase.name] = repeated(partial(one_step, state, phase, feed, rows, autocast), seconds, device)
        gan.requires_grad_(True)
        return clocks

    small = tried(few, 0.1 * patience)
    low, slowest = peak(device), max(clock.wall for clock in small.values())
    rows = most_rows(part, few, few * patience / slowest)
    large = tried(rows, patience) if rows > few else small
    per_row = max(peak(device) - low, 0) / (rows - few) if rows > few else 0.0
    if rows < part:
        slope = {
            name: (large[name] + small[name] * -1.0) * (1 / (rows - few)) if rows > few else small[name] * (1 / few)
            for name in large
        }
        large = {name: large[name] + slope[name] * (part - rows) for name in large}
    return large, (per_row, per_row * (part - rows))


def one_step(state: State, phase: Phase, feed: Feed, rows: int, autocast: bool) -> None:
    """A step of one player on so many rows."""
    gan = state.gan
    cast = (lambda: torch.autocast(gan.device.type, torch.bfloat16)) if autocast else nullcontext
    draws = partial(rng.generator, "rehearsal", phase.name)
    step(gan, phase, feed.batch(0, rows), state.optimisers[phase.player], draws, cast, {})


def repeated(what: Callable[[], object], seconds: float, device: torch.device) -> Clock:
    """The mean clock of a call, after a first one that warms up, over at least one and at most twenty calls."""
    what()
    done, total = 0, Clock()
    while done < 1 or (done < 20 and total.wall * (done + 1) / done < seconds):
        with timed(device) as clock:
            what()
        done, total = done + 1, total + clock[0]
    return total * (1 / done)


@contextmanager
def timed(device: torch.device) -> Iterator[list[Clock]]:
    """A list that holds the clock of the block, once it is over."""
    found: list[Clock] = []
    wall, processor = time.monotonic(), time.process_time()
    yield found
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    found.append(Clock(time.monotonic() - wall, time.process_time() - processor))


def update_clock(state: State) -> Clock:
    """Of one move of the average."""
    return repeated(state.average.update, 0.05, state.gan.device) if state.average is not None else Clock()


def tried_samples(run: Run, state: State, patience: float, counts: dict[str, int]) -> tuple[Clock, Clock, int]:
    """All pictures, all looks at score and health, and bytes of a look that was not tried."""
    gan, device = state.gan, torch.device(run.settings.device)
    score = CHEAP if run.settings.score == "sliced" else DEAREST
    samples = min(score, len(run.data)) + (1 + (state.average is not None)) * min(LOOK // 2, len(run.data))
    n, each = min(16, samples), Clock()
    if gan.seeds_suffice and len(gan.config.shape) > 1:
        with averaged(gan, state.average):
            each = repeated(lambda: gan.sample(n, seed=0), 0.1 * patience, device) * (1 / n)
    if each.wall * SHEET < patience:
        with timed(device) as picture:
            run.write_picture(state)
        picture_clock = picture[0]
    else:
        picture_clock = each * SHEET
    look_clock = each * samples if gan.seeds_suffice else picture_clock * PAIRS
    if look_clock.wall < 2 * patience and (score == CHEAP or not gan.seeds_suffice):
        with timed(device) as look:
            run.evaluate(state, {})
        return picture_clock * counts["sample"], look[0] * counts["evaluate"], 0
    images = 4 * LOOK * math.prod(gan.config.shape)  # float32, half of them real
    return picture_clock * counts["sample"], look_clock * counts["evaluate"], images


def tried_save(run: Run, state: State, counts: dict[str, int]) -> tuple[Clock, int]:
    """All model folders, films and checkpoints -> their clock, bytes of disk at the end."""
    device = torch.device(run.settings.device)
    size = sum(value.numel() * value.element_size() for value in state.tensors().values())
    model = sum(value.numel() * value.element_size() for value in state.gan.model_state().values())
    clock = Clock((size + model) / DISK)
    if size < HEAVY:
        with timed(device) as saved:
            run.save(state)
        clock = saved[0]
    pictures = [path.stat().st_size for path in run.folder.glob("samples/*.png")]
    picture = pictures[0] if pictures else 0
    per_frame = tried_film(run, device)
    frames = 2 * min(120, counts["sample"])  # of the last film, and half, a quarter, ... as many of those before it
    disk = 3 * size + 2 * model + picture * (counts["sample"] + min(120, counts["sample"]))  # a film is as large
    return clock * (counts["checkpoint"] + 1) + per_frame * frames, disk


def tried_film(run: Run, device: torch.device) -> Clock:
    """The clock of one frame of a film."""
    picture = next(iter(run.folder.glob("samples/*.png")), None)
    if picture is None:
        return Clock()
    picture.with_name("000000000001.png").write_bytes(picture.read_bytes())
    with timed(device) as film:
        run.write_film()
    return film[0] * 0.5
