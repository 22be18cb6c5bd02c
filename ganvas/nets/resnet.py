"""The residual players of WGAN-GP: the 32-pixel ResNet of its CIFAR script, and the "good" 64-pixel ResNet.

Both grow from or shrink to 4x4; other resolutions (8, 16, 128, ...) have fewer or more blocks by the same rule.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.nets.tflib import init_conv, init_linear, layer_norm
from ganvas.ops.resample import average_pool, conv_pool, upsample, upsample_conv
from ganvas.ops.table import rows_of


def _num_doublings(resolution: int) -> int:
    if resolution < 8 or resolution & (resolution - 1):
        raise InputError(
            f"resolution {resolution} does not fit the ResNet; it takes a power of two from 8 on, as 32 or 64"
        )
    return resolution.bit_length() - 3


def _conv(num_in: int, num_out: int, size: int, bias: bool = True, he: bool = True) -> nn.Conv2d:
    conv = nn.Conv2d(num_in, num_out, size, padding=size // 2, bias=bias)
    init_conv(conv, he=he)
    return conv


class ClassBatchNorm(nn.Module):
    """Batch norm whose scale (ones) and offset (zeros) are tables over classes; the scale is not centred at 1."""

    def __init__(self, num_channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_channels, affine=False)
        self.scale = nn.Embedding(num_classes, num_channels)
        self.offset = nn.Embedding(num_classes, num_channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.offset.weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x [N, C, H, W], y [N] int64, or rows [N, K] that mix classes -> [N, C, H, W]"""
        scale, offset = (rows_of(table, y)[:, :, None, None] for table in (self.scale, self.offset))
        return self.norm(x) * scale + offset


class Block(nn.Module):
    """Norm, ReLU, 3x3, norm, ReLU, 3x3, plus a shortcut; resampled up, down or not at all.

    up: nearest before the first convolution (shortcut: up, 1x1); down: mean pool after the second.  `narrow` is the 64
    pixel file's habit: no bias in the first convolution, its width is that of the input when going down, and the
    shortcut pools first.  The 32-pixel file pools after the shortcut's 1x1, which gives the same numbers.
    """

    def __init__(
        self, num_in: int, num_out: int, resample: str, norm: str = "none", narrow: bool = False, num_classes: int = 0
    ) -> None:
        super().__init__()
        hidden = num_in if narrow and resample == "down" else num_out
        self.resample, self.num_classes = resample, num_classes
        self.norm1, self.norm2 = (self._norm(norm, n) for n in (num_in, hidden))
        self.conv1 = _conv(num_in, hidden, 3, bias=not narrow)
        self.conv2 = _conv(hidden, num_out, 3)
        self.shortcut = _conv(num_in, num_out, 1, he=False) if resample != "none" or num_in != num_out else None

    def _norm(self, norm: str, num: int) -> nn.Module:
        if norm == "batch":
            return ClassBatchNorm(num, self.num_classes) if self.num_classes else nn.BatchNorm2d(num)
        return layer_norm(num) if norm == "layer" else nn.Identity()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """x [N, C, H, W], y [N] or None -> [N, C', H', W']"""
        condition = (y,) if self.num_classes else ()
        h = self.norm1(x, *condition).relu()
        h = upsample_conv(h, self.conv1.weight, self.conv1.bias) if self.resample == "up" else self.conv1(h)
        h = self.norm2(h, *condition).relu()
        h = conv_pool(h, self.conv2.weight, self.conv2.bias) if self.resample == "down" else self.conv2(h)
        return h + self._skip(x)

    def _skip(self, x: Tensor) -> Tensor:
        if self.shortcut is None:
            return x
        if self.resample == "up":  # a 1x1 convolution commutes with either change of size
            return upsample(self.shortcut(x))
        return self.shortcut(average_pool(x) if self.resample == "down" else x)


