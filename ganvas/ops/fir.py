"""Changing an image's size through a low-pass filter (StyleGAN2, Karras et al. 2020, arXiv 1912.04958, app. B).

A filter is a [T, T] tensor that sums to 1, T even and symmetric, by default outer([1, 3, 3, 1]) / 64. Outside the image
is zero. No layer stands here, only functions of tensors; nearest and average resampling are in `resample.py`.

The filter runs as a depthwise convolution. On one CPU core that was the fastest of five ways at most sizes, forward
and backward; the others are separable passes, one channel folded into the batch, repeated averaging, sums of slices. A
filter and a 3x3 kernel merged into one 6x6 kernel cost more than both one after the other.
`python benchmarks/fir.py` measures them again.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.errors import InputError


def setup_filter(taps: Sequence[float] = (1, 3, 3, 1)) -> Tensor:
    """The outer product of a row of taps with itself, of sum 1.  -> [T, T]; raises InputError unless even, symmetric"""
    taps = list(taps)
    if len(taps) % 2 or taps != taps[::-1] or sum(taps) == 0:
        raise InputError(f"filter {taps}, expected an even number of symmetric taps such as [1, 3, 3, 1]")
    row = torch.tensor(taps, dtype=torch.float32) / sum(taps)
    return torch.outer(row, row)


def blur(x: Tensor, f: Tensor, padding: int, stride: int = 1) -> Tensor:
    """x through f, zero padded on all sides.  x [N, C, H, W] -> [N, C, (H + 2 padding - T) // stride + 1, ...]"""
    return F.conv2d(x, _depthwise(f, x), stride=stride, padding=padding, groups=x.shape[1])


def upsample(x: Tensor, f: Tensor) -> Tensor:
    """Zeros between the pixels, then 4f, so that a constant stays one.  [N, C, H, W] -> [N, C, 2H, 2W]"""
    return F.conv_transpose2d(x, 4 * _depthwise(f, x), stride=2, padding=len(f) // 2 - 1, groups=x.shape[1])


def downsample(x: Tensor, f: Tensor) -> Tensor:
    """f, then every second pixel.  [N, C, H, W] -> [N, C, H/2, W/2]"""
    return blur(x, f, len(f) // 2 - 1, stride=2)


def upsample_conv(x: Tensor, weight: Tensor, f: Tensor, groups: int = 1) -> Tensor:
    """A 3x3 kernel on the finer grid, filtered.  x [N, in, H, W], weight [out, in / groups, 3, 3] -> [N, out, 2H, 2W]

    Equal to: zeros between the pixels, 4f, then correlation with the MIRRORED kernel. The weights of up-layers act as
    a true convolution, those of all other layers as a correlation; checkpoints depend on it.
    """
    kernel = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)  # the layout of a transposed convolution
    return blur(F.conv_transpose2d(x, kernel, stride=2, groups=groups), 4 * f, len(f) // 2 - 1)


def downsample_conv(x: Tensor, weight: Tensor, f: Tensor) -> Tensor:
    """f, then a 3x3 kernel on every second pixel.  x [N, in, H, W], weight [out, in, 3, 3] -> [N, out, H/2, W/2]"""
    return F.conv2d(blur(x, f, len(f) // 2), weight, stride=2)


def _depthwise(f: Tensor, like: Tensor) -> Tensor:
    return f.to(like.dtype).expand(like.shape[1], 1, *f.shape)
