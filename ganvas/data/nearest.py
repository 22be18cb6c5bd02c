"""Exact nearest neighbours under cosine similarity, in blocks: bounded memory for any set.

Vectors have unit length, so the largest dot product is the smallest angle and the smallest Euclidean distance.  Of
equal similarities the lower row comes first, and a row is never its own neighbour, by number and not by position:
duplicates of it are neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ganvas.errors import InputError

QUERIES, COLUMNS = 1024, 16_384  # rows and columns of similarities held at once: 64 MiB
Rows = Callable[[int, int], Tensor]  # (start, stop) -> those vectors, float32 [n, F] of unit length


def nearest(rows: Rows, count: int, start: int, stop: int, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest of all `count` vectors to those of rows start ... stop - 1, themselves excepted.

    -> rows int64 [N, k], nearest first; similarities float32 [N, k]
    """
    queries = rows(start, stop)
    own = torch.arange(start, stop, device=queries.device)[:, None]
    best = torch.full((len(queries), 0), 0.0, device=queries.device)
    found = torch.zeros(best.shape, dtype=torch.int64, device=queries.device)
    for left in range(0, count, COLUMNS):
        right = min(left + COLUMNS, count)
        similar = queries @ rows(left, right).T
        columns = torch.arange(left, right, device=queries.device)
        similar.masked_fill_(columns == own, -torch.inf)
        best, found = _best(torch.cat([best, similar], 1), torch.cat([found, columns.expand_as(similar)], 1), k)
    return found, best


def _best(similar: Tensor, columns: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k most similar of each row, of equal ones the lowest columns, in order.  Columns ascend where they tie."""
    k = min(k, similar.shape[1])
    least = similar.topk(k, 1).values[:, -1:]  # which of several equal ones topk takes is not defined, its values are
    above = similar > least
    tied = similar == least
    room = k - above.sum(1, keepdim=True)
    chosen = above | (tied & (tied.cumsum(1) <= room))
    at = chosen.nonzero()[:, 1].view(len(similar), k)
    kept, names = similar.gather(1, at), columns.gather(1, at)
    order = kept.sort(dim=1, descending=True, stable=True).indices
    return kept.gather(1, order), names.gather(1, order)


def radii(similar: Tensor) -> Tensor:
    """Euclidean distance to the last neighbour: |a - b|^2 = 2 - 2 a.b  [N, k] -> [N]"""
    return (2 - 2 * similar[:, -1]).clamp_min(0).sqrt()


def checked_k(k: int, count: int) -> int:
    """k, if a set of so many has as many neighbours; raises InputError."""
    if not 1 <= k < count:
        raise InputError(f"k={k} neighbours asked for of {count:,} images; expected 1 to {max(count - 1, 0):,}")
    return k


def as_array(rows: np.ndarray) -> Rows:
    """Rows of an array in memory or mapped."""
    return lambda start, stop: torch.from_numpy(np.array(rows[start:stop], np.float32))