class FirstBlock(nn.Module):
    """The critic's block on pixels: 3x3, ReLU, 3x3, pool; shortcut pool, 1x1.  No activation before it."""

    def __init__(self, channels: int, num_out: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, num_out, 3)
        self.conv2 = _conv(num_out, num_out, 3)
        self.shortcut = _conv(channels, num_out, 1, he=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> [N, C', H / 2, W / 2]"""
        h = conv_pool(self.conv1(x).relu(), self.conv2.weight, self.conv2.bias)
        return h + self.shortcut(average_pool(x))


class G32(nn.Module):
    """Linear to 4x4, up-blocks of one width, batch norm, ReLU, 3x3, tanh (WGAN-GP's CIFAR script)."""

    def __init__(
        self, resolution: int, channels: int, dim_z: int = 128, width: int = 128, num_classes: int = 0
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(dim_z, 4 * 4 * width)
        init_linear(self.linear)
        self.blocks = nn.ModuleList(
            Block(width, width, "up", "batch", num_classes=num_classes) for _ in range(_num_doublings(resolution))
        )
        self.norm = nn.BatchNorm2d(width)
        self.conv = _conv(width, channels, 3, he=False)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """z [N, Z], y [N] or None -> [N, C, H, W] in [-1, 1]"""
        h = self.linear(z).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            h = block(h, y)
        return torch.tanh(self.conv(self.norm(h).relu()))


class D32(nn.Module):
    """Two blocks down, two that stay, ReLU, global mean, linear (WGAN-GP's CIFAR script).  No normalisation.

    8 pixels need one block down only, 64 three and so on: the blocks that stay always work at 8x8 or 4x4.
    """

    def __init__(self, resolution: int, channels: int, width: int = 128, num_classes: int = 0) -> None:
        super().__init__()
        num_down = max(_num_doublings(resolution) - 1, 1)
        self.first = FirstBlock(channels, width)
        kinds = ["down"] * (num_down - 1) + ["none", "none"]
        self.blocks = nn.ModuleList(Block(width, width, kind) for kind in kinds)
        self.linear = nn.Linear(width, 1)
        self.classify = nn.Linear(width, num_classes) if num_classes else None
        init_linear(self.linear)
        if self.classify is not None:
            init_linear(self.classify)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> scores [N]"""
        return self.linear(self.features(x)).flatten()

    def score_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [N, C, H, W] -> scores [N], class logits [N, K] (the ACGAN variant)"""
        assert self.classify is not None, "this critic has no classes"
        h = self.features(x)
        return self.linear(h).flatten(), self.classify(h)

    def features(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> [N, width]"""
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        return h.relu().mean((2, 3))


class G64(nn.Module):
    """Linear to 4x4x8w, up-blocks 8w, 4w, 2w, w, batch norm, ReLU, 3x3, tanh (WGAN-GP's 64-pixel script)."""

    def __init__(self, resolution: int, channels: int, dim_z: int = 128, width: int = 64) -> None:
        super().__init__()
        widths = _widths(resolution, width)
        self.linear = nn.Linear(dim_z, 4 * 4 * widths[0])
        init_linear(self.linear)
        self.blocks = nn.ModuleList(
            Block(num_in, num_out, "up", "batch", narrow=True) for num_in, num_out in zip([widths[0], *widths], widths)
        )
        self.norm = nn.BatchNorm2d(widths[-1])
        self.conv = _conv(widths[-1], channels, 3)

    def forward(self, z: Tensor) -> Tensor:
        """z [N, Z] -> [N, C, H, W] in [-1, 1]"""
        h = self.linear(z).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            h = block(h)
        return torch.tanh(self.conv(self.norm(h).relu()))


class D64(nn.Module):
    """3x3 to w, down-blocks 2w, 4w, 8w, 8w with layer norm, linear on 4x4x8w (WGAN-GP's 64-pixel script)."""

    def __init__(self, resolution: int, channels: int, width: int = 64, norm: str = "layer") -> None:
        super().__init__()
        widths = _widths(resolution, width)[::-1]
        self.conv = _conv(channels, widths[0], 3, he=False)
        outs = [*widths[1:], widths[-1]]
        self.blocks = nn.ModuleList(
            Block(num_in, num_out, "down", norm, narrow=True) for num_in, num_out in zip(widths, outs)
        )
        self.linear = nn.Linear(4 * 4 * widths[-1], 1)
        init_linear(self.linear)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> scores [N]"""
        h = self.conv(x)
        for block in self.blocks:
            h = block(h)
        return self.linear(h.flatten(1)).flatten()


def _widths(resolution: int, width: int) -> list[int]:
    """Output widths of the up-blocks; 64 -> [8w, 4w, 2w, w]."""
    num = _num_doublings(resolution)
    return [width * min(2 ** (num - 1 - i), 8) for i in range(num)]
