"""Signs of collapse that a watch during training looks at: functions of samples and scores, cheap on 256 images."""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.metrics.distances import mean_pairwise, nearest


def diversity_ratio(samples: Tensor, real: Tensor) -> float:
    """Mean pairwise distance of samples [N, ...] over that of real images [M, ...]; near 0: all samples look alike."""
    spread = mean_pairwise(real.flatten(1))
    return mean_pairwise(samples.flatten(1)) / spread if spread > 0 else float("nan")


def duplicate_share(samples: Tensor, real: Tensor, threshold: float = 0.1) -> float:
    """Share of samples [N, ...] that have another sample nearer than `threshold` x the real images' median distance to
    their own nearest neighbour; 0 in a healthy run."""
    usual = float(nearest(real.flatten(1), real.flatten(1), leave_one_out=True)[0].median())
    distances = nearest(samples.flatten(1), samples.flatten(1), leave_one_out=True)[0]
    return float((distances <= threshold * usual).double().mean())


def separation(real_scores: Tensor, fake_scores: Tensor) -> float:
    """Chance that D scores a real image above a sample; 1/2: it cannot tell, 1: it is never wrong (saturated)."""
    ordered = fake_scores.flatten().double().sort().values
    scores = real_scores.flatten().double()
    below = torch.searchsorted(ordered, scores, side="left") + torch.searchsorted(ordered, scores, side="right")
    return float(below.double().mean()) / (2 * len(ordered))


def score_gap(real_scores: Tensor, fake_scores: Tensor) -> float:
    """Distance of the mean scores in units of their pooled standard deviation; it grows as D saturates."""
    real, fake = real_scores.double().flatten(), fake_scores.double().flatten()
    pooled = ((real.var() + fake.var()) / 2).sqrt()
    return float((real.mean() - fake.mean()) / pooled) if float(pooled) > 0 else float("nan")


def constant_share(samples: Tensor, tolerance: float = 2 / 255) -> float:
    """Share of images [N, ...] in [-1, 1] whose pixels differ by no more than `tolerance`: blank images."""
    flat = samples.flatten(1)
    return float(((flat.amax(1) - flat.amin(1)) <= tolerance).double().mean())
