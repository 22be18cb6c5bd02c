"""The networks of BigGAN-deep (Brock et al. 2019, arXiv 1809.11096, app. B): bottleneck blocks, two per resolution.

Against BigGAN: all of z joins the class embedding in every block and in the first layer; skip paths drop or add
channels without a convolution of the rest. Keys are those of BigGAN-PyTorch's `BigGANdeep.py`. The published
generators can be held exactly with `rgb="paper"`; inside, a condition is always [y, z].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.nets.biggan_parts import (
    BiasInit,
    Init,
    Passthrough,
    Placement,
    attended,
    batch_norm,
    conv_and_linear,
    d_sizes,
    from_table,
    initialise,
    project,
    rectifier,
)
from ganvas.ops.attention import Attention
from ganvas.ops.norm import BatchNorm2d
from ganvas.ops.resample import average_pool, upsample, upsample_conv
from ganvas.ops.spectral import SNEmbedding, weight_of

BOTTLENECK = 4  # a block's hidden width is a quarter of its input's (G) or output's (D)

# Channels in multiples of `ch`: inputs and outputs of G's stages; each doubles the size, from 4x4.
# 8 and 16 pixels are ours, cut from the 32-pixel pattern, for digits.
G_STAGES: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    8: ((4,), (4,)),
    16: ((4, 4), (4, 4)),
    32: ((4, 4, 4), (4, 4, 4)),
    64: ((16, 16, 8, 4), (16, 8, 4, 2)),
    128: ((16, 16, 8, 4, 2), (16, 8, 4, 2, 1)),
    256: ((16, 16, 8, 8, 4, 2), (16, 8, 8, 4, 2, 1)),
    512: ((16, 16, 8, 8, 4, 2, 1), (16, 8, 8, 4, 2, 1, 1)),
}
# The width of D's stem and the outputs of its stages, and how many of the first stages halve the size.
D_STAGES: dict[int, tuple[int, tuple[int, ...], int]] = {
    8: (4, (4, 4), 1),
    16: (4, (4, 4), 1),
    32: (4, (4, 4, 4), 2),
    64: (1, (2, 4, 8, 16), 4),
    128: (1, (2, 4, 8, 16, 16), 5),
    256: (1, (2, 4, 8, 8, 16, 16), 6),
    512: (1, (1, 2, 4, 8, 8, 16, 16), 7),
}


class Generator(nn.Module):
    """G(z, G.shared(y)).  z [N, dim_z], y [N] int64 (None if unconditional) -> [N, channels, R, R] in [-1, 1]

    `rgb` "paper": the last convolution has as many outputs as inputs and the first `channels` are the image; its
    sigma is that of the whole matrix. "bgpt": it has just `channels` outputs. `num_classes` 0: the condition is z.
    `slope` 0.2, here and in D, makes LOGAN's network (Wu et al. 2019, arXiv 1912.00953): LeakyReLU everywhere.
    """

    def __init__(
        self,
        resolution: int = 128,
        ch: int = 128,
        dim_z: int = 128,
        num_classes: int = 1000,
        channels: int = 3,
        attention: Sequence[int] = (64,),
        shared_dim: int = 128,
        rgb: Literal["paper", "bgpt"] = "paper",
        sn: bool = True,  # False: plain layers, for weights that were divided by sigma already
        sn_eps: float = 1e-4,
        bn_eps: float = 1e-4,
        final_bn_eps: float = 1e-4,
        bn_momentum: float = 0.1,
        init: Init = "ortho",
        bias_init: BiasInit = "zero",
        fused: bool = True,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        inputs, outputs = (tuple(ch * m for m in row) for row in from_table(G_STAGES, resolution))
        self.resolution, self.dim_z, self.num_classes, self.channels = resolution, dim_z, num_classes, channels
        if num_classes and not shared_dim:
            raise InputError("BigGAN-deep joins z to a shared class embedding; give shared_dim (128 in the paper)")
        shared_dim = shared_dim if num_classes else 0
        conv, linear = conv_and_linear(sn, sn_eps)
        norm = batch_norm(linear, shared_dim + dim_z, num_classes, bn_eps, bn_momentum)

        self.shared = nn.Embedding(num_classes, shared_dim) if shared_dim else Passthrough()
        self.linear = linear(shared_dim + dim_z, inputs[0] * 16)
        blocks: list[list[nn.Module]] = []
        for cin, cout in zip(inputs, outputs):
            blocks.append([GBlock(cin, cin, conv, norm, up=False, fused=fused, slope=slope)])
            blocks.append([GBlock(cin, cout, conv, norm, up=True, fused=fused, slope=slope)])
        for index in attended(attention, [8 << i for i in range(len(outputs))]):
            blocks[2 * index + 1].append(Attention(outputs[index], conv))
        self.blocks = nn.ModuleList(map(nn.ModuleList, blocks))
        rows = outputs[-1] if rgb == "paper" else channels
        self.output_layer = nn.Sequential(
            BatchNorm2d(outputs[-1], final_bn_eps, bn_momentum), rectifier(slope), conv(outputs[-1], rows)
        )
        initialise(self, init, bias_init)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """`y` is already embedded, `G.shared(y)`, so that classes can be mixed."""
        condition = z if y is None else torch.cat([y, z], 1)
        h = self.linear(condition).view(z.shape[0], -1, 4, 4)
        for stage in self.blocks:
            for block in stage.children():
                h = block(h, condition)
        h, rgb = self.output_layer[:2](h), self.output_layer[2]
        assert isinstance(rgb, nn.Conv2d)
        assert rgb.bias is not None
        # Only the rows that are looked at are computed; sigma has seen them all.
        return torch.tanh(F.conv2d(h, weight_of(rgb)[: self.channels], rgb.bias[: self.channels], padding=1))


class Discriminator(nn.Module):
    """D(x, y) by projection.  x [N, channels, R, R], y [N] int64 (None if unconditional) -> [N, 1]

    `placement` "nominal" counts sizes as BigGAN-PyTorch does at 32 pixels, where all stages are called 16.
    """

    def __init__(
        self,
        resolution: int = 128,
        ch: int = 128,
        num_classes: int = 1000,
        channels: int = 3,
        attention: Sequence[int] = (64,),
        placement: Placement = "size",
        sn_eps: float = 1e-4,
        init: Init = "ortho",
        bias_init: BiasInit = "zero",
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        stem, multipliers, halvings = from_table(D_STAGES, resolution)
        outputs = [ch * m for m in multipliers]
        self.resolution, self.num_classes = resolution, num_classes
        conv, linear = conv_and_linear(True, sn_eps)
        self.input_conv = conv(channels, ch * stem)
        blocks: list[list[nn.Module]] = [
            [DBlock(cin, cout, conv, i < halvings, slope), DBlock(cout, cout, conv, False, slope)]
            for i, (cin, cout) in enumerate(zip([ch * stem, *outputs], outputs))
        ]
        for index in attended(attention, d_sizes(resolution, len(outputs), halvings, placement), placement):
            blocks[index].append(Attention(outputs[index], conv))
        self.blocks = nn.ModuleList(map(nn.ModuleList, blocks))
        self.act = rectifier(slope)
        self.linear = linear(outputs[-1], 1)
        self.embed = SNEmbedding(num_classes, outputs[-1], eps=sn_eps) if num_classes else None
        initialise(self, init, bias_init)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return project(self.linear, self.embed, self.features(x), y)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees: relu, then the SUM over pixels.  -> [N, F]"""
        h = self.input_conv(x)
        for stage in self.blocks:
            for block in stage.children():
                h = block(h)
        return self.act(h).sum((2, 3))


