"""The modulated convolution of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958, Eq. 1-3) in its two equal forms.

Scaled: scale the input by the style, convolve once for the whole batch, scale the output by the demodulation. Grouped:
give every sample a kernel of its own and convolve in groups. They differ by rounding alone, and both can be
differentiated twice. Scaled is the default: on one busy CPU core, forward and
backward, it was between a little slower (64 to 128 channels on large images) and eight times as fast (batch of 8, 512
channels, 8x8 pixels; `python benchmarks/fir.py`), and it needs no memory for N kernels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.ops.fir import upsample_conv
from ganvas.ops.spectral import full_precision


def modulated_conv(
    x: Tensor,
    weight: Tensor,
    s: Tensor,
    up: Tensor | None = None,
    demodulate: bool = True,
    grouped: bool = False,
) -> Tensor:
    """A convolution whose kernel is weight * s, made unit length per output channel by `demodulate`.

    x [N, in, H, W], weight [out, in, k, k], s [N, in] -> [N, out, H, W]; with `up`, a FIR filter [T, T], and a 3x3
    kernel [N, out, 2H, 2W], filtered (see `fir.upsample_conv`).
    """
    d = demodulation(weight, s) if demodulate else None
    if grouped:
        kernels = weight[None] * s[:, None, :, None, None]
        kernels = kernels if d is None else kernels * d[:, :, None, None, None]
        out = _conv(x.flatten(0, 1)[None], kernels.flatten(0, 1), up, groups=len(x))
        return out.unflatten(1, (len(x), -1))[0]
    x = _conv(x * s.to(x.dtype)[:, :, None, None], weight, up)
    return x if d is None else x * d.to(x.dtype)[:, :, None, None]


def demodulation(weight: Tensor, s: Tensor) -> Tensor:
    """1 / sqrt(sum over in and k of (weight * s)^2 + 1e-8).  weight [out, in, k, k], s [N, in] -> [N, out], float32

    The sum is a product of squares, so no kernel per sample is made.
    """
    precise = torch.promote_types(weight.dtype, torch.float32)
    with full_precision(weight):
        energy = weight.to(precise).square().sum((2, 3))
        return torch.rsqrt(s.to(precise).square() @ energy.t() + 1e-8)


def _conv(x: Tensor, weight: Tensor, up: Tensor | None, groups: int = 1) -> Tensor:
    if up is None:
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=groups)
    return upsample_conv(x, weight, up, groups)
