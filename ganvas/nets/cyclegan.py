"""The players of CycleGAN (Zhu et al. 2017, arXiv 1703.10593): the residual generator and the 70x70 PatchGAN.

CSGAN (Kancharagunta and Dubey 2019) uses the same two. Instance norm has no weights and no running statistics, so
training and evaluation compute the same; the biases before it change nothing and stay, as the authors' files hold them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas import config
from ganvas.config import only
from ganvas.errors import InputError
from ganvas.nets import cyclegan_tiles
from ganvas.ops.tiles import Progress, crop, pad_to_multiple

SMALLEST = 5  # pixels a side from which G works: mirrored to 8, which leaves 2 to be mirrored inside the blocks


def instance_norm(x: Tensor) -> Tensor:
    """(x - mean) / sqrt(var + 1e-5) over the pixels of each channel of each image.  [N, C, H, W] -> the same"""
    return F.instance_norm(x)


class ResidualBlock(nn.Module):
    """x + norm(conv(dropout(relu(norm(conv(x)))))), mirrored at the border; nothing after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _mirrored(width, width, 3)
        self.conv2 = _mirrored(width, width, 3)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """x [N, F, H, W], keep bool of the same shape -> [N, F, H, W]"""
        h = instance_norm(self.conv1(x)).relu()
        if keep is not None:
            h = h * keep * 2.0  # dropout of one half
        return x + instance_norm(self.conv2(h))


