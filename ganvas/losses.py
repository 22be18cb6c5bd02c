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


def logistic_D(real: Tensor, fake: Tensor) -> Tensor:
    """-mean log s(D(x)) - mean log(1 - s(D(G(z)))), s the sigmoid (Goodfellow et al. 2014).  logits -> scalar"""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def logistic_G(fake: Tensor) -> Tensor:
    """-mean log s(D(G(z))), the form that does not saturate (Goodfellow et al. 2014, section 3).  logits -> scalar"""
    return F.softplus(-fake).mean()


def unet_D(real: Heads, fake: Heads) -> Tensor:
    """The mean of the logistic losses of map and score (Schoenfeld et al. 2020; there the sum, over pixels too)"""
    return (logistic_D(real[0], fake[0]) + logistic_D(real[1], fake[1])) / 2


def unet_G(fake: Heads) -> Tensor:
    """The mean of the logistic losses of map and score"""
    return (logistic_G(fake[0]) + logistic_G(fake[1])) / 2


def cutmix_augmentation(mixed: Heads, mask: Tensor, pixels: Pixels = "mean") -> tuple[Tensor, Tensor]:
    """Cross entropies of a mixed image: of its map with the mask, and of its score with "fake".  -> two scalars

    The second target is 0 however much of the image is real. The two are to be added; they come apart because the
    authors' warm-up of the losses that are always on scales the second and the consistency, and not the first.
    """
    entropy = F.binary_cross_entropy_with_logits(mixed[0], mask, reduction="none")
    return _over(pixels, entropy), F.softplus(mixed[1]).mean()


def cutmix_consistency(mixed: Tensor, real: Tensor, fake: Tensor, mask: Tensor, pixels: Pixels = "mean") -> Tensor:
    """|| D(mix(x, G(z))) - mix(D(x), D(G(z))) ||^2 of maps, as logits, nothing detached.  [N, 1, H, W] -> scalar

    `pixels`: the paper's norm is the sum over pixels, the authors' code takes the mean, H W times less.
    """
    return _over(pixels, (mixed - mix(real, fake, mask)).square())


def _over(pixels: Pixels, values: Tensor) -> Tensor:
    """The mean over the batch of the mean or the sum over pixels.  [N, 1, H, W] -> scalar"""
    return values.mean() if pixels == "mean" else values.flatten(1).sum(1).mean()


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
