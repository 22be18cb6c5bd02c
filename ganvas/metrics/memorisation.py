"""Does the model repeat its training set?  Nearest-neighbour distances, compared with those of honest images.

How near a fresh image of the same kind lies to the training set is measured on a held-out set, or, without one, on the
training set itself, leaving each image out. The three-sample test of Meehan et al. 2020 (arXiv 2004.05675) stands
behind `closer`: a model that copies is nearer to the training set than held-out images are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.metrics.distances import nearest


class Memorisation(NamedTuple):
    """How samples lie to the training set."""

    ratio: float  # median distance of samples to the training set / that of honest images; well below 1: copying
    closer: float  # chance that a sample is nearer than an honest image; 1/2: no difference, 1: always
    duplicates: float  # share of samples nearer than `duplicate` x the honest median
    distances: Tensor  # [N] of each sample to its nearest training image
    indices: Tensor  # [N] of that training image


def memorisation(
    samples: Tensor, training: Tensor, held_out: Tensor | None = None, duplicate: float = 0.1
) -> Memorisation:
    """For flattened pixels or features [N, F], [M, F], [L, F] or None (then leave-one-out on the training set)."""
    if len(training) < 2 or len(samples) < 1:
        raise InputError(f"memorisation of {len(samples)} samples against {len(training)} images; expected more")
    distances, indices = (found[:, 0] for found in nearest(samples, training))
    if held_out is None:
        honest = nearest(training, training, leave_one_out=True)[0][:, 0]
    else:
        honest = nearest(held_out, training)[0][:, 0]
    middle = float(honest.median())
    return Memorisation(
        ratio=float(distances.median()) / middle if middle > 0 else float("nan"),
        closer=_chance_of_less(distances, honest),
        duplicates=float((distances <= duplicate * middle).double().mean()),
        distances=distances,
        indices=indices,
    )


def _chance_of_less(a: Tensor, b: Tensor) -> float:
    """P(a < b) + P(a = b) / 2 for independent draws: Mann and Whitney's statistic over its pairs."""
    ordered = b.sort().values
    below = torch.searchsorted(ordered, a, side="left")
    up_to = torch.searchsorted(ordered, a, side="right")
    return 1 - float((below + up_to).double().mean()) / (2 * len(b))
