"""The residual networks of SAGAN and BigGAN (Zhang et al. 2019, arXiv 1805.08318; Brock et al. 2019, arXiv 1809.11096).

SAGAN is this network with per-class tables and the whole z in the first layer; BigGAN adds the shared embedding and
z in every block; IC-GAN (Casanova et al. 2021, arXiv 2109.05070) adds the features of an instance, beside the class or
instead of it; SN-GAN is the thin D without attention. Module names and state-dict keys are BigGAN-PyTorch's and
IC-GAN's, so checkpoints load as they are. The objectives are the papers'; BigGAN-deep is in `biggan_deep.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
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
from ganvas.ops.resample import average_pool, conv_pool, upsample_conv
from ganvas.ops.spectral import SNEmbedding, SNLinear, weight_of

# Channels in multiples of `ch`: G's block inputs and outputs; every block doubles the size, from 4x4.
# 8 and 16 pixels are ours, cut from the 32-pixel pattern, for digits.
G_BLOCKS: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    8: ((4,), (4,)),
    16: ((4, 4), (4, 4)),
    32: ((4, 4, 4), (4, 4, 4)),
    64: ((16, 16, 8, 4), (16, 8, 4, 2)),
    128: ((16, 16, 8, 4, 2), (16, 8, 4, 2, 1)),
    256: ((16, 16, 8, 8, 4, 2), (16, 8, 8, 4, 2, 1)),
    512: ((16, 16, 8, 8, 4, 2, 1), (16, 8, 8, 4, 2, 1, 1)),
}
# D's block outputs, and how many of the first blocks halve the size. The table of the BigGAN paper's appendix would
# give 132.6M parameters at 128 pixels; the paper's own count, 88.0M, is this pattern of the released code.
D_BLOCKS: dict[int, tuple[tuple[int, ...], int]] = {
    8: ((4, 4), 1),
    16: ((4, 4, 4), 1),
    32: ((4, 4, 4, 4), 2),
    64: ((1, 2, 4, 8, 16), 4),
    128: ((1, 2, 4, 8, 16, 16), 5),
    256: ((1, 2, 4, 8, 8, 16, 16), 6),
    512: ((1, 1, 2, 4, 8, 8, 16, 16), 7),
}


class Generator(nn.Module):
    """G(z, G.shared(y), G.shared_feat(h)).  z [N, dim_z], y [N] int64, h [N, dim_h] -> [N, channels, R, R] in [-1, 1]

    `shared_dim` 0: per-class tables, and `shared` hands y through. `hier`: z is cut into one chunk for the first
    layer and one per block, which joins the class embedding as [y, chunk]. `num_classes` 0: no classes, y is None.
    `dim_h`: the length of instance features, 2048 in IC-GAN, h of unit length; 0: none, h is None. With neither,
    blocks see their chunk alone, or have plain batch norm. `attention`: sizes after which a non-local block stands.
    `slope` other than 0: LeakyReLU everywhere, in G as in D.
    """

    def __init__(
        self,
        resolution: int = 128,
        ch: int = 96,
        dim_z: int = 120,
        num_classes: int = 1000,
        channels: int = 3,
        attention: Sequence[int] = (64,),
        hier: bool = True,
        shared_dim: int = 128,
        sn: bool = True,  # False: plain layers, for weights that were divided by sigma already
        sn_eps: float = 1e-4,
        bn_eps: float = 1e-4,
        final_bn_eps: float = 1e-4,  # BigGAN-PyTorch leaves this one at 1e-5 whatever its BN_eps
        bn_momentum: float = 0.1,
        init: Init = "ortho",
        bias_init: BiasInit = "zero",
        fused: bool = True,
        slope: float = 0.0,
        dim_h: int = 0,
        shared_dim_feat: int = 512,
    ) -> None:
        super().__init__()
        inputs, outputs = (tuple(ch * m for m in row) for row in from_table(G_BLOCKS, resolution))
        slots = len(inputs) + 1 if hier else 1
        if dim_z % slots:
            fits = dim_z // slots * slots
            raise InputError(
                f"dim_z={dim_z} cannot be cut into {slots} equal parts at {resolution} pixels; use {fits or slots}"
            )
        self.resolution, self.dim_z, self.num_classes = resolution, dim_z, num_classes
        self.hier, self.chunk = hier, dim_z // slots
        if hier and num_classes and not shared_dim:
            raise InputError("hier joins z to a shared class embedding; give shared_dim (128 in BigGAN) or hier=False")
        if dim_h and num_classes and not shared_dim:
            raise InputError("instance features join a shared class embedding; give shared_dim (128) or num_classes=0")
        shared_dim = shared_dim if num_classes else 0
        conv, linear = conv_and_linear(sn, sn_eps)
        condition_dim = shared_dim + (shared_dim_feat if dim_h else 0) + (self.chunk if hier else 0)
        norm = batch_norm(linear, condition_dim, num_classes, bn_eps, bn_momentum)

        # Not spectrally normalised: BigGAN-PyTorch notes that doing so cripples G at random.
        self.shared = nn.Embedding(num_classes, shared_dim) if shared_dim else Passthrough()
        self.shared_feat = linear(dim_h, shared_dim_feat) if dim_h else Passthrough()
        self.linear = linear(self.chunk, inputs[0] * 16)
        blocks: list[list[nn.Module]] = [
            [GBlock(cin, cout, conv, norm, fused, slope)] for cin, cout in zip(inputs, outputs)
        ]
        for index in attended(attention, [8 << i for i in range(len(blocks))]):
            blocks[index].append(Attention(outputs[index], conv))
        self.blocks = nn.ModuleList(map(nn.ModuleList, blocks))
        self.output_layer = nn.Sequential(
            BatchNorm2d(outputs[-1], final_bn_eps, bn_momentum), rectifier(slope), conv(outputs[-1], channels)
        )
        initialise(self, init, bias_init)

    def forward(self, z: Tensor, y: Tensor | None = None, h: Tensor | None = None) -> Tensor:
        """Both are already embedded, `G.shared(y)` and `G.shared_feat(h)`, so that they can be mixed."""
        first, conditions = self.conditions(z, y if h is None else h if y is None else torch.cat([y, h], 1))
        x = self.linear(first).view(z.shape[0], -1, 4, 4)
        for stage, condition in zip(self.blocks, conditions):
            for block in stage.children():
                x = block(x, condition)
        return torch.tanh(self.output_layer(x))

    def conditions(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
        """What the first layer sees, and what each block sees: y, or [y, chunk of z] with y FIRST.

        y is the whole condition: class, features, or [class, features].
        """
        if not self.hier:
            return z, [y] * len(self.blocks)
        first, *rest = torch.split(z, self.chunk, dim=1)
        return first, [chunk if y is None else torch.cat([y, chunk], 1) for chunk in rest]


class Trunk(nn.Module):
    """x [N, channels, R, R] -> features [N, F]: D without a head.  `num_features` is F.

    `wide`: the hidden width of a block is its output's (SAGAN, BigGAN), else its input's (SN-GAN).
    `placement` "nominal" counts sizes as BigGAN-PyTorch does at 32 pixels, where all four blocks are called 16 and
    attention at 16 lands on all four; "size" uses the true sizes 16, 8, 8, 8.  Whoever adds the heads initialises.
    """

    def __init__(
        self,
        resolution: int,
        ch: int,
        channels: int,
        attention: Sequence[int],
        wide: bool,
        placement: Placement,
        sn_eps: float,
        fused: bool,
        slope: float,
    ) -> None:
        super().__init__()
        multipliers, halvings = from_table(D_BLOCKS, resolution)
        outputs = [ch * m for m in multipliers]
        self.resolution, self.num_features = resolution, outputs[-1]
        conv, _ = conv_and_linear(True, sn_eps)
        blocks: list[list[nn.Module]] = [
            [DBlock(cin, cout, conv, wide, i > 0, i < halvings, fused, slope)]
            for i, (cin, cout) in enumerate(zip([channels, *outputs], outputs))
        ]
        for index in attended(attention, d_sizes(resolution, len(outputs), halvings, placement), placement):
            blocks[index].append(Attention(outputs[index], conv))
        self.blocks = nn.ModuleList(map(nn.ModuleList, blocks))
        self.act = rectifier(slope)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees: relu, then the SUM over pixels.  -> [N, F]"""
        h = x
        for stage in self.blocks:
            for block in stage.children():
                h = block(h)
        return self.act(h).sum((2, 3))


