"""Regularisers that differentiate a player: the gradient penalty of WGAN-GP."""

from __future__ import annotations

from collections.abc import Callable

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
