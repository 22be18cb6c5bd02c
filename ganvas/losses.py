"""Adversarial losses: scores in, scalar out.  Signs are such that every player minimises."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from ganvas.ops.cutmix import mix

Heads = tuple[Tensor, Tensor]  # what a U-Net discriminator says of images: map [N, 1, H, W] and score [N, 1], logits
Pixels = Literal["mean", "sum"]


def wasserstein_distance(real: Tensor, fake: Tensor) -> Tensor:
    """mean D(x) - mean D(G(z)): what a Wasserstein critic maximises.  real [N], fake [M] -> scalar"""
    return real.mean() - fake.mean()


def hinge_D(real: Tensor, fake: Tensor) -> Tensor:
    """mean relu(1 - D(x)) + mean relu(1 + D(G(z)))  (Lim and Ye 2017; SAGAN Eq. 4).  real [N], fake [M] -> scalar"""
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def hinge_G(fake: Tensor) -> Tensor:
    """-mean D(G(z)).  fake [M] -> scalar"""
    return -fake.mean()


def lecam(real: Tensor, fake: Tensor, mean_real: Tensor, mean_fake: Tensor) -> Tensor:
    """mean relu(D(x) - a_F)^2 + mean relu(a_R - D(G(z)))^2  (Tseng et al. 2021).  real [N], fake [M] -> scalar

    a_R and a_F are moving means of D's scores on real and fake images (`ops.lecam.ScoreAverages`), without gradient.
    The paper's text has the squares alone; the relu, which stops at the other side's mean, is the authors' code.
    """
    return F.relu(real - mean_fake.detach()).square().mean() + F.relu(mean_real.detach() - fake).square().mean()


def consistency(a: Tensor, b: Tensor) -> Tensor:
    """mean (a - b)^2 of D's scores on the same images seen in two ways.  a, b of one shape -> scalar

    CR (Zhang et al. 2020, arXiv 1910.12027): D(x) and D(T(x)).  bCR (Zhao et al. 2020, arXiv 2002.04724) adds D(G(z))
    and D(T(G(z))).  zCR of the same paper: D(G(z)) and D(G(z + dz)); G in turn keeps the images G(z) and G(z + dz)
    apart, by minus this of the images.
    """
    return (a - b).square().mean()