class Discriminator(Trunk):
    """D(x, y, h).  x [N, channels, R, R], y [N] int64, h [N, dim_h] (None without) -> [N, 1]

    linear(f) + <e, f> with f the image's features summed over pixels (projection, Miyato & Koyama 2018). e is embed(y),
    or linear_feat(h), or half of either, [embed(y), linear_feat(h)] (IC-GAN).
    """

    def __init__(
        self,
        resolution: int = 128,
        ch: int = 96,
        num_classes: int = 1000,
        channels: int = 3,
        attention: Sequence[int] = (64,),
        wide: bool = True,
        placement: Placement = "size",
        sn_eps: float = 1e-4,
        init: Init = "ortho",
        bias_init: BiasInit = "zero",
        fused: bool = True,
        slope: float = 0.0,
        dim_h: int = 0,
    ) -> None:
        super().__init__(resolution, ch, channels, attention, wide, placement, sn_eps, fused, slope)
        self.num_classes = num_classes
        part = self.num_features // 2 if dim_h and num_classes else self.num_features
        self.linear = SNLinear(self.num_features, 1, eps=sn_eps)
        self.embed = SNEmbedding(num_classes, part, eps=sn_eps) if num_classes else None
        self.linear_feat = SNLinear(dim_h, part, eps=sn_eps) if dim_h else None
        initialise(self, init, bias_init)

    def forward(self, x: Tensor, y: Tensor | None = None, h: Tensor | None = None) -> Tensor:
        if self.linear_feat is None:
            return project(self.linear, self.embed, self.features(x), y)
        f, e = self.features(x), self.linear_feat(h)
        e = e if self.embed is None else torch.cat([self.embed(y), e], 1)
        return self.linear(f) + (e * f).sum(1, keepdim=True)