class Generator(nn.Module):
    """7x7, halved twice, residual blocks, doubled twice, 7x7, tanh (`resnet_9blocks`, `resnet_6blocks`).

    The paper takes 9 blocks from 256 pixels on and 6 below. Images may have any height and width from 5 pixels on:
    what does not divide by 4 is mirrored to the next multiple and cropped again.

    Dropout is not a random layer here: what it lets through is drawn by `draw_dropout` and handed to `forward`, so the
    network stays a function of its arguments. CycleGAN uses none, nor do CSGAN's command lines.
    """

    def __init__(
        self,
        channels_in: int = 3,
        channels_out: int = 3,
        width: int = 64,
        num_blocks: int = 9,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        _check_channels(channels_in, channels_out)
        if num_blocks < 1:
            raise InputError(f"{num_blocks} residual blocks given, expected 1 or more, as 6 or 9")
        self.channels_in = channels_in
        self.dropout = dropout
        self.inner_width = 4 * width  # of the blocks
        self.first = _mirrored(channels_in, width, 7)
        self.downs = nn.ModuleList(
            nn.Conv2d(num_in, 2 * num_in, 3, stride=2, padding=1) for num_in in (width, 2 * width)
        )
        self.blocks = nn.ModuleList(ResidualBlock(4 * width) for _ in range(num_blocks))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(num_in, num_in // 2, 3, stride=2, padding=1, output_padding=1)
            for num_in in (4 * width, 2 * width)
        )
        self.last = _mirrored(width, channels_out, 7)
        self.apply(init_normal)

    @property
    def reach(self) -> int:
        """Pixels from an output to the farthest input it sees, instance norm aside: 60 with 6 blocks, 84 with 9."""
        return 12 + 8 * len(self.blocks)

    def draw_dropout(self, num: int, height: int, width: int, rng: torch.Generator) -> Tensor | None:
        """What the blocks let through, one half.  -> bool [num, blocks, F, H/4, W/4]; None without dropout"""
        if not self.dropout:
            return None
        shape = (num, len(self.blocks), self.inner_width, -(-height // 4), -(-width // 4))
        return torch.rand(shape, generator=rng, device=rng.device) < 0.5

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """x [N, C, H, W], keep from `draw_dropout` or None: no dropout -> [N, C', H, W] in [-1, 1]"""
        height, width = x.shape[2:]
        if min(height, width) < SMALLEST:
            raise InputError(f"images of {width}x{height} pixels; the generator takes {SMALLEST} a side or more")
        h = instance_norm(self.first(pad_to_multiple(x, 4))).relu()
        for down in self.downs:
            h = instance_norm(down(h)).relu()
        for i, block in enumerate(self.blocks):
            h = block(h, None if keep is None else keep[:, i])
        for up in self.ups:
            h = instance_norm(up(h)).relu()
        return crop(self.last(h).tanh(), height, width)

    def in_tiles(self, x: Tensor, tile: int, progress: Progress | None = None) -> Tensor:
        """What `forward` makes of x without dropout, in tiles of about `tile` pixels a side, for large images."""
        return cyclegan_tiles.in_tiles(self, x, tile, progress)


class Discriminator(nn.Module):
    """4x4 convolutions, LeakyReLU 0.2, one score for each patch; 70x70 pixels with the paper's three layers.

    The first and the last convolution have no instance norm. Scores have no sigmoid: they are for least squares.
    """

    def __init__(self, channels: int = 3, width: int = 64, num_layers: int = 3) -> None:
        super().__init__()
        _check_channels(channels)
        if num_layers < 1:
            raise InputError(f"{num_layers} layers given, expected 1 or more, as 3 for patches of 70 pixels")
        self.smallest = 3 << num_layers  # pixels a side: the last convolution sees 2x2
        widths = [channels, *(min(2**i, 8) * width for i in range(num_layers + 1)), 1]
        strides = [2] * num_layers + [1, 1]
        self.convs = nn.ModuleList(
            nn.Conv2d(num_in, num_out, 4, stride=stride, padding=1)
            for num_in, num_out, stride in zip(widths, widths[1:], strides)
        )
        self.apply(init_normal)

    @property
    def patch(self) -> int:
        """Pixels a side that one score sees, instance norm aside: 70 with three layers."""
        size = 7  # the last two convolutions
        for _ in range(len(self.convs) - 2):
            size = (size - 1) * 2 + 4
        return size

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> scores [N, 1, h, w]; 30x30 of 256x256 pixels with three layers"""
        if min(x.shape[2:]) < self.smallest:
            size = f"{x.shape[3]}x{x.shape[2]}"
            raise InputError(
                f"images of {size} pixels, but D takes {self.smallest} a side or more; give it fewer layers"
            )
        first, *inner, last = self.convs
        h = F.leaky_relu(first(x), 0.2)
        for conv in inner:
            h = F.leaky_relu(instance_norm(conv(h)), 0.2)
        return last(h)


class Config(config.Config):
    """What chooses the networks: those of the released code.  `channels` are those of domain B."""

    channels_A: int = 3
    G_width: int = 64
    D_width: int = only(64, G_only=False)
    num_blocks: int = 9  # residual blocks of either generator
    num_layers: int = only(3, G_only=False)  # strided layers of D; 3 judge patches of 70 pixels
    dropout: bool = False  # in the blocks, in training alone
    G_only: bool = False  # imported generators whose D was never published


def generators(c: Config) -> nn.ModuleDict:
    """AB makes images of B from those of A, BA the reverse."""
    ways = {"AB": (c.channels_A, c.channels), "BA": (c.channels, c.channels_A)}
    return nn.ModuleDict({way: Generator(*ends, c.G_width, c.num_blocks, c.dropout) for way, ends in ways.items()})


def discriminators(c: Config) -> nn.ModuleDict:
    """One for each domain, named by what it judges."""
    sides = {"A": c.channels_A, "B": c.channels}
    return nn.ModuleDict({side: Discriminator(channels, c.D_width, c.num_layers) for side, channels in sides.items()})


def init_normal(layer: nn.Module) -> None:
    """Convolutions N(0, 0.02), biases 0, in place."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)


def _mirrored(num_in: int, num_out: int, size: int) -> nn.Conv2d:
    """A convolution that keeps the size and sees the image mirrored beyond its border."""
    return nn.Conv2d(num_in, num_out, size, padding=size // 2, padding_mode="reflect")


def _check_channels(*channels: int) -> None:
    for given in channels:
        if not 1 <= given <= 4:
            raise InputError(f"{given} channels given, expected 1 (grey) to 4 (RGB and transparency)")
