"""Samples of any GAN: seeds and conditions in, images out; interpolation; standing statistics.

Here: how a request becomes codes and codes become images, in batches and in evaluation mode.  Not here: what a code is
(each paper's `code`, `decode` and `mix`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganvas import instances, rows
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Given, Request, evaluating
from ganvas.ops.norm import collected_statistics
from ganvas.rng import TruncationForm, whole

Pictures = instances.Image | Sequence[instances.Image]
Classes = int | str | Sequence[int | str] | None
STANDING = 2**40  # the first seed of standing statistics: away from those that people ask for


@torch.no_grad()
def sample(
    gan: GAN,
    n: int,
    seed: int,
    classes: Classes,
    truncation: float | None,
    batch: int,
    form: TruncationForm,
    given: Given | None,
    like: Pictures = None,
    weights: str | Path | None = None,
) -> Tensor:
    """See `GAN.sample`."""
    n, seed, batch = whole("n", n), whole("seed", seed), whole("batch", batch)
    if n < 1 or batch < 1:
        raise InputError(f"n={n}, batch={batch}: both must be at least 1")
    if given is not None and classes is not None:
        raise InputError("classes and given were both passed; the condition holds the classes, leave one of them out")
    if given is not None and like is not None:
        raise InputError("like and given were both passed; the condition holds the features, leave one of them out")
    y = class_indices(gan, classes, n)
    if like is not None:
        given = instances.like(gan, several(like), list(range(seed, seed + n)), y, weights)
    if given is not None and given.h is not None:
        instances.checked(gan, given.h)
    parts = []
    with evaluating(gan):
        for start in range(0, n, batch):
            stop = min(start + batch, n)
            seeds = list(range(seed + start, seed + stop))
            part = rows.take(given, slice(start, stop)) if given is not None else condition(gan, seeds, y, start)
            parts.append(images(gan, gan.code(Request(seeds, part, truncation, form))))
    return torch.cat(parts)


@torch.no_grad()
def interpolate(
    gan: GAN, seeds: Sequence[int], classes: Classes, steps: int, truncation: float | None, form: TruncationForm
) -> Tensor:
    """See `GAN.interpolate`."""
    seeds, steps = [whole("seeds", seed) for seed in seeds], whole("steps", steps)
    if len(seeds) < 2 or steps < 1:
        raise InputError(f"{len(seeds)} seeds in {steps} steps given, expected two seeds or more, and a step or more")
    y = class_indices(gan, classes, len(seeds))
    with evaluating(gan):
        code = gan.code(Request(list(seeds), condition(gan, list(seeds), y, 0), truncation, form))
        return legs(gan, code, steps)


def legs(gan: GAN, code: Any, steps: int) -> Tensor:
    """From each of the n rows of a code to the next in `steps` pictures, along `mix`.  -> [(n - 1) steps, ...]"""
    ends = rows.parts(code, 1)
    with torch.no_grad(), evaluating(gan):
        lines = [rows.concat([gan.mix(a, b, k / steps) for k in range(steps)]) for a, b in pairwise(ends)]
        return torch.cat([images(gan, line) for line in lines])


@torch.no_grad()
def between(
    gan: GAN,
    seeds: Sequence[int],
    like: Pictures,
    classes: Classes,
    steps: int,
    truncation: float | None,
    form: TruncationForm,
    weights: str | Path | None,
) -> Tensor:
    """See `GAN.between`."""
    pictures = several(like)
    if len(pictures) < 2 or steps < 2 or not seeds:
        raise InputError(f"{len(pictures)} pictures in {steps} steps given, expected two or more, in two steps or more")
    y, made = class_indices(gan, classes, len(pictures)), []
    with evaluating(gan):
        for seed in seeds:
            same = [seed] * len(pictures)
            code = gan.code(Request(same, instances.like(gan, pictures, same, y, weights), truncation, form))
            ends = [rows.take(code, slice(i, i + 1)) for i in range(len(pictures))]
            line = ends[:1]
            for a, b in pairwise(ends):
                line += [gan.mix(a, b, k / (steps - 1)) for k in range(1, steps)]
            made.append(images(gan, rows.concat(line)))
    return torch.cat(made)


@torch.no_grad()
def standing_statistics(
    gan: GAN, batches: int, batch: int, seed: int, truncation: float | None, form: TruncationForm
) -> None:
    """See `GAN.standing_statistics`.  In evaluation mode: spectral norm's vectors stay where they are."""
    codes = []
    for k in range(batches):
        seeds = list(range(STANDING + seed + k * batch, STANDING + seed + (k + 1) * batch))
        codes.append(gan.code(Request(seeds, gan.given(seeds), truncation, form)))
    with evaluating(gan), collected_statistics(gan) as layers:
        if not layers:
            raise InputError(f"{gan.title} has no standing statistics; leave them out")
        for code in codes:
            images(gan, code)


def condition(gan: GAN, seeds: list[int], y: Tensor | None, start: int) -> Given:
    """What these seeds decide, with the classes that were asked for in place of drawn ones."""
    if y is None:
        return gan.given(seeds)
    asked = y[start : start + len(seeds)]
    if gan.reads == "instances":
        return instances.drawn(gan, seeds, asked)
    return replace(gan.given(seeds), y=asked)


def several(like: Pictures) -> list[instances.Image]:
    """One picture or several, as a list."""
    return list(like) if isinstance(like, list | tuple) else [like]


def condition_like(gan: GAN, real: Batch, seeds: list[int]) -> Given:
    """The condition of samples that stand beside real ones: the seeds' own, or where those do not do, the real's."""
    return gan.given(seeds) if gan.seeds_suffice else real.given


def images(gan: GAN, code: object) -> Tensor:
    """The images of codes, on the GAN's device.  -> float32 [N, C, H, W]"""
    first = next(gan.parameters())
    return gan.decode(rows.to(code, first.device, first.dtype)).float()


def is_many(classes: object) -> bool:
    """Are these several classes?  A name is one, and so is an array or a tensor without axes."""
    return not isinstance(classes, str) and hasattr(classes, "__len__") and getattr(classes, "ndim", 1) > 0


def images_of(gan: GAN, code: Any, batch: int = 64) -> Tensor:
    """The images of any number of codes, so many at a time, in evaluation mode.  -> float32 [N, C, H, W]"""
    with torch.no_grad(), evaluating(gan):
        return torch.cat([images(gan, part) for part in rows.parts(code, batch)])


def class_indices(gan: GAN, classes: Classes, n: int) -> Tensor | None:
    """Names or indices, one or n of them -> [n] indices."""
    if classes is None:
        return None
    if not gan.config.num_classes:
        raise InputError(f"classes={classes!r} given, but this model is unconditional; leave the class out")
    given: list[Any] = list(classes) if is_many(classes) else [classes] * n  # type: ignore[arg-type]
    if len(given) != n:
        raise InputError(f"{len(given)} classes for {n} images; give one class, or one for each image")
    return torch.tensor([gan.class_index(c) for c in given], device=gan.device)
