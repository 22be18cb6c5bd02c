"""The one place that differentiates a score by its input.

Eager, `torch.autograd.grad` is the faster way; inside `torch.compile` only `torch.func.grad` is understood. Both give
the same numbers, so penalties and latent steps ask here and never choose.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def input_gradient(score: Callable[[Tensor], Tensor], x: Tensor, create_graph: bool = True) -> Tensor:
    """d sum(score(x)) / dx.  score: x [N, ...] -> [N, ...] -> gradient, shaped like x

    The gradient of the sum is each sample's own as long as the score does not mix samples (no batch norm in D).
    `create_graph` keeps it differentiable by the weights and by whatever x came from. Works under `no_grad` as well.
    """
    if torch.compiler.is_compiling():
        gradient = torch.func.grad(lambda x: score(x).sum())(x)
        return gradient if create_graph else gradient.detach()
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(score(x).sum(), x, create_graph=create_graph)
    return gradient
