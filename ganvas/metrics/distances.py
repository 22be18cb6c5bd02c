"""Distances of two sets of points, block by block: memory grows with a block, not with the product of the sets."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 1 << 23  # distances held at once (64 MiB of float64)
COLUMNS = 8192  # points of the other set that are held in float64 at once


def blocks(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Euclidean distances of rows of x [M, D] to all of y [N, D], as (which rows of x, float64 [rows, N])."""
    # Around a common centre the squares lose less; in float64 equal points are then within 1e-7 of each other.
    centre = y.mean(0, dtype=torch.float64)
    rows = max(1, BLOCK // max(1, len(y)))
    for start in range(0, len(x), rows):
        part = x[start : start + rows].double() - centre
        own = part.square().sum(1, keepdim=True)
        squared = part.new_empty(len(part), len(y))
        for left in range(0, len(y), COLUMNS):  # y is widened to float64 a piece at a time
            other = y[left : left + COLUMNS].double() - centre
            torch.addmm(own, part, other.T, alpha=-2, out=squared[:, left : left + COLUMNS])
            squared[:, left : left + COLUMNS] += other.square().sum(1)
        yield slice(start, start + len(part)), squared.clamp_(min=0).sqrt_()


def nearest(x: Tensor, y: Tensor, k: int = 1, leave_one_out: bool = False) -> tuple[Tensor, Tensor]:
    """Distances and indices [M, k] of the k nearest rows of y [N, D] to each row of x [M, D], nearest first.

    leave_one_out: x is y, and no row is its own neighbour.  The distances are computed anew from differences, so that
    equal points are at distance 0 exactly.
    """
    assert k + leave_one_out <= len(y), f"{k} neighbours among {len(y)} points"
    found, exact = [], []
    for rows, distances in blocks(x, y):
        if leave_one_out:
            distances[:, rows].fill_diagonal_(torch.inf)
        indices = distances.topk(k, largest=False).indices
        part = x[rows].double()
        columns = [(part - y[column].double()).square().sum(1).sqrt() for column in indices.unbind(1)]
        found.append(indices)
        exact.append(torch.stack(columns, 1))
    return torch.cat(exact), torch.cat(found)


def mean_pairwise(x: Tensor) -> float:
    """The mean Euclidean distance of two different rows of x [M, D]."""
    total = sum(float(distances.sum()) for _, distances in blocks(x, x))
    return total / (len(x) * (len(x) - 1))
