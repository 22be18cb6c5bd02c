"""What the ablations share: runs that differ in a few settings, gone on with where they stopped, scored once."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ganvas import api
from ganvas.engine.run import Settings
from ganvas.metrics.protocol import Score, read_scores, write_scores
from ganvas.recipes import Recipe
from ganvas.scoring.subject import evaluate


def folder(out: Path, variant: str, seed: int) -> Path:
    """Where the run of a variant lies."""
    return out / f"{variant.replace(', ', '-').replace(' ', '-')}-{seed}"


def train(recipe: Recipe, data: str, where: Path, seed: int, done: str, device: str = "cpu") -> None:
    """One run to its end, going on where it was stopped; nothing where `done`, a file in it, is there.

    A run that is stopped is not scored: the script ends.
    """
    if (where / done).is_file():
        return
    if where.exists():
        outcome = api.resume(where, None, {}, device)
    else:
        outcome = api.train(
            recipe, Settings(data=data, seed=seed, device=device, sample_every=recipe.config.images), where
        )
    if outcome.stopped is not None:
        raise SystemExit(f"stopped in {where}; the same command goes on")


def score(model: Path, kept: Path, data: str, n: int, sets: int, device: str = "cpu") -> Score:
    """FD-own of a model folder on disjoint sample sets, from the file `kept` where that is there."""
    if not kept.is_file():
        _, scores = evaluate(model, data, metrics="fid", n=n, sets=sets, device=torch.device(device))
        write_scores(kept, kept.parent.name, scores)
    return read_scores(kept)[1][0]


def table(scores: Mapping[str, list[Score]]) -> str:
    """A line for each variant: each seed with its spread over sample sets, mean and deviation over training seeds."""
    return "\n".join(_row(name, found) for name, found in scores.items())


def _row(name: str, scores: list[Score]) -> str:
    each = "  ".join(f"{s.value:8.2f} ± {s.spread:.2f}" for s in scores)
    values = [s.value for s in scores]
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{name:<28} {each}   mean {statistics.mean(values):.2f}{deviation}"


def recipe(preset: str, data: str, values: Mapping[str, Any], resolution: int | None = None) -> Recipe:
    """A preset for a data set with what a variant sets."""
    return api.recipe(preset, api.peek(preset, data), resolution, dict(values))
