"""The networks of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), also with classes or instance features.

G adds up one RGB image per size (skip architecture), D is residual. Module names and state-dict keys are those of
StyleGAN2-ADA's and IC-GAN's checkpoints. Everything is float32: the authors compute the four largest sizes in float16
where they can, and then clamp at 256. No network draws a random number once it is built: noise is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.nets.stylegan2_parts import Mapping, minibatch_std, sizes, truncate, width
from ganvas.ops.equalised import EqualConv2d, EqualLinear, bias_act
from ganvas.ops.fir import setup_filter, upsample
from ganvas.ops.modulated import modulated_conv
from ganvas.ops.spectral import full_precision


class Generator(nn.Module):
    """G(z, y, h).  z [N, dim_z], y [N] int64 or [N, K], h [N, dim_h] of unit length -> [N, channels, R, R], unbounded

    `layers` of the mapping: 8 in the papers, 2 in the authors' `auto` setting, which IC-GAN uses; `channel_base` 32768,
    in `auto` below 512 pixels 16384. `clamp`: the bound of activations, for half precision.
    """

    def __init__(
        self,
        resolution: int = 256,
        dim_z: int = 512,
        dim_w: int = 512,
        num_classes: int = 0,
        dim_h: int = 0,
        channels: int = 3,
        layers: int = 8,
        channel_base: int = 32768,
        channel_max: int = 512,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.resolution, self.dim_z, self.num_classes, self.dim_h = resolution, dim_z, num_classes, dim_h
        self.synthesis = Synthesis(resolution, dim_w, channels, channel_base, channel_max, clamp)
        self.mapping = Mapping(dim_z, dim_w, num_classes, dim_h, layers, self.synthesis.num_ws)

    def forward(
        self,
        z: Tensor,
        y: Tensor | None = None,
        h: Tensor | None = None,
        noise: Sequence[Tensor] | None = None,
        psi: float = 1.0,
        cutoff: int | None = None,
    ) -> Tensor:
        """`psi` and `cutoff` as in `truncate`: psi 0 is the average image. `noise` as in `Synthesis`."""
        ws = truncate(self.mapping(z, y, h), self.mapping.w_avg, psi, cutoff)
        return self.synthesis(ws, noise)


class Synthesis(nn.Module):
    """w -> image.  ws [N, num_ws, dim_w], noise: one [N or 1, 1, S, S] for each S of `noise_sizes` -> [N, C, R, R]

    `noise` None: none is added; `constant_noise()`: the image is a function of ws; fresh N(0, 1): as in training.
    A block's RGB layer reads the same w as the next block's first layer.
    """

    def __init__(
        self, resolution: int, dim_w: int, channels: int, channel_base: int, channel_max: int, clamp: float | None
    ) -> None:
        super().__init__()
        self.sizes = sizes(resolution)
        self.num_ws = 2 * len(self.sizes)
        self.noise_sizes = [size for size in self.sizes for _ in range(2)][1:]
        widths = [width(size, channel_base, channel_max) for size in self.sizes]
        for size, cin, cout in zip(self.sizes, [0, *widths], widths):
            self.add_module(f"b{size}", SynthesisBlock(cin, cout, dim_w, size, channels, clamp))

    def forward(self, ws: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        if noise is not None and len(noise) != len(self.noise_sizes):
            raise ValueError(f"{len(noise)} noise images, expected {len(self.noise_sizes)}: of {self.noise_sizes}")
        x: Tensor | None = None
        rgb: Any = None
        layer = 0
        for size in self.sizes:
            block = self.get_submodule(f"b{size}")
            convs = 1 if x is None else 2
            given = [None] * convs if noise is None else noise[layer : layer + convs]
            x, rgb = block(x, rgb, ws[:, layer : layer + convs + 1].unbind(1), given)
            layer += convs
        return rgb

    @property
    def dim_noise(self) -> int:
        """Numbers of all noise images of one sample."""
        return sum(size * size for size in self.noise_sizes)

    def noise_of(self, row: Tensor) -> list[Tensor]:
        """A row of numbers for each sample, in the form that `forward` takes.  [N, dim_noise] -> of [N, 1, S, S]"""
        parts = row.split([size * size for size in self.noise_sizes], 1)
        return [part.view(-1, 1, size, size) for part, size in zip(parts, self.noise_sizes)]

    def constant_noise(self) -> list[Tensor]:
        """The noise that the network was born with, in the form that `forward` takes.  -> of [1, 1, S, S]"""
        return [layer.noise_const[None, None] for layer in self.modules() if isinstance(layer, SynthesisLayer)]


class SynthesisBlock(nn.Module):
    """Twice the size: conv0 (up), conv1, and the RGB image so far, filtered up, plus this size's own.

    The first block (`cin` 0) has a learned 4x4 constant instead of conv0.
    """

    resample_filter: Tensor

    def __init__(self, cin: int, cout: int, dim_w: int, size: int, channels: int, clamp: float | None) -> None:
        super().__init__()
        self.register_buffer("resample_filter", setup_filter())
        if cin:
            self.conv0 = SynthesisLayer(cin, cout, dim_w, size, True, clamp)
        else:
            self.const = nn.Parameter(torch.randn(cout, size, size))
        self.conv1 = SynthesisLayer(cout, cout, dim_w, size, False, clamp)
        self.torgb = ToRGB(cout, channels, dim_w, clamp)

    def forward(
        self, x: Tensor | None, rgb: Tensor | None, ws: Sequence[Tensor], noise: Sequence[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        """x [N, in, S/2, S/2], rgb [N, C, S/2, S/2], ws: a [N, dim_w] for each layer -> both at S"""
        *styles, last = ws
        convs = [self.conv1] if x is None else [self.conv0, self.conv1]
        x = self.const.expand(len(last), -1, -1, -1) if x is None else x
        for conv, w, n in zip(convs, styles, noise):
            x = conv(x, w, n)
        own = self.torgb(x, last)
        with full_precision(own):
            own = own.to(torch.promote_types(own.dtype, torch.float32))
            return x, own if rgb is None else upsample(rgb, self.resample_filter) + own


class SynthesisLayer(nn.Module):
    """lrelu(modulated conv(x) + strength * noise + bias).  x [N, in, S, S], w [N, dim_w] -> [N, out, S, S]

    With `up` x comes at S/2. Weights from N(0, 1) without He's constant: demodulation divides any scale out.
    """

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(self, cin: int, cout: int, dim_w: int, size: int, up: bool, clamp: float | None) -> None:
        super().__init__()
        self.up, self.clamp = up, clamp
        self.affine = EqualLinear(dim_w, cin, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(cout, cin, 3, 3))
        self.bias = nn.Parameter(torch.zeros(cout))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(size, size))
        self.register_buffer("resample_filter", setup_filter())

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        x = modulated_conv(x, self.weight, self.affine(w), self.resample_filter if self.up else None)
        if noise is not None:
            x = x + (noise * self.noise_strength).to(x.dtype)
        return bias_act(x, self.bias, clamp=self.clamp)


class ToRGB(nn.Module):
    """A modulated 1x1 convolution that is not demodulated.  x [N, in, S, S], w [N, dim_w] -> [N, channels, S, S]"""

    def __init__(self, cin: int, channels: int, dim_w: int, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.affine = EqualLinear(dim_w, cin, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(channels, cin, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        s = self.affine(w) / math.sqrt(self.weight.shape[1])  # He's constant: nothing else divides the scale out
        return bias_act(modulated_conv(x, self.weight, s, demodulate=False), self.bias, "linear", clamp=self.clamp)


class Discriminator(nn.Module):
    """D(x, y, h).  x [N, channels, R, R], y [N] int64 or [N, K], h [N, dim_h] of unit length -> [N, 1]

    With a condition the score is <features, mapping(y, h)> / sqrt(F): projection without a free term. D's mapping has
    8 layers, whatever G's. `group`: the samples that the minibatch deviation compares, so a score depends on its batch.
    """

    def __init__(
        self,
        resolution: int = 256,
        num_classes: int = 0,
        dim_h: int = 0,
        channels: int = 3,
        channel_base: int = 32768,
        channel_max: int = 512,
        layers: int = 8,
        group: int = 4,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.resolution, self.num_classes, self.dim_h = resolution, num_classes, dim_h
        self.sizes = sizes(resolution)[::-1]
        widths = [width(size, channel_base, channel_max) for size in self.sizes]
        for i, size in enumerate(self.sizes[:-1]):
            self.add_module(f"b{size}", DBlock(widths[i], widths[i + 1], 0 if i else channels, clamp))
        conditional = bool(num_classes or dim_h)
        self.b4 = Epilogue(widths[-1], widths[-1] if conditional else 1, group, clamp)
        self.mapping = Mapping(0, widths[-1], num_classes, dim_h, layers) if conditional else None

    def forward(self, x: Tensor, y: Tensor | None = None, h: Tensor | None = None) -> Tensor:
        for size in self.sizes[:-1]:
            x = self.get_submodule(f"b{size}")(x)
        out = self.b4(x)
        if self.mapping is None:
            return out
        return (out * self.mapping(None, y, h)).sum(1, keepdim=True) / math.sqrt(out.shape[1])


class DBlock(nn.Module):
    """[from RGB], 3x3, 3x3 down, beside a filtered 1x1; both times sqrt(1/2).  x [N, in, S, S] -> [N, out, S/2, S/2]"""

    resample_filter: Tensor

    def __init__(self, cin: int, cout: int, channels: int, clamp: float | None) -> None:
        super().__init__()
        self.register_buffer("resample_filter", setup_filter())
        self.fromrgb = EqualConv2d(channels, cin, 1, clamp=clamp) if channels else None
        self.conv0 = EqualConv2d(cin, cin, 3, clamp=clamp)
        self.conv1 = EqualConv2d(cin, cout, 3, down=True, clamp=clamp)
        self.skip = EqualConv2d(cin, cout, 1, "linear", bias=False, down=True)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.fromrgb is None else self.fromrgb(x)
        half = math.sqrt(0.5)
        return self.skip(x, half) + self.conv1(self.conv0(x), half)


class Epilogue(nn.Module):
    """Minibatch deviation, 3x3, linear, linear, in float32.  x [N, C, 4, 4] -> [N, out]"""

    def __init__(self, width: int, out: int, group: int, clamp: float | None) -> None:
        super().__init__()
        self.group = group
        self.conv = EqualConv2d(width + 1, width, 3, clamp=clamp)
        self.fc = EqualLinear(width * 16, width, "lrelu")
        self.out = EqualLinear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        with full_precision(x):
            x = minibatch_std(x.to(torch.promote_types(x.dtype, torch.float32)), self.group)
            return self.out(self.fc(self.conv(x).flatten(1)))
