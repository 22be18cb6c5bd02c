"""Convolution next to a change of size, fused into one convolution.  The 3x3 weight stays the parameter.

Both identities are exact, zero padding included: nearest upsampling before, or 2x2 averaging after, a 3x3 kernel is
the sum of its four shifts, a 4x4 kernel of stride 2. Each saves 2.25x of the multiplications. A 1x1 convolution
commutes with either, so it belongs on the small side (4x). No module stands here, only functions of weights.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def upsample(x: Tensor) -> Tensor:
    """Each pixel twice along both axes.  [N, C, H, W] -> [N, C, 2H, 2W]"""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def average_pool(x: Tensor) -> Tensor:
    """The mean of each 2x2 block.  [N, C, H, W] -> [N, C, H/2, W/2]"""
    return F.avg_pool2d(x, 2)


def upsample_conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, fused: bool = True) -> Tensor:
    """conv(upsample(x)), zero padded.  x [N, C, H, W], weight [out, C, 3, 3] or [out, C, 1, 1] -> [N, out, 2H, 2W]"""
    pointwise = weight.shape[-1] == 1
    if not fused:
        return F.conv2d(upsample(x), weight, bias, padding=0 if pointwise else 1)
    if pointwise:
        return upsample(F.conv2d(x, weight, bias))
    # A transposed convolution is a correlation read backwards, hence the flip.
    kernel = four_shifts(weight.flip(2, 3)).transpose(0, 1)
    return F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)


def conv_pool(x: Tensor, weight: Tensor, bias: Tensor | None = None, fused: bool = True) -> Tensor:
    """average_pool(conv(x)), zero padded.  x [N, C, H, W], weight [out, C, 3, 3] or 1x1 -> [N, out, H/2, W/2]"""
    pointwise = weight.shape[-1] == 1
    if not fused:
        return average_pool(F.conv2d(x, weight, bias, padding=0 if pointwise else 1))
    if pointwise:
        return F.conv2d(average_pool(x), weight, bias)
    return F.conv2d(x, four_shifts(weight) / 4, bias, stride=2, padding=1)


def four_shifts(weight: Tensor) -> Tensor:
    """The sum of a 3x3 kernel at its four places in a 4x4 one.  [out, in, 3, 3] -> [out, in, 4, 4]"""
    tall = F.pad(weight, (0, 0, 0, 1)) + F.pad(weight, (0, 0, 1, 0))
    return F.pad(tall, (0, 1, 0, 0)) + F.pad(tall, (1, 0, 0, 0))
