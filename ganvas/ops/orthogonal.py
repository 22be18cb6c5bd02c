"""BigGAN's relaxed orthogonal regularisation (Brock et al. 2019, arXiv 1809.11096, Eq. 3).

    R_beta(W) = beta * || W W^T (.) (1 - I) ||_F^2,    W flattened to [out, rest], raw: before spectral norm

It pushes filters apart but leaves their lengths alone. The authors' PyTorch code adds half of this formula's gradient
(2 where autograd gives 4), so its strength 1e-4 is the formula with 5e-5: both forms are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

Form = Literal["paper", "code"]


def regularised(network: nn.Module, exclude: tuple[str, ...] = ("shared",)) -> Iterator[nn.Parameter]:
    """The parameters it applies to: two dimensions or more, except the class embedding.

    That is convolutions, linear layers, attention, and the projections (or tables) of conditional batch norm.
    """
    for name, parameter in network.named_parameters():
        if parameter.dim() >= 2 and name.split(".")[0] not in exclude:
            yield parameter


def orthogonal_penalty(parameters: Iterable[Tensor], beta: float = 1e-4) -> Tensor:
    """sum of R_beta(W) -> scalar, to be added to a loss"""
    return beta * sum((_off_diagonal_square(w.flatten(1)) for w in parameters), start=torch.zeros(()))


def orthogonal_gradient(weight: Tensor, strength: float = 1e-4, form: Form = "paper") -> Tensor:
    """The gradient of R_beta at one weight, shaped like it: ((W W^T) (.) (1 - I)) W times 4 beta (paper) or 2 (code)"""
    matrix = weight.detach().flatten(1)
    # (W W^T) W = W (W^T W): whichever Gram matrix is small; G's first linear layer has 24576 rows and 20 columns.
    tall = matrix.shape[0] > matrix.shape[1]
    product = matrix @ (matrix.t() @ matrix) if tall else (matrix @ matrix.t()) @ matrix
    product = product - matrix.square().sum(1, keepdim=True) * matrix
    return ({"paper": 4.0, "code": 2.0}[form] * strength * product).view_as(weight)


@torch.no_grad()
def add_orthogonal_gradient(parameters: Iterable[nn.Parameter], strength: float = 1e-4, form: Form = "paper") -> None:
    """Adds it to .grad: once per optimiser step, right before it, however many parts the batch was split into."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad += orthogonal_gradient(parameter, strength, form).to(parameter.grad.dtype)


def _off_diagonal_square(matrix: Tensor) -> Tensor:
    """|| W W^T (.) (1 - I) ||_F^2 of W [R, C], through the smaller Gram matrix (both have the same norm)."""
    gram = matrix.t() @ matrix if matrix.shape[0] > matrix.shape[1] else matrix @ matrix.t()
    return gram.square().sum() - matrix.square().sum(1).square().sum()
