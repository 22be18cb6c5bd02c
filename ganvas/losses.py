"""Adversarial losses, those of classifiers, and regularisers of scores.  Scalars; every player minimises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.ops.cutmix import mix

Heads = tuple[Tensor, Tensor]  # what a U-Net discriminator says of images: map [N, 1, H, W] and score [N, 1], logits
Pixels = Literal["mean", "sum"]
ClassLoss = Callable[[Tensor, Tensor], Tensor]  # of logits [N, K] and classes [N] int64


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


def unet_D(real: Heads, fake: Heads, pixels: Pixels = "mean") -> Tensor:
    """The logistic losses of map and score (Schoenfeld et al. 2020)

    `pixels`: the authors' code takes half of each, the map's averaged over pixels; the paper writes their plain sum,
    over pixels too.
    """
    return _heads(pixels, F.softplus(-real[0]) + F.softplus(fake[0]), logistic_D(real[1], fake[1]))


def unet_G(fake: Heads, pixels: Pixels = "mean") -> Tensor:
    """The logistic losses of map and score, put together as for D"""
    return _heads(pixels, F.softplus(-fake[0]), logistic_G(fake[1]))


def _heads(pixels: Pixels, of_map: Tensor, of_score: Tensor) -> Tensor:
    """of_map [N, 1, H, W], of_score scalar -> scalar"""
    both = _over(pixels, of_map) + of_score
    return both / 2 if pixels == "mean" else both


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


def lsgan_D(real: Tensor, fake: Tensor) -> Tensor:
    """(mean (D(x) - 1)^2 + mean D(G(z))^2) / 2  (Mao et al. 2017, with CycleGAN's half).  Any shapes -> scalar"""
    return 0.5 * ((real - 1.0).square().mean() + fake.square().mean())


def lsgan_G(fake: Tensor) -> Tensor:
    """mean (D(G(z)) - 1)^2, without the half, as in CycleGAN.  Any shape -> scalar"""
    return (fake - 1.0).square().mean()


def l1(a: Tensor, b: Tensor) -> Tensor:
    """mean |a - b| over images, channels and pixels.  Two alike -> scalar"""
    return (a - b).abs().mean()


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


def class_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """-mean log C(y | x), for either player (AC-GAN, Odena et al. 2017).  logits [N, K], y [N] int64 -> scalar"""
    return F.cross_entropy(logits, y)


def tac_D(real_ac: Tensor, y: Tensor, fake_mi: Tensor, fake_y: Tensor, loss: ClassLoss = class_cross_entropy) -> Tensor:
    """-mean log C(y | x) - mean log C_mi(y | G(z)): each twin sees its own images (TAC-GAN, Gong et al. 2019).

    real_ac [N, K], y [N], fake_mi [M, K], fake_y [M] -> scalar.  loss: another than cross entropy in both terms
    """
    return loss(real_ac, y) + loss(fake_mi, fake_y)


def tac_G(ac: Tensor, mi: Tensor, y: Tensor, loss: ClassLoss = class_cross_entropy) -> Tensor:
    """-mean log C(y | G(z)) + mean log C_mi(y | G(z)).  ac, mi [M, K], y [M] -> scalar"""
    return loss(ac, y) - loss(mi, y)


def adc_D(real: Tensor, y: Tensor, fake: Tensor, fake_y: Tensor, loss: ClassLoss = class_cross_entropy) -> Tensor:
    """-mean log C(y+ | x) - mean log C(y- | G(z)): classes of real images and of fakes (ADC-GAN, Hou et al. 2022).

    real [N, 2K], y [N], fake [M, 2K], fake_y [M] -> scalar.  Column 2y is y+, 2y + 1 is y-.
    """
    return loss(real, 2 * y) + loss(fake, 2 * fake_y + 1)


def adc_G(logits: Tensor, y: Tensor, loss: ClassLoss = class_cross_entropy) -> Tensor:
    """-mean log C(y+ | G(z)) + mean log C(y- | G(z)) = mean (l[2y+1] - l[2y]).  logits [M, 2K], y [M] -> scalar

    Both softmax normalisers are the same and cancel: linear in two logits, and unbounded.  Another loss than cross
    entropy is taken at both columns as it is; the hinges are linear too.
    """
    if loss is not class_cross_entropy:
        return loss(logits, 2 * y) - loss(logits, 2 * y + 1)
    pairs = logits.unflatten(1, (-1, 2))
    as_real, as_fake = pairs[torch.arange(len(y), device=y.device), y].unbind(1)
    return (as_fake - as_real).mean()


def am_D(real: Tensor, y: Tensor, fake: Tensor, loss: ClassLoss = class_cross_entropy) -> Tensor:
    """-mean log C(y | x) - mean log C(K | G(z)): one class more, of all fakes (AM-GAN).  [N, K+1], [N], [M, K+1]"""
    generated = torch.full((len(fake),), fake.shape[1] - 1, device=fake.device)
    return loss(real, y) + loss(fake, generated)


def class_hinge_D(logits: Tensor, y: Tensor) -> Tensor:
    """mean relu(1 - l[y] + l[k]) over samples and wrong classes k: ADC-GAN's `--hinge`.  logits [N, K], y [N]"""
    true = len(y)  # each true class would add relu(1) = 1
    return ((1.0 + _over_true(logits, y)).relu().sum() - true) / (logits.numel() - true)


def class_hinge_G(logits: Tensor, y: Tensor) -> Tensor:
    """mean (l[k] - l[y]) over samples and wrong classes k.  logits [N, K], y [N] -> scalar"""
    return _over_true(logits, y).sum() / (logits.numel() - len(y))


def twin_hinge_D(logits: Tensor, y: Tensor) -> Tensor:
    """mean relu(1 - l[y] + l[k]) over ALL classes k: TAC-GAN's, where the true one adds 1/K.  logits [N, K], y [N]"""
    return (1.0 + _over_true(logits, y)).relu().mean()


def twin_hinge_G(logits: Tensor, y: Tensor) -> Tensor:
    """mean (1 - l[y] + l[k]) over all classes k: TAC-GAN's.  logits [N, K], y [N] -> scalar"""
    return (1.0 + _over_true(logits, y)).mean()


def _over_true(logits: Tensor, y: Tensor) -> Tensor:
    """l[k] - l[y].  [N, K]"""
    return logits - logits.gather(1, y[:, None])


# name -> what D and what G minimises; "none" leaves all to a classifier
ADVERSARIAL: dict[str, tuple[Callable[[Tensor, Tensor], Tensor | float], Callable[[Tensor], Tensor | float]]] = {
    "hinge": (hinge_D, hinge_G),
    "logistic": (logistic_D, logistic_G),
    "none": (lambda real, fake: 0.0, lambda fake: 0.0),
}
CLASS_LOSSES: dict[str, tuple[ClassLoss, ClassLoss]] = {
    "entropy": (class_cross_entropy, class_cross_entropy),
    "hinge": (class_hinge_D, class_hinge_G),
    "twin_hinge": (twin_hinge_D, twin_hinge_G),
}