class GBlock(nn.Module):
    """BN, relu, 1x1, BN, relu, [up], 3x3, BN, relu, 3x3, BN, relu, 1x1.  x [N, in, H, W], y [N, F] -> [N, out, ...]

    The skip path keeps the first `out` channels and drops the rest.
    """

    def __init__(
        self,
        cin: int,
        cout: int,
        conv: Callable[..., nn.Conv2d],
        norm: Callable[[int], nn.Module],
        up: bool,
        fused: bool,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = cin // BOTTLENECK
        self.conv1 = conv(cin, hidden, kernel_size=1, padding=0)
        self.conv2, self.conv3 = conv(hidden, hidden), conv(hidden, hidden)
        self.conv4 = conv(hidden, cout, kernel_size=1, padding=0)
        self.bn1, self.bn2, self.bn3, self.bn4 = norm(cin), norm(hidden), norm(hidden), norm(hidden)
        self.cout, self.up, self.fused = cout, up, fused
        self.act = rectifier(slope)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.conv1(self.act(self.bn1(x, y)))
        h = self.act(self.bn2(h, y))
        skip = x[:, : self.cout]
        if self.up:
            h = upsample_conv(h, weight_of(self.conv2), self.conv2.bias, self.fused)
            skip = upsample(skip)
        else:
            h = self.conv2(h)
        h = self.conv3(self.act(self.bn3(h, y)))
        return self.conv4(self.act(self.bn4(h, y))) + skip


class DBlock(nn.Module):
    """relu, 1x1, relu, 3x3, relu, 3x3, relu, [pool], 1x1.  x [N, in, H, W] -> [N, out, H/2, W/2] or the same size

    The skip path is x itself, pooled, and where channels are added, a 1x1 convolution of it for the missing ones.
    """

    def __init__(self, cin: int, cout: int, conv: Callable[..., nn.Conv2d], down: bool, slope: float = 0.0) -> None:
        super().__init__()
        hidden = cout // BOTTLENECK
        self.conv1 = conv(cin, hidden, kernel_size=1, padding=0)
        self.conv2, self.conv3 = conv(hidden, hidden), conv(hidden, hidden)
        self.conv4 = conv(hidden, cout, kernel_size=1, padding=0)
        self.conv_sc = conv(cin, cout - cin, kernel_size=1, padding=0) if cout > cin else None
        self.act, self.down = rectifier(slope), down

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.act(x))
        h = self.conv2(self.act(h))
        h = self.act(self.conv3(self.act(h)))
        if self.down:
            h, x = average_pool(h), average_pool(x)
        if self.conv_sc is not None:
            x = torch.cat([x, self.conv_sc(x)], 1)
        return self.conv4(h) + x
