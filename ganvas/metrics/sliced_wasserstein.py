"""Sliced Wasserstein distance (Rabin et al. 2011): cheap enough to follow training, on pixels or points."""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.errors import InputError

BLOCK = 16  # directions at a time


def sliced_wasserstein(x: Tensor, y: Tensor, projections: int = 128, seed: int = 0, p: int = 2) -> float:
    """(mean over directions of W_p^p of the projections)^(1/p).  x [M, ...], y [N, ...], flattened to D numbers each

    The directions are drawn on the unit sphere by `seed`, so numbers of one seed and D can be compared. Sets of
    different sizes are compared exactly, by their quantile functions.
    """
    x, y = x.double().flatten(1), y.double().flatten(1)
    if x.shape[1] != y.shape[1] or min(len(x), len(y)) < 1:
        raise InputError(f"sliced Wasserstein distance of {list(x.shape)} and {list(y.shape)}; expected [M, D], [N, D]")
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(x.shape[1], projections, generator=generator, dtype=torch.float64).to(x.device)
    directions /= directions.norm(dim=0)
    at_left, at_right, width = (steps.to(x.device) for steps in _steps(len(x), len(y)))
    total = 0.0
    for part in directions.T.split(BLOCK):  # each direction a row: sorting columns is several times as slow
        left, right = (part @ x.T).sort(1).values, (part @ y.T).sort(1).values
        gaps = (left[:, at_left] - right[:, at_right]).abs() ** p
        total += float((gaps @ width).sum())
    return float((total / projections) ** (1 / p))


def _steps(m: int, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where two quantile functions of m and n steps are constant: index in each, and the width of each piece."""
    edges = torch.cat([torch.arange(m + 1) * n, torch.arange(n + 1) * m]).unique()  # in units of 1 / (m n): exact
    start, width = edges[:-1], edges.diff()
    return start // n, start // m, width.double() / (m * n)