class GBlock(nn.Module):
    """BN, relu, up, 3x3, BN, relu, 3x3 beside up, 1x1.  x [N, in, H, W], y [N, F] -> [N, out, 2H, 2W]"""

    def __init__(
        self,
        cin: int,
        cout: int,
        conv: Callable[..., nn.Conv2d],
        norm: Callable[[int], nn.Module],
        fused: bool,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(cin, cout), conv(cout, cout)
        self.conv_sc = conv(cin, cout, kernel_size=1, padding=0)
        self.bn1, self.bn2 = norm(cin), norm(cout)
        self.act, self.fused = rectifier(slope), fused

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.act(self.bn1(x, y))
        h = upsample_conv(h, weight_of(self.conv1), self.conv1.bias, self.fused)
        h = self.conv2(self.act(self.bn2(h, y)))
        return h + upsample_conv(x, weight_of(self.conv_sc), self.conv_sc.bias, self.fused)


class DBlock(nn.Module):
    """[relu], 3x3, relu, 3x3, [pool] beside [1x1], [pool].  x [N, in, H, W] -> [N, out, H/2, W/2] or same size

    The first block of a network has no relu before its first convolution. The relu must not work in place: the
    skip path takes x itself (StudioGAN's in-place form feeds it relu(x), another network).
    """

    def __init__(
        self,
        cin: int,
        cout: int,
        conv: Callable[..., nn.Conv2d],
        wide: bool,
        preactivation: bool,
        down: bool,
        fused: bool,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = cout if wide else cin
        self.conv1, self.conv2 = conv(cin, hidden), conv(hidden, cout)
        self.skips = cin != cout or down
        if self.skips:
            self.conv_sc = conv(cin, cout, kernel_size=1, padding=0)
        self.preactivation, self.down, self.fused = preactivation, down, fused
        self.act = rectifier(slope)

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.conv1(self.act(x) if self.preactivation else x))
        if not self.down:
            return self.conv2(h) + (self.conv_sc(x) if self.skips else x)
        h = conv_pool(h, weight_of(self.conv2), self.conv2.bias, self.fused)
        if not self.preactivation:  # on the image itself: pool, then 1x1
            return h + self.conv_sc(average_pool(x))
        return h + conv_pool(x, weight_of(self.conv_sc), self.conv_sc.bias, self.fused)
