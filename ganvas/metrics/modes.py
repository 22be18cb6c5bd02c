"""Mode counts for toys whose modes are known: how many a model covers, and how many of its samples are good.

A sample is of high quality when it lies within 3 standard deviations of its nearest mode, and a mode is covered when at
least one high-quality sample is nearest to it (Srivastava et al. 2017, VEEGAN, arXiv 1705.07761; PacGAN the same).
Metz et al. 2017 and others use 4; the number belongs to the record.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ganvas.errors import InputError


class Modes(NamedTuple):
    """What a set of points covers."""

    covered: int  # modes with at least `at_least` high-quality samples
    high_quality: float  # share of samples within `within` standard deviations of a mode
    divergence: float  # KL(share of modes among high-quality samples || uniform), in nats; 0 is even
    counts: Tensor  # int64 [K], high-quality samples per mode


def mode_coverage(points: Tensor, modes: Tensor, std: float, within: float = 3.0, at_least: int = 1) -> Modes:
    """For points [N, D] and modes [K, D] of one standard deviation `std` per coordinate."""
    if points.shape[1:] != modes.shape[1:] or len(points) == 0:
        raise InputError(f"mode count of points {list(points.shape)} with modes {list(modes.shape)}; expected [N, D]")
    distance, mode = torch.cdist(points.double(), modes.double()).min(1)
    good = distance <= within * std
    counts = torch.bincount(mode[good], minlength=len(modes))
    share = counts.double() / max(1, int(good.sum()))
    divergence = torch.where(share > 0, share * (share * len(modes)).log(), 0.0).sum()
    return Modes(
        covered=int((counts >= at_least).sum()),
        high_quality=float(good.double().mean()),
        divergence=float(divergence) if good.any() else float("nan"),
        counts=counts,
    )
