"""Exact nearest neighbours under cosine similarity, in blocks: bounded memory for any set.

Vectors have unit length, so the largest dot product is the smallest angle and the smallest Euclidean distance.  Of
equal similarities the lower row comes first, and a row is never its own neighbour, by number and not by position:
duplicates of it are neighbours.  `Faiss` finds the same sets where no similarity ties with the last one's.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.ops.places import padded, places

COLUMNS = 16_384  # vectors that a block of queries is compared with at once
MANY = 8  # times k similarities of a row that are sorted rather than searched for the k largest
Rows = Callable[[int, int], Tensor]  # (start, stop) -> those vectors, float32 [n, F] of unit length
Search = Callable[[int, int, int], tuple[Tensor, Tensor]]  # (start, stop, k) -> as `nearest`


def nearest(rows: Rows, count: int, start: int, stop: int, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest of all `count` vectors to those of rows start ... stop - 1, themselves excepted.

    -> rows int64 [N, k], nearest first; similarities float32 [N, k]
    """
    queries = rows(start, stop)
    best = torch.empty((len(queries), 0), device=queries.device)
    found = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)
    for left in range(0, count, COLUMNS):
        right = min(left + COLUMNS, count)
        similar = queries @ rows(left, right).T
        own = torch.arange(start, stop, device=queries.device)
        own = own[(own >= left) & (own < right)]
        similar[own - start, own - left] = -torch.inf
        whole = best.shape[1] == k
        values, at = _better(similar, best[:, -1:], k) if whole else _top(similar, min(k, right - left))
        joined, names = torch.cat([best, values], 1), torch.cat([found, at + left], 1)
        order = joined.sort(dim=1, descending=True, stable=True).indices[:, :k]  # of equal ones the earlier block's
        best, found = joined.gather(1, order), names.gather(1, order)
    return found, best


def _better(similar: Tensor, least: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """What is larger than `least` in its row, by columns, filled up with -inf.  [N, M], [N, 1] -> [N, n], int64 [N, n]

    After some blocks this is little, found at a fraction of what a search for the k largest costs.  Where a row has
    very many, as of a sorted set, that search is made instead.
    """
    row, column = places(similar > least)
    if len(row) and int(torch.bincount(row).max()) > MANY * k:
        return _top(similar, min(k, similar.shape[1]))
    n = len(similar)
    return padded(row, similar[row, column], n, -torch.inf), padded(row, column, n, 0)


def _top(similar: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row in order, of equal ones the first.  [N, M] -> [N, k] values, [N, k] int64 places"""
    values, at = similar.topk(k, 1)
    for row in ((similar >= values[:, -1:]).sum(1) > k).nonzero().flatten().tolist():  # topk takes any of equal ones
        at[row] = similar[row].sort(descending=True, stable=True).indices[:k]
    at = at.sort(dim=1).values
    values = similar.gather(1, at)
    order = values.sort(dim=1, descending=True, stable=True).indices
    return values.gather(1, order), at.gather(1, order)


class Faiss:
    """The same through faiss (Douze et al. 2024, arXiv 2401.08281), an index of all vectors in memory."""

    def __init__(self, rows: Rows, count: int) -> None:
        self.rows = rows
        self.index = import_faiss().IndexFlatIP(rows(0, 1).shape[1])
        for left in range(0, count, COLUMNS):
            self.index.add(rows(left, min(left + COLUMNS, count)).cpu().numpy())

    def __call__(self, start: int, stop: int, k: int) -> tuple[Tensor, Tensor]:
        """As `nearest`."""
        similar, found = map(torch.from_numpy, self.index.search(self.rows(start, stop).cpu().numpy(), k + 1))
        other = found != torch.arange(start, stop)[:, None]
        other[other.all(1), -1] = False  # behind k + 1 duplicates the row itself may be missing: the last one goes
        return found[other].view(-1, k), similar[other].view(-1, k)


def import_faiss() -> Any:
    """The library; raises InputError where it is not installed."""
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        reason = f"faiss cannot be imported ({error})"
        raise InputError(f"{reason}; pip install 'ganvas[faiss]', or search with torch") from None


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
