"""Adversarial losses: scores in, scalar out.  Signs are such that every player minimises."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def wasserstein_distance(real: Tensor, fake: Tensor) -> Tensor:
    """mean D(x) - mean D(G(z)): what a Wasserstein critic maximises.  real [N], fake [M] -> scalar"""
    return real.mean() - fake.mean()


def hinge_D(real: Tensor, fake: Tensor) -> Tensor:
    """mean relu(1 - D(x)) + mean relu(1 + D(G(z)))  (Lim and Ye 2017; SAGAN Eq. 4).  real [N], fake [M] -> scalar"""
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def hinge_G(fake: Tensor) -> Tensor:
    """-mean D(G(z)).  fake [M] -> scalar"""
    return -fake.mean()
