"""Kernel Inception Distance (Bińkowski et al. 2018, "Demystifying MMD GANs", arXiv 1801.01401).

The squared maximum mean discrepancy under k(x, y) = (x.y / F + 1)^3, unbiased: without the terms of a point with
itself. Being unbiased it may be slightly negative, and it has the same expectation for any number of images.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.metrics.order import canonical

BLOCK = 2048  # rows of a kernel matrix that are held at once


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

    def total(a: Tensor, b: Tensor) -> Tensor:
        """The sum of the kernel over all pairs, widened to float64 a block at a time."""
        sums = a.new_zeros((), dtype=torch.float64)
        for left in a.split(BLOCK):
            for right in b.split(BLOCK):
                products = left.double() @ right.double().T
                sums += products.mul_(gamma).add_(offset).pow_(degree).sum()
        return sums

    def itself(a: Tensor) -> Tensor:
        """The sum of the kernel over pairs of a point with itself."""
        squares = torch.cat([part.double().square().sum(1) for part in a.split(BLOCK)])
        return (squares * gamma + offset).pow(degree).sum()

    within_x = (total(x, x) - itself(x)) / (len(x) * (len(x) - 1))
    within_y = (total(y, y) - itself(y)) / (len(y) * (len(y) - 1))
    return float(within_x + within_y - 2 * total(x, y) / (len(x) * len(y)))


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

    pairs = ((draw(x, orders[0]), draw(y, orders[1])) for _ in range(subsets))
    values = torch.tensor([polynomial_mmd(*pair) for pair in pairs], dtype=torch.float64)
    return Kid(float(values.mean()), float(values.std(correction=0)), values)
