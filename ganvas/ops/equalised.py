"""Layers with an equalised learning rate (Karras et al. 2018, arXiv 1710.10196; StyleGAN2, arXiv 1912.04958).

Weights are drawn from N(0, 1) and scaled by He's constant in every forward, so that Adam moves all layers at one
relative speed. The scaled weight is never stored: state dicts hold the raw one.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.ops.fir import downsample, downsample_conv, setup_filter

Activation = Literal["linear", "lrelu"]
SLOPE = 0.2


def bias_act(
    x: Tensor, bias: Tensor | None, activation: Activation = "lrelu", gain: float = 1.0, clamp: float | None = None
) -> Tensor:
    """act(x + bias) * gain, cut to [-clamp * gain, clamp * gain].  x [N, C, ...], bias [C] -> like x

    lrelu has slope 0.2 and brings its own gain of sqrt(2), which keeps the second moment; linear brings none. `gain`
    is the layer's place in the network, such as sqrt(1/2) before a sum.
    """
    if bias is not None:
        x = x + bias.to(x.dtype).view(-1, *[1] * (x.dim() - 2))
    if activation == "lrelu":
        x = F.leaky_relu(x, SLOPE) * (math.sqrt(2) * gain)
    elif gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def rms_norm(x: Tensor) -> Tensor:
    """x / sqrt(mean x^2 + 1e-8) over the features: unit second moment, not unit length.  [N, F] -> [N, F]"""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    """act(x W^T lr_mul / sqrt(in) + lr_mul bias).  x [N, in] -> [N, out]

    `lr_mul` slows the layer down: weights are stored 1 / lr_mul too large. `bias_init` is the stored bias.
    """

    def __init__(
        self, cin: int, cout: int, activation: Activation = "linear", lr_mul: float = 1.0, bias_init: float = 0.0
    ) -> None:
        super().__init__()
        self.activation, self.lr_mul = activation, lr_mul
        self.weight = nn.Parameter(torch.randn(cout, cin) / lr_mul)
        self.bias = nn.Parameter(torch.full((cout,), bias_init))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.lr_mul / math.sqrt(self.weight.shape[1])
        return bias_act(F.linear(x, self.weight * scale), self.bias * self.lr_mul, self.activation)


class EqualConv2d(nn.Module):
    """act(conv(x, W / sqrt(in k^2)) + bias), zero padded.  x [N, in, H, W] -> [N, out, H, W], or half of it with `down`

    With `down` a 1x1 kernel is filtered and thinned out first, a 3x3 kernel reads the filtered image at stride 2.
    """

    resample_filter: Tensor

    def __init__(
        self,
        cin: int,
        cout: int,
        kernel_size: int,
        activation: Activation = "lrelu",
        bias: bool = True,
        down: bool = False,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.activation, self.down, self.clamp = activation, down, clamp
        self.weight = nn.Parameter(torch.randn(cout, cin, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None
        # In every layer, used or not: the authors' state dicts have it.
        self.register_buffer("resample_filter", setup_filter())

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        size = self.weight.shape[-1]
        weight = self.weight / math.sqrt(self.weight[0].numel())
        if self.down and size == 3:
            x = downsample_conv(x, weight, self.resample_filter)
        else:
            x = downsample(x, self.resample_filter) if self.down else x
            x = F.conv2d(x, weight, padding=size // 2)
        return bias_act(x, self.bias, self.activation, gain, self.clamp)
