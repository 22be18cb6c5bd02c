"""The conventions of the WGAN-GP authors' TensorFlow library, where PyTorch's differ: initialisers and SAME padding."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


def init_conv(conv: nn.Conv2d | nn.ConvTranspose2d, he: bool = True, std: float | None = None) -> None:
    """Uniform with standard deviation s, biases 0, in place.

    s = sqrt(4 / (fan_in + fan_out)) if he, else sqrt(2 / (fan_in + fan_out)); the stride divides the fan of the side
    that has fewer pixels.  `std` overrides s (it stays uniform).
    """
    area = conv.kernel_size[0] * conv.kernel_size[1]
    per_stride = area / (conv.stride[0] * conv.stride[1])
    transposed = isinstance(conv, nn.ConvTranspose2d)
    fan_in = conv.in_channels * (per_stride if transposed else area)
    fan_out = conv.out_channels * (area if transposed else per_stride)
    s = std if std is not None else math.sqrt((4.0 if he else 2.0) / (fan_in + fan_out))
    _uniform(conv, s)


def init_linear(linear: nn.Linear, he: bool = False) -> None:
    """Glorot uniform, sqrt(2 / (in + out)), or for layers before a ReLU sqrt(2 / in); biases 0, in place."""
    fan = linear.in_features if he else linear.in_features + linear.out_features
    _uniform(linear, math.sqrt(2.0 / fan))


def _uniform(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, s: float) -> None:
    nn.init.uniform_(layer.weight, -s * math.sqrt(3), s * math.sqrt(3))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class DownConv5(nn.Conv2d):
    """5x5 convolution with stride 2 and TensorFlow's SAME padding: even sides pad (1, 2), odd sides (2, 2)."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__(num_in, num_out, 5, stride=2)
        init_conv(self)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> [N, C', ceil(H / 2), ceil(W / 2)]"""
        top, left = (2 - (1 - side % 2) for side in x.shape[-2:])
        return super().forward(F.pad(x, (left, 2, top, 2)))


class UpConv5(nn.ConvTranspose2d):
    """5x5 transposed convolution with stride 2, SAME: the last row and column of the padding-1 result are dropped.

    padding=2 with output_padding=1 has the same shape and is shifted by one pixel.
    """

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__(num_in, num_out, 5, stride=2, padding=1)
        init_conv(self)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """x [N, C, H, W] -> [N, C', 2 H, 2 W]"""
        return super().forward(x, output_size)[..., :-1, :-1]


def layer_norm(num_channels: int) -> nn.GroupNorm:
    """Their Layernorm: statistics over (C, H, W) of a sample, gain and bias per channel; a one-group group norm."""
    return nn.GroupNorm(1, num_channels, eps=1e-5)
