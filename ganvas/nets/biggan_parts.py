"""What the networks of BigGAN and BigGAN-deep are put together from: tables, layer makers, initialisation.

The networks themselves are in `biggan.py` and `biggan_deep.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.ops.norm import BatchNorm2d, ConditionalBatchNorm2d
from ganvas.ops.spectral import SNConv2d, SNLinear
from ganvas.ops.table import rows_of

Init = Literal["ortho", "N02", "xavier", "sagan", "none"]
BiasInit = Literal["torch", "zero"]
Placement = Literal["size", "nominal"]
Row = TypeVar("Row")


class Passthrough(nn.Module):
    """Stands for the shared embedding where there is none: hands on the class indices, or None."""

    def forward(self, y: Tensor | None) -> Tensor | None:
        return y


def from_table(table: Mapping[int, Row], resolution: int) -> Row:
    """The row of a resolution; raises InputError that lists the known ones."""
    if resolution not in table:
        raise InputError(f"resolution={resolution}, expected one of {', '.join(map(str, table))}; resize the images")
    return table[resolution]


def d_sizes(resolution: int, blocks: int, halvings: int, placement: Placement = "size") -> list[int]:
    """The size after each of D's blocks; "nominal": the sizes BigGAN-PyTorch's table claims, wrong at 32 pixels."""
    if placement == "nominal" and resolution == 32:
        return [16] * blocks
    return [resolution >> min(i + 1, halvings) for i in range(blocks)]


def attended(attention: Sequence[int], sizes: Sequence[int], placement: Placement = "size") -> list[int]:
    """The blocks that a non-local block follows: the first of each size asked for ("nominal": all of that size)."""
    for size in attention:
        if size not in sizes:
            known = ", ".join(map(str, sorted(set(sizes))))
            raise InputError(f"attention at {size} pixels, expected sizes out of {known} (or none); change the list")
    if placement == "nominal":
        return [i for i, size in enumerate(sizes) if size in attention]
    return sorted(sizes.index(size) for size in set(attention))


def project(linear: nn.Module, embed: nn.Module | None, h: Tensor, y: Tensor | None) -> Tensor:
    """linear(h) + <embed(y), h>, the second term only with classes.  h [N, F], y as in `rows_of` -> [N, 1]"""
    score = linear(h)
    if embed is not None:
        assert y is not None, "a discriminator with classes needs them"
        score = score + (rows_of(embed, y) * h).sum(1, keepdim=True)
    return score


def rectifier(slope: float) -> nn.Module:
    """ReLU, or LeakyReLU where the slope is not 0 (LOGAN's 0.2).  Never in place: skip paths take its input as well."""
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def conv_and_linear(sn: bool, eps: float) -> tuple[Callable[..., nn.Conv2d], Callable[..., nn.Linear]]:
    """The makers of convolutions (3x3 unless told) and of linear layers, spectrally normalised or plain."""
    if sn:
        return partial(SNConv2d, kernel_size=3, padding=1, eps=eps), partial(SNLinear, eps=eps)
    return partial(nn.Conv2d, kernel_size=3, padding=1), nn.Linear


def batch_norm(
    linear: Callable[..., nn.Linear], condition_dim: int, num_classes: int, eps: float, momentum: float
) -> Callable[[int], nn.Module]:
    """The maker of G's batch norms: projections of a condition, per-class tables (not spectral), or plain."""

    def norm(channels: int) -> nn.Module:
        gain: nn.Module
        bias: nn.Module
        if condition_dim:
            gain, bias = linear(condition_dim, channels, bias=False), linear(condition_dim, channels, bias=False)
        elif num_classes:
            gain, bias = nn.Embedding(num_classes, channels), nn.Embedding(num_classes, channels)
        else:
            return BatchNorm2d(channels, eps, momentum)
        return ConditionalBatchNorm2d(channels, gain, bias, eps, momentum)

    return norm


@torch.no_grad()
def initialise(network: nn.Module, init: Init, bias_init: BiasInit) -> None:
    """Fills the weights of all convolutions, linear layers and tables, attention and projections included.

    ortho: orthogonal rows or columns (BigGAN); N02: normal, std 0.02 (BigGAN-PyTorch's CIFAR script); xavier: Glorot
    uniform; sagan: the same, with class tables of batch norm at 0, so that the gain starts at 1; none: as torch does.
    Biases: torch's uniform default, which BigGAN-PyTorch keeps, or zero, as in TensorFlow.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding) and not module.weight.is_meta:
            _fill(module.weight, init)
            bias = module._parameters.get("bias")
            if bias_init == "zero" and bias is not None:
                nn.init.zeros_(bias)
    for module in network.modules():
        if init == "sagan" and isinstance(module, ConditionalBatchNorm2d):
            _zero_tables(module)


def _fill(weight: Tensor, init: Init) -> None:
    if init == "ortho":
        nn.init.orthogonal_(weight)
    elif init == "N02":
        nn.init.normal_(weight, 0.0, 0.02)
    elif init in ("xavier", "sagan"):
        nn.init.xavier_uniform_(weight)


def _zero_tables(norm: ConditionalBatchNorm2d) -> None:
    for table in (norm.gain, norm.bias):
        if isinstance(table, nn.Embedding):
            nn.init.zeros_(table.weight)
