"""Sliced Wasserstein distance: cheap enough to be asked during training, for pixels and for points."""

from __future__ import annotations

import torch
from torch import Tensor


def sliced_wasserstein(a: Tensor, b: Tensor, projections: int = 256, seed: int = 0) -> Tensor:
    """Mean over random directions of the 1-Wasserstein distance of the projections.  a, b [M, D] -> scalar

    a and b have equally many rows.  The same seed gives the same directions.
    """
    if a.shape != b.shape:
        raise ValueError(f"sets of unlike shape: {tuple(a.shape)} and {tuple(b.shape)}")
    rng = torch.Generator().manual_seed(seed)
    directions = torch.randn(a.shape[1], projections, generator=rng, dtype=torch.float64)
    directions /= directions.norm(dim=0)
    sorted_a, sorted_b = ((x.double() @ directions).sort(dim=0).values for x in (a, b))
    return (sorted_a - sorted_b).abs().mean()
