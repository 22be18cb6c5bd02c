"""Distances of two sets of points, block by block: memory grows with a block, not with the product of the sets.

What only asks which distances are small, `nearest` and `within`, looks at float32 squares whose error is bounded, and
takes in float64 what they leave open: the same answers as float64 alone, at less than half of the cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ganvas.ops.places import padded, places

BLOCK = 1 << 23  # distances held at once (64 MiB of float64)
COLUMNS = 8192  # points of the other set that are held in float64 at once
PAIRS = 64  # pairs whose differences are held in float64 at once, in a core's cache
OPEN = 0.01  # of all pairs: where float32 leaves more open, float64 products of all of them are cheaper


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


def rough(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor, float]]:
    """Squares of `blocks` in float32, and how far from the true ones they may be: (rows of x, [rows, N], error).

    The bound holds for a product summed in any order (Higham 2002, Accuracy and Stability, section 3.1): with unit
    roundoff u, D numbers and S = max |a| + max |b|, products and sums of squares are 1.5 D u S^2 off at most, rounded
    inputs and the last additions less than 16 u S^2.
    """
    kind = torch.float32 if torch.get_float32_matmul_precision() == "highest" else torch.float64
    x, y = (points if points.dtype in (torch.float32, torch.float64) else points.double() for points in (x, y))
    centre = y.mean(0, dtype=torch.float64).to(y.dtype)
    rows, unit = max(1, BLOCK // max(1, len(y))), torch.finfo(kind).eps / 2
    for start in range(0, len(x), rows):
        part = (x[start : start + rows] - centre).to(kind)
        own = part.square().sum(1, keepdim=True)
        squared, farthest = part.new_empty(len(part), len(y)), 0.0
        for left in range(0, len(y), COLUMNS):
            other = (y[left : left + COLUMNS] - centre).to(kind)
            theirs = other.square().sum(1)
            with torch.autocast(x.device.type, enabled=False):
                torch.addmm(own, part, other.T, alpha=-2, out=squared[:, left : left + COLUMNS])
            squared[:, left : left + COLUMNS] += theirs
            farthest = max(farthest, float(theirs.max()))
        size = (float(own.max()) ** 0.5 + farthest**0.5) ** 2
        yield slice(start, start + len(part)), squared, (1.5 * x.shape[1] + 16) * unit * size


def exact(x: Tensor, y: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Squared distances of some rows of x to as many of y, from their differences.  int64 [n], [n] -> float64 [n]"""
    parts = zip(row.split(PAIRS), column.split(PAIRS))
    return torch.cat([(x[i].double() - y[j].double()).square().sum(1) for i, j in parts])


def within(x: Tensor, y: Tensor, squared: Tensor, error: float, limit: Tensor) -> Tensor:
    """Which squares of `rough` are at most `limit` in truth.  limit: float64 [n, 1] or [N] -> bool [n, N]"""
    near = limit.to(squared.dtype)
    row, column = places((squared - near).abs_() <= error + near * torch.finfo(squared.dtype).eps)
    if not math.isfinite(error) or len(row) > OPEN * squared.numel():
        return next(blocks(x, y))[1].square_() <= limit
    found = squared <= near
    found[row, column] = exact(x, y, row, column) <= limit.expand_as(squared)[row, column]
    return found


def nearest(x: Tensor, y: Tensor, k: int = 1, leave_one_out: bool = False) -> tuple[Tensor, Tensor]:
    """Distances and indices [M, k] of the k nearest rows of y [N, D] to each row of x [M, D], nearest first.

    leave_one_out: x is y, and no row is its own neighbour.  The distances are computed anew from differences, so that
    equal points are at distance 0 exactly.
    """
    assert k + leave_one_out <= len(y), f"{k} neighbours among {len(y)} points"
    found, distances = [], []
    for rows, squared, error in rough(x, y):
        if leave_one_out:
            squared[:, rows].fill_diagonal_(torch.inf)
        last = squared.topk(k, 1, largest=False).values[:, -1:]
        row, column = places(squared <= last + 2 * error)  # whoever is nearer than the k-th in truth
        if not math.isfinite(error) or len(row) > OPEN * squared.numel() + 2 * k * len(squared):
            row, column = _by_products(x[rows], y, k, rows.start if leave_one_out else None)
        squares = exact(x[rows], y, row, column)
        apart, which = padded(row, squares, len(squared), torch.inf), padded(row, column, len(squared), 0)
        order = apart.sort(dim=1, stable=True).indices[:, :k]
        distances.append(apart.gather(1, order).sqrt())
        found.append(which.gather(1, order))
    return torch.cat(distances), torch.cat(found)


def _by_products(x: Tensor, y: Tensor, k: int, own: int | None) -> tuple[Tensor, Tensor]:
    """Pairs of each row of x with its k nearest of y by float64 products.  own: of which row of y the first x is one

    -> rows of x, ascending, and of y, int64 [n k]
    """
    distances = next(blocks(x, y))[1]
    if own is not None:
        distances[:, own : own + len(x)].fill_diagonal_(torch.inf)
    column = distances.topk(k, largest=False).indices.flatten()
    return torch.arange(len(x), device=x.device).repeat_interleave(k), column


def mean_pairwise(x: Tensor) -> float:
    """The mean Euclidean distance of two different rows of x [M, D]."""
    total = sum(float(distances.sum()) for _, distances in blocks(x, x))
    return total / (len(x) * (len(x) - 1))
