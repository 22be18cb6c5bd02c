"""Kernel Inception Distance (Bińkowski et al. 2018, "Demystifying MMD GANs", arXiv 1801.01401).

The squared maximum mean discrepancy under k(x, y) = (x.y / F + 1)^3, unbiased: without the terms of a point with
itself. Being unbiased it may be slightly negative, and it has the same expectation for any number of images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.metrics.order import canonical

BLOCK = 256  # rows and columns of a kernel matrix that are held at once


class Kid(NamedTuple):
    """Mean over subsets, their standard deviation, and each subset's value."""

    value: float
    spread: float
    values: Tensor


def polynomial_mmd(x: Tensor, y: Tensor, degree: int = 3, gamma: float | None = None, offset: float = 1.0) -> float:
    """The unbiased squared MMD of rows [M, F] and [N, F] over all pairs.  gamma: 1 / F unless given"""
    if min(len(x), len(y)) < 2:
        raise InputError(f"KID of {len(x)} and {len(y)} images was asked for, expected 2 or more of each")
    gamma = 1 / x.shape[1] if gamma is None else gamma
    x, y = (rows if rows.is_floating_point() else rows.double() for rows in (x, y))

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        """Products in the features' own type: their errors are independent and average out over the pairs.

        Cubes and sums are float64, where float32 would lose KID's third digit to cancellation.
        """
        return (a @ b.T).double().mul_(gamma).add_(offset).pow_(degree)

    across = sum(float(kernel(a, b).sum()) for a in x.split(BLOCK) for b in y.split(BLOCK))
    return _within(x, kernel) + _within(y, kernel) - 2 * across / (len(x) * len(y))


def _within(x: Tensor, kernel: Callable[[Tensor, Tensor], Tensor]) -> float:
    """The mean of the kernel over pairs of different rows; blocks below the diagonal mirror those above."""
    total, parts = 0.0, x.split(BLOCK)
    for number, part in enumerate(parts):
        square = kernel(part, part)
        total += float(square.sum() - square.diagonal().sum())
        total += sum(2 * float(kernel(part, other).sum()) for other in parts[number + 1 :])
    return total / (len(x) * (len(x) - 1))


def kid(x: Tensor, y: Tensor, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> Kid:
    """KID of features [M, F] and [N, F] as papers report it: the mean over seeded subsets drawn without replacement.

    The spread is the standard deviation over subsets, not an error of the mean.  Raises InputError where a subset is
    larger than a set.
    """
    if subset_size > min(len(x), len(y)):
        raise InputError(
            f"KID subsets of {subset_size} were asked for from {len(x)} and {len(y)} images; "
            "give more images or a smaller subset size"
        )
    orders = canonical(x), canonical(y)
    generator = torch.Generator().manual_seed(seed)

    def draw(rows: Tensor, order: Tensor) -> Tensor:
        return rows[order[torch.randperm(len(rows), generator=generator)[:subset_size].to(order.device)]]

    if subset_size == len(x) == len(y):
        subsets = 1  # all of them would be the whole sets
    pairs = ((draw(x, orders[0]), draw(y, orders[1])) for _ in range(subsets))
    values = torch.tensor([polynomial_mmd(*pair) for pair in pairs], dtype=torch.float64)
    return Kid(float(values.mean()), float(values.std(correction=0)), values)
