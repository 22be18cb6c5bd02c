"""An order of features that does not depend on the order in which the images came.

Subsets and splits are drawn by a seed from positions; sorting first makes them a function of the set alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def canonical(features: Tensor) -> Tensor:
    """Indices [N] that sort rows [N, F] along one fixed pseudo-random direction."""
    generator = torch.Generator().manual_seed(20_230_917)
    direction = torch.randn(features.shape[1], generator=generator, dtype=torch.float64).to(features.device)
    # Row by row in float64: a product whose blocking depended on N could order near ties differently.  256 rows of 2048
    # stay in a core's cache: five times as fast as 4096, with the same bits.
    return torch.cat([(part.double() * direction).sum(1) for part in features.split(256)]).argsort(stable=True)


def shuffled(features: Tensor, seed: int) -> Tensor:
    """Indices [N] of a seeded permutation of the rows, the same for any order in which they are given."""
    order = canonical(features)
    return order[torch.randperm(len(order), generator=torch.Generator().manual_seed(seed)).to(order.device)]
