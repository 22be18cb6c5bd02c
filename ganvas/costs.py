"""What a run would cost on this machine, and a refusal of what cannot fit.  The measuring is in engine/rehearsal.py."""

from __future__ import annotations

import gc
import math
import os
import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ganvas.config import Config
from ganvas.data import Dataset, Images
from ganvas.engine.estimate import Estimate, estimate
from ganvas.engine.feed import Feed
from ganvas.engine.log import Screen, duration
from ganvas.engine.memory import available, resident
from ganvas.engine.recompute import recompute
from ganvas.engine.rehearsal import Clock, Cost, one_step, rehearse
from ganvas.engine.run import Run, Settings
from ganvas.engine.step import NonFinite, freeze_all_but
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.models import folder as model_folder
from ganvas.models.folder import Description
from ganvas.papers import PAPERS
from ganvas.recipes import Recipe
from ganvas.scoring import choose

SHORT = 5.0  # seconds of a run, on paper, that is not worth a rehearsal; on paper a factor of three is normal
PATIENCE, OF_RUN = 1.5, 0.02  # seconds for each of a few things that are tried, at most so much of the run on paper
ROOM = 0.9  # of the memory that is free, which a run may take
SHARE = 0.05  # of the steps' time, which pictures, looks and checkpoints may take together
BESIDES = {"pictures": "sample", "looks": "evaluate", "checkpoints": "checkpoint"}  # part of a cost -> its interval
FEW = {"sample": 8, "evaluate": 1, "checkpoint": 2}  # of each, in a run of seconds that was not rehearsed


@lru_cache(maxsize=16)  # a dry run asks twice, and the largest networks take seconds to count
def on_paper(recipe: Recipe, device: torch.device, twice: bool = False) -> Estimate:
    """Counted in a moment, without memory.  twice: activations of blocks are computed twice, not kept"""
    gan = recipe.on_meta()
    if twice:
        recompute(gan)
    return estimate(gan, device, recipe.config.images)


