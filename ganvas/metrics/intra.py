"""Intra-class Fréchet distance (Miyato & Koyama 2018, arXiv 1802.05637): one distance per class, and their mean.

Each class of samples is compared with the same class of the reference. Leaving out the masks, which gives every class
the distance of the whole sets, is a known slip; the test turns it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.metrics.frechet import frechet_from_features


class IntraClass(NamedTuple):
    """Mean over classes, standard deviation over classes, and the distance of each class."""

    value: float
    spread: float
    per_class: dict[int, float]


def intra_class_frechet(fake: Tensor, fake_labels: Tensor, real: Tensor, real_labels: Tensor) -> IntraClass:
    """For features [N, F] and [M, F] with labels [N] and [M]; over the classes of the reference.

    Raises InputError that names the classes of which a set has fewer than two images.
    """
    classes = sorted(set(real_labels.tolist()))
    few = [c for c in classes if min(int((fake_labels == c).sum()), int((real_labels == c).sum())) < 2]
    if few:
        raise InputError(f"intra-class distance: fewer than two images of class {few[:5]}; sample every class evenly")
    per_class = {c: frechet_from_features(fake[fake_labels == c], real[real_labels == c]) for c in classes}
    values = torch.tensor(list(per_class.values()), dtype=torch.float64)
    return IntraClass(float(values.mean()), float(values.std(correction=0)), per_class)
