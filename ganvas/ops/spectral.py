"""Spectral normalisation (Miyato et al. 2018, arXiv 1802.05957) in the form of BigGAN-PyTorch.

Every layer divides its weight by an estimate of its largest singular value. The raw weight stays the parameter, so
the keys of a layer are `weight, bias, u0 (1, rows), sv0 (1,)`, as in that code base. No network stands here.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SNConv2d(nn.Conv2d):
    """A convolution with W / sigma(W).  x [N, C, H, W] -> [N, out, H', W']"""

    u0: Tensor
    sv0: Tensor
    sn_eps: float

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, eps: float = 1e-12, **kwargs: Any):
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)
        _add_vectors(self, eps)

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, weight_of(self), self.bias)


class SNLinear(nn.Linear):
    """A linear layer with W / sigma(W).  x [N, in] -> [N, out]"""

    u0: Tensor
    sv0: Tensor
    sn_eps: float

    def __init__(self, in_features: int, out_features: int, bias: bool = True, eps: float = 1e-12):
        super().__init__(in_features, out_features, bias)
        _add_vectors(self, eps)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, weight_of(self), self.bias)


class SNEmbedding(nn.Embedding):
    """A table [K, F] divided by its largest singular value.  y [N] int64 -> [N, F]"""

    u0: Tensor
    sv0: Tensor
    sn_eps: float

    def __init__(self, num_embeddings: int, embedding_dim: int, eps: float = 1e-12):
        super().__init__(num_embeddings, embedding_dim)
        _add_vectors(self, eps)

    def forward(self, y: Tensor) -> Tensor:
        return F.embedding(y, weight_of(self))


def _add_vectors(layer: SNConv2d | SNLinear | SNEmbedding, eps: float) -> None:
    # Not normalised, as in BigGAN-PyTorch: the first iteration normalises it.
    layer.register_buffer("u0", torch.randn(1, layer.weight.shape[0]))
    layer.register_buffer("sv0", torch.ones(1))  # the last sigma, for the log only
    layer.sn_eps = eps


def weight_of(layer: nn.Conv2d | nn.Linear | nn.Embedding) -> Tensor:
    """W / sigma(W) of a spectrally normalised layer, the plain W of any other.

    Training mode stores the iterated u, once per call: a forward is one power iteration. Evaluation mode iterates
    once from the stored u as well, but stores nothing, so looking at a network never changes it (BigGAN-PyTorch does
    the same; torch's own hook reuses its stored v instead and gives another sigma until u has converged).
    """
    if not isinstance(layer, SNConv2d | SNLinear | SNEmbedding):
        return layer.weight
    weight = layer.weight
    precise = torch.promote_types(weight.dtype, torch.float32)
    with full_precision(weight):
        sigma, u = largest_singular_value(weight.to(precise).flatten(1), layer.u0.to(precise), layer.sn_eps)
        normalised = (weight / sigma).to(weight.dtype)
    if layer.training:
        with torch.no_grad():
            # `u` is a tensor of its own, so backward of this call never sees the buffer that changes here.
            layer.u0.copy_(u)
            layer.sv0.copy_(sigma)
    return normalised


def largest_singular_value(matrix: Tensor, u: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """One power iteration.  matrix [R, C], u [1, R] -> sigma (scalar, differentiable in the matrix), the next u [1, R]

    v = normalise(u W), u' = normalise(v W^T), sigma = v W^T u'^T; u' and v are constants of the derivative.
    """
    with torch.no_grad():
        v = F.normalize(u @ matrix, eps=eps)
        u = F.normalize(v @ matrix.t(), eps=eps)
    return (v @ matrix.t() @ u.t()).squeeze(), u


def full_precision(like: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Switches autocast off on that tensor's device: in bfloat16 sigma would be good to three digits only."""
    kind = like.device.type
    if kind in ("cpu", "cuda") and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return contextlib.nullcontext()