def cost(recipe: Recipe, settings: Settings, data: Dataset | None, patience: float = PATIENCE) -> Cost:
    """What the run would take: measured, or of a run of seconds on paper.  Raises InputError where it cannot fit.

    data: what it trains on; None: noise in its place, as in a dry run.
    """
    device, c = torch.device(settings.device), recipe.config
    paper = on_paper(recipe, device, settings.recompute)
    few = paper.memory_bytes - paper.memory_row * (c.batch // c.accumulate)
    must_fit(recipe, Cost(more_bytes=paper.memory_bytes, memory_row=paper.memory_row), device)
    unread = data is None and PAPERS[recipe.paper].reads != "images"  # noise stands in for images alone
    if (
        unread
        or paper.seconds < SHORT
        or paper.seconds * min(c.batch, 4) / c.images > 20 * patience
        or few > available(device)
    ):
        memory = resident(device) + paper.memory_bytes
        return Cost({"steps": Clock(paper.seconds, paper.seconds)}, memory, paper.memory_bytes)
    found = rehearsed(recipe, settings, data or noise(c), min(patience, OF_RUN * paper.seconds))
    must_fit(recipe, found, device)
    return found


def rehearsed(recipe: Recipe, settings: Settings, data: Dataset, patience: float) -> Cost:
    """The rehearsal, in a folder that is gone afterwards; on paper where noise breaks it."""
    c, device = recipe.config, torch.device(settings.device)
    part = Recipe(recipe.paper, recipe.preset, c.model_copy(update={"batch": c.batch // c.accumulate, "accumulate": 1}))
    description = Description(paper=recipe.paper, preset=recipe.preset, config=c.counting())

    def write_model(gan: GAN, folder: Path, facts: dict[str, str], score: str) -> None:
        model_folder.write(gan, folder, description, facts, score)

    cheap = not isinstance(data, Images) or settings.score == "sliced"
    score = choose.scorer(settings.score, data, 10_000, settings.device, c.num_classes) if cheap else None
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        state = new_state(part.build(settings.seed), device)
        state.gan.remember(data)
        if settings.recompute:
            recompute(state.gan)
        run = Run(Path(folder), data, settings, write_model, score, Screen(nowhere))
        try:
            return rehearse(run, state, c.accumulate, patience)
        except NonFinite:
            paper = on_paper(recipe, device)
            return Cost({"steps": Clock(paper.seconds, paper.seconds)}, paper.memory_bytes, paper.memory_bytes)


def micro_batch(recipe: Recipe, settings: Settings, data: Dataset | None, processes: int = 1, here: int = 1) -> int:
    """The most rows that one of so many processes can take at a time: on a GPU by trying, else counted on paper.

    here: how many of them share this machine's memory.  Raises InputError where not even one row, or what D compares,
    would fit.
    """
    device, c = torch.device(settings.device), recipe.config
    grain, share = recipe.on_meta().grain, c.batch // processes
    sizes = [n for n in range(share, 0, -1) if share % n == 0 and n % grain == 0]
    if device.type == "cuda":
        fits = next((n for n in sizes if can_take(recipe, settings, data or noise(c), n)), 0)
    else:
        paper = on_paper(recipe, device, settings.recompute)
        rest = paper.memory_bytes - paper.memory_row * (c.batch // c.accumulate)
        free = ROOM * available(device) / here
        fits = next((n for n in sizes if rest + n * paper.memory_row <= free), 0)
    if not fits:
        raise InputError(
            f"{recipe.preset} does not fit {device} with the smallest part of a batch; "
            "pass --recompute, lower the resolution or narrow the networks with --set"
        )
    return fits


def can_take(recipe: Recipe, settings: Settings, data: Dataset, rows: int) -> bool:
    """Is there memory for a step of each phase on so many rows?  Tried, on a state that is thrown away."""
    part = Recipe(recipe.paper, recipe.preset, recipe.config.model_copy(update={"batch": rows, "accumulate": 1}))
    device, state = torch.device(settings.device), None
    try:
        state = new_state(part.build(settings.seed), device)
        state.gan.remember(data)
        if settings.recompute:
            recompute(state.gan)
        feed = Feed(data, settings.seed, device, recipe.config.flip)
        for phase in state.gan.phases():
            freeze_all_but(state.gan, phase.player)
            one_step(state, phase, feed, rows, settings.precision == "bf16")
    except torch.OutOfMemoryError:
        return False
    except NonFinite:  # the weights of a first step, on what may be noise
        return True
    finally:
        del state
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return True


def noise(config: Config, count: int = 1000) -> Images:
    """Rows of noise in the shape of the data."""
    rng = np.random.default_rng(0)
    x: np.ndarray = rng.integers(0, 256, (count, *config.shape), dtype=np.uint8)
    if len(config.shape) == 1:
        x = rng.standard_normal((count, *config.shape), dtype=np.float32)
    y = np.arange(count) % config.num_classes if config.num_classes else None
    return Images(x, y, [str(k) for k in range(config.num_classes)], "noise", "none", {}, [])


def sparing(settings: Settings, cost: Cost, images: int) -> tuple[Settings, Cost]:
    """The settings with pictures, looks and checkpoints as rare as `SHARE` asks for, and what the run costs then.

    Decided once, before the first step, and recorded with the run: a resumed run keeps it.  What the caller chose stays
    as it is, and all of it where the looks decide on the weights (`on_collapse`).
    """
    given = {"evaluate": settings.evaluate_every or settings.checkpoint_every}
    free = {part: name for part, name in BESIDES.items() if not given.get(name, getattr(settings, f"{name}_every", 0))}
    measured = "looks" in cost.clocks
    if settings.on_collapse != "warn" or not (measured or cost.seconds < SHORT):
        return settings, cost
    every = {name: settings.interval(name, images) for name in free.values()}
    clocks = dict(cost.clocks)

    def taken(clock: Clock) -> float:  # a CPU that others use makes every clock on the wall go by leaps
        return clock.processor if settings.device == "cpu" else clock.wall

    if not measured:
        every = {name: max(images // FEW[name], every[name]) for name in every}
    while measured and sum(taken(clocks[part]) for part in BESIDES) > SHARE * taken(clocks["steps"]):
        frequent = [part for part, name in free.items() if every[name] < images]
        if not frequent:
            break
        part = max(frequent, key=lambda part: taken(clocks[part]))
        name, before = free[part], math.ceil(images / every[free[part]])
        every[name] = min(2 * every[name], images)
        clocks[part] = clocks[part] * (math.ceil(images / every[name]) / before)
    chosen = {f"{name}_every": n for name, n in every.items() if n != settings.interval(name, images)}
    if "checkpoint_every" in chosen and "evaluate" in every:  # or else looks would go with the checkpoints
        chosen["evaluate_every"] = every["evaluate"]
    return settings.model_copy(update=chosen), replace(cost, clocks=clocks)


def rarer(before: Settings, after: Settings, images: int) -> str:
    """A line for people on what `sparing` chose; empty where it chose nothing."""
    words = {"sample": "pictures", "evaluate": "looks at score and health", "checkpoint": "checkpoints"}
    unlike = [name for name in words if after.interval(name, images) != before.interval(name, images)]
    parts = [f"{words[name]} every {after.interval(name, images):,} images" for name in unlike]
    return f"{', '.join(parts)}, so that they take little of a short run's time" if parts else ""


def must_fit(recipe: Recipe, cost: Cost, device: torch.device) -> None:
    """Raises InputError, saying what to change, where the run needs more memory than there is."""
    free, c = ROOM * available(device), recipe.config
    if cost.more_bytes <= free:
        return
    part = c.batch // c.accumulate
    fits = [n for n in range(1, part) if part % n == 0 and cost.more_bytes - cost.memory_row * (part - n) <= free]
    if fits:
        parts = c.batch // max(fits)
        change = f"split it with --set accumulate={parts}, take --batch {max(fits)}, or let --budget 8h choose"
    else:
        change = "lower the resolution, narrow the networks with --set, or let --budget 8h choose"
    raise InputError(
        f"{recipe.preset} needs about {size(cost.more_bytes)} of memory for batches of {part}, "
        f"{size(free)} can be had on {device}; {change}"
    )


def said(cost: Cost, device: str) -> str:
    """A line for people."""
    besides = cost.seconds - cost.clocks["steps"].wall if cost.clocks else 0.0
    of_it = f" ({duration(besides)} of it pictures, scores and checkpoints)" if besides >= 1 else ""
    disk = f", {size(cost.disk_bytes)} of disk" if cost.disk_bytes else ""
    return f"cost: about {duration(cost.seconds)} on {device}{of_it}, {size(cost.memory_bytes)} of memory{disk}"


def size(count: float) -> str:
    """740 MiB or 47.1 GiB"""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{max(count / 2**20, 1):,.0f} MiB"
