"""k-means over feature vectors, and the image nearest to each centre: a thousand that stand for a data set."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganvas import rng
from ganvas.data.nearest import Rows

BLOCK = 8192  # vectors compared with all centres at once
ENOUGH = 1e-4  # iterations end once the mean squared distance shrinks by less than this share


def representatives(rows: Rows, count: int, num_centres: int, iterations: int, per_centre: int) -> np.ndarray:
    """The rows nearest to k-means centres, each row once.  -> int64 [S], S <= num_centres, ascending

    per_centre: vectors a centre that the centres are learned from, a sample of all.  All rows where there are no more.
    """
    if count <= num_centres:
        return np.arange(count)
    chosen = torch.randperm(count, generator=rng.generator("k-means", count))[: num_centres * per_centre].sort().values
    x = torch.cat([rows(i, i + 1) for i in chosen.tolist()]) if len(chosen) < count else rows(0, count)
    centres = k_means(x, num_centres, iterations)
    best = torch.full((num_centres,), torch.inf)
    at = torch.zeros(num_centres, dtype=torch.int64)
    for start in range(0, count, BLOCK):
        part = rows(start, min(start + BLOCK, count))
        nearer, where = squared_distances(part, centres).min(0)
        closer = nearer < best
        best[closer], at[closer] = nearer[closer], where[closer] + start
    return at.unique().numpy()


def k_means(x: Tensor, num_centres: int, iterations: int) -> Tensor:
    """Lloyd's algorithm from random rows.  x [N, F] -> centres [num_centres, F]

    A centre that no row is nearest to moves to the row that is farthest from its own.
    """
    centres = x[torch.randperm(len(x), generator=rng.generator("centres", num_centres))[:num_centres]].clone()
    before = torch.inf
    for _ in range(iterations):
        nearest, distance = assigned(x, centres)
        sums = torch.zeros_like(centres).index_add_(0, nearest, x)
        counts = nearest.bincount(minlength=num_centres)
        centres = sums / counts.clamp_min(1)[:, None]
        empty = counts == 0
        centres[empty] = x[distance.topk(int(empty.sum())).indices]
        now = float(distance.mean())
        if now >= before * (1 - ENOUGH):
            break
        before = now
    return centres


def assigned(x: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Each row's nearest centre and squared distance to it.  -> int64 [N], [N]"""
    found = [squared_distances(part, centres).min(1) for part in x.split(BLOCK)]
    return torch.cat([f.indices for f in found]), torch.cat([f.values for f in found])


def squared_distances(x: Tensor, centres: Tensor) -> Tensor:
    """|x - c|^2 of every row and centre.  -> [N, num_centres]"""
    product = torch.addmm(centres.square().sum(1)[None], x, centres.T, alpha=-2)
    return product.add_(x.square().sum(1, keepdim=True)).clamp_min_(0)
