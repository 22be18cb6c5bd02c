"""Improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991), density and coverage (Naeem et al. 2020,
arXiv 2002.09797).

A set's manifold is the union of balls around its points, each as wide as the distance to the point's k-th neighbour.
A point on the rim lies inside (<=), as in the first paper; for continuous features no point is on a rim.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.metrics.distances import nearest, rough, within

RIM = 1e-12  # of the features' total variance: far above the rounding of a squared distance, far below a difference


class Prdc(NamedTuple):
    """Shares in [0, 1], but density, which may exceed 1."""

    precision: float  # samples inside the real manifold
    recall: float  # real images inside the samples' manifold
    density: float  # real balls that hold a sample, over k, on average
    coverage: float  # real images whose ball holds a sample


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> Prdc:
    """All four for features [M, F] and [N, F].  Raises InputError with k or fewer images in a set."""
    if min(len(real), len(fake)) <= k:
        raise InputError(f"precision and recall with k={k} of {len(real)} and {len(fake)} images; expected more than k")
    real_radius, fake_radius = _radii(real, k), _radii(fake, k)
    inside = torch.zeros(len(fake), dtype=torch.int64, device=fake.device)  # of how many real balls
    recalled, covered = 0, 0
    for rows, squared, error in rough(real, fake):
        hits = within(real[rows], fake, squared, error, real_radius[rows, None])
        inside += hits.sum(0)
        covered += int(hits.any(1).sum())
        recalled += int(within(real[rows], fake, squared, error, fake_radius).any(1).sum())
    return Prdc(
        precision=float((inside > 0).double().mean()),
        recall=recalled / len(real),
        density=float(inside.double().mean()) / k,
        coverage=covered / len(real),
    )


def _radii(features: Tensor, k: int) -> Tensor:
    """The squared distance of each row to its k-th neighbour, wider by rounding so that the rim lies inside.  -> [M]"""
    radius = nearest(features, features, k, leave_one_out=True)[0][:, -1]
    return radius.square() + RIM * features.double().var(0).sum()
