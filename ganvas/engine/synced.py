"""Means over the rows of all processes inside a loss: batch norm's, if asked for, and those that a paper takes.

Differentiable twice, as gradient penalties and latent steps need it; torch's own is neither that nor for the CPU.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.gan import GAN
from ganvas.ops.norm import Statistics


class Mean(torch.autograd.Function):
    """The mean of a tensor over the processes.  Each of them takes the gradient of its own loss, and these are averaged
    afterwards; so the gradient is the mean of theirs, too.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total / dist.get_world_size()

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Tensor:
        return Mean.apply(gradient[0])


def meet(gan: GAN, batch_norm: bool) -> None:
    """From here on a paper's means are over all processes, and batch norm's where that is asked for."""
    gan.over_all = Mean.apply
    if batch_norm:
        synchronise(gan)


def synchronise(network: nn.Module) -> int:
    """From here on every batch norm of the network sees the rows of all processes.  -> how many there are"""
    count = 0
    for layer in network.modules():
        if isinstance(layer, Statistics):
            layer.batch_norm = _batch_norm
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            _replace_forward(layer)
        else:
            continue
        count += 1
    return count


def _replace_forward(layer: nn.Module) -> None:
    layer.forward = MethodType(_forward, layer)


def _forward(layer: nn.modules.batchnorm._BatchNorm, x: Tensor) -> Tensor:
    """As torch's batch norm with running statistics and a momentum."""
    if not layer.training or layer.running_mean is None or layer.running_var is None or layer.momentum is None:
        return type(layer).forward(layer, x)
    if layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
    mean, var = layer.running_mean, layer.running_var
    return _batch_norm(x, mean, var, layer.weight, layer.bias, True, layer.momentum, layer.eps)


def _batch_norm(
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    gain: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """x [N, C, ...], of as many rows in every process, by the mean and variance over all of them.  -> like x

    Arguments as F.batch_norm has them.  In training it moves the running statistics, the variance unbiased as there.
    """
    if not training:
        return F.batch_norm(x, running_mean, running_var, gain, bias, False, momentum, eps)
    axes = [0, *range(2, x.dim())]
    precise = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = Mean.apply(precise.mean(axes))
    centred = precise - _across(mean, x)
    variance = Mean.apply(centred.square().mean(axes))
    with torch.no_grad():
        n = dist.get_world_size() * x.numel() // x.shape[1]
        running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        running_var.lerp_((variance * (n / max(n - 1, 1))).to(running_var.dtype), momentum)
    scale = (variance + eps).rsqrt() if gain is None else (variance + eps).rsqrt() * gain
    y = centred * _across(scale, x)
    return (y if bias is None else y + _across(bias, x)).to(x.dtype)


def _across(values: Tensor, x: Tensor) -> Tensor:
    """[C] as it broadcasts over x."""
    return values.view(1, -1, *[1] * (x.dim() - 2))
