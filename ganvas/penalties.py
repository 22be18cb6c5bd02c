"""Regularisers that differentiate a player: WGAN-GP's gradient penalty, R1, StyleGAN2's path length."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ganvas.ops.derivative import input_gradient
from ganvas.ops.spectral import full_precision


def gradient_penalty(
    D: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, alpha: Tensor, eps: float = 0.0
) -> Tensor:
    """mean (|| grad D(x^) ||_2 - 1)^2 at x^ = x + alpha (x~ - x)  (Gulrajani et al. 2017, Eq. 3), two-sided.

    real, fake [N, ...]; alpha [N] in [0, 1], one for a sample; the norm is over all elements of a sample -> scalar.
    eps is added under the root: 0 as in the authors' code; above 0 it keeps the second derivative of a critic that is
    flat at some x^ finite.  Always in float32.  D must not couple samples (no batch norm).
    """
    with full_precision(real):
        real, fake = real.detach().float(), fake.detach().float()
        between = real + alpha.view(-1, *[1] * (real.dim() - 1)) * (fake - real)
        gradient = input_gradient(D, between)
        norm = (gradient.flatten(1).square().sum(1) + eps).sqrt()
        return (norm - 1.0).square().mean()


def r1_penalty(D: Callable[..., Tensor], real: Tensor, *cond: Tensor | None) -> Tensor:
    """E || grad_x D(x, *cond) ||^2 on real images (Mescheder et al. 2018, arXiv 1801.04406, Eq. 9).

    real [N, ...]; the square is summed over all elements of a sample -> scalar, to be weighed by gamma / 2. Of the sum
    of scores, so a D that couples samples (minibatch deviation) is differentiated with the coupling, as StyleGAN2 does.
    Where real images are augmented, the augmentation belongs into D: the gradient is by the image before it.
    """
    with full_precision(real):
        gradient = input_gradient(lambda x: D(x, *cond), _precise(real.detach()))
        return gradient.flatten(1).square().sum(1).mean()


def path_length(
    image_of: Callable[[Tensor], Tensor],
    ws: Tensor,
    noise: Tensor,
    mean: Tensor,
    decay: float = 0.01,
    over_all: Callable[[Tensor], Tensor] = lambda mean: mean,
) -> tuple[Tensor, Tensor]:
    """E (|| J^T noise || - a)^2 with a the running mean length (StyleGAN2, Karras et al. 2020, Eq. 4).

    ws [N, L, W], noise from N(0, 1) shaped like the images, mean [] -> the penalty (scalar), the next mean (detached).
    As in the authors' code a = mean + decay (mean of these lengths - mean) is moved BEFORE it is used, and the
    penalty is differentiated through it. Weight 2 there, on the first half of a batch, every fourth iteration.
    over_all: of the mean of these lengths, the mean over what other processes have (`gan.over_all`).
    """
    lengths = path_lengths(image_of, ws, noise)
    target = mean + decay * (over_all(lengths.mean()) - mean)
    return (lengths - target).square().mean(), target.detach()


def path_lengths(image_of: Callable[[Tensor], Tensor], ws: Tensor, noise: Tensor) -> Tensor:
    """sqrt(mean over L of sum over W of J^2), J = d sum(image * noise) / sqrt(H W) / d ws.  ws [N, L, W] -> [N]"""
    with full_precision(ws):
        noise = _precise(noise) / math.sqrt(noise.shape[2] * noise.shape[3])
        J = input_gradient(lambda ws: (image_of(ws) * noise).sum((1, 2, 3)), _precise(ws))
        return J.square().sum(2).mean(1).sqrt()


def _precise(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
