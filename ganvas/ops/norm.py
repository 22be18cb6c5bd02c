"""Batch normalisation with or without a condition, and standing statistics (BigGAN, Brock et al. 2019, app. C/D).

Key names are those of BigGAN-PyTorch: `gain, bias, stored_mean, stored_var`. The running variance is the unbiased
one, as in torch. Statistics are per process; nothing here talks to other processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.ops.table import rows_of


class Statistics(nn.Module):
    """What both batch norms share: normalise by the batch in training mode, by the stored statistics in evaluation."""

    stored_mean: Tensor
    stored_var: Tensor
    batch_norm: Callable[..., Tensor] = staticmethod(F.batch_norm)  # or one that knows of other processes

    def __init__(self, channels: int, eps: float, momentum: float) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))
        self.seen: list[tuple[Tensor, Tensor]] | None = None  # batch (mean, biased variance) while they are collected
        self.settled = False  # the stored statistics are standing statistics

    def normalise(self, x: Tensor, gain: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """(x - mean) / sqrt(var + eps), times gain [C], plus bias [C].  x [N, C, H, W] -> same shape"""
        if self.seen is not None:
            variance, mean = torch.var_mean(x.detach().float(), dim=(0, 2, 3), correction=0)
            self.seen.append((mean, variance))
            return F.batch_norm(x, None, None, gain, bias, True, 0.0, self.eps)
        mean, var = self.stored_mean, self.stored_var
        return self.batch_norm(x, mean, var, gain, bias, self.training, self.momentum, self.eps)


class BatchNorm2d(Statistics):
    """Batch norm with one gain and bias per channel; `y` is ignored, it stands where a conditional one may."""

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(channels, eps, momentum)
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.normalise(x, self.gain, self.bias)


class ConditionalBatchNorm2d(Statistics):
    """BN(x) * (1 + gain(y)) + bias(y).  x [N, C, H, W], y [N, F] or [N] int64 -> [N, C, H, W]

    `gain` and `bias` map a condition to [N, C]: bias-free projections of a shared embedding (BigGAN), or tables with
    one row per class (SAGAN). The gain is centred at 1: without the "+1" a fresh network multiplies its features by
    about 0. SAGAN's TensorFlow code keeps gamma itself, from ones; a table of zeros here is the same network, and
    Adam takes the same steps.
    """

    def __init__(self, channels: int, gain: nn.Module, bias: nn.Module, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__(channels, eps, momentum)
        self.gain, self.bias = gain, bias

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        gain = 1 + rows_of(self.gain, y)
        return self.normalise(x) * gain[:, :, None, None] + rows_of(self.bias, y)[:, :, None, None]


@contextmanager
def collected_statistics(module: nn.Module) -> Iterator[list[Statistics]]:
    """Replaces stored statistics by the mean of those of the batches that pass through while the block runs.

    "Standing statistics" (BigGAN, app. D): means are averaged, and biased batch variances are (not the variance over
    all batches), as in BigGAN-PyTorch.  Yields the layers it found; a layer that no batch reached, and every layer
    if the block fails, keeps what it has.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, Statistics)]
    for layer in layers:
        layer.seen = []
    try:
        yield layers
        for layer in layers:
            if layer.seen:
                layer.stored_mean.copy_(torch.stack([mean for mean, _ in layer.seen]).mean(0))
                layer.stored_var.copy_(torch.stack([variance for _, variance in layer.seen]).mean(0))
                layer.settled = True
    finally:
        for layer in layers:
            layer.seen = None
