"""The 32-pixel SN-GAN of CS-GAN and LOGAN (Miyato et al. 2018, arXiv 1802.05957; Wu et al. 2019, arXiv 1912.00953).

CS-GAN's released networks (deepmind-research, Apache-2.0), unconditional: transposed convolutions with batch norm,
convolutions with spectral norm. Padding is TensorFlow's SAME and the initialisation Sonnet's. Other resolutions than 32
follow the same pattern. The latent step is in `ops/latent_step.py`.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.nets.biggan_parts import Passthrough
from ganvas.ops.norm import BatchNorm2d
from ganvas.ops.spectral import SNConv2d, SNLinear


def sides(resolution: int) -> list[int]:
    """The sizes of feature maps from 4 up to the resolution, each about half of the next.  28 -> [4, 7, 14, 28]"""
    found = [resolution]
    while found[0] > 4:
        found.insert(0, -(-found[0] // 2))
    if found[0] != 4 or len(found) < 2:
        raise InputError(f"resolution={resolution}, expected one that halves (rounding up) to 4, as 16, 28, 32 or 64")
    return found


def widths(resolution: int, width: int) -> list[int]:
    """Channels at each of those sizes but the last: `width` before the image, doubling to 8 times that.

    32 -> [512, 256, 128] and 64 for width 64
    """
    num = len(sides(resolution))
    return [width * min(2 ** (num - 1 - i), 8) for i in range(num)]


class Generator(nn.Module):
    """G(z).  z [N, dim_z] -> [N, channels, R, R] in [-1, 1]

    Linear to 4x4 (no norm, no activation), 4x4 transposed convolutions of stride 2 with batch norm and ReLU, a 3x3 one
    of stride 1, tanh. `y` is ignored: it stands where a conditional G has it.
    """

    def __init__(
        self,
        resolution: int = 32,
        channels: int = 3,
        dim_z: int = 128,
        width: int = 64,
        bn_eps: float = 1e-3,  # Sonnet's defaults; its decay 0.999 is this momentum
        bn_momentum: float = 1e-3,
    ) -> None:
        super().__init__()
        self.resolution, self.dim_z, self.num_classes = resolution, dim_z, 0
        self.sides, planes = sides(resolution), widths(resolution, width)
        self.shared = Passthrough()
        self.linear = nn.Linear(dim_z, planes[0] * 16)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, padding=1) for a, b in pairwise(planes))
        self.norms = nn.ModuleList(BatchNorm2d(b, bn_eps, bn_momentum) for b in planes[1:])
        self.rgb = nn.ConvTranspose2d(planes[-1], channels, 3, padding=1)
        initialise(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.linear(z).unflatten(1, (-1, 4, 4))
        for up, norm, side in zip(self.ups, self.norms, self.sides[1:]):
            # SAME: from 4 to 7 pixels the row and column that are too many go at the end, as TensorFlow has it.
            h = norm(up(h)[..., :side, :side]).relu()
        return torch.tanh(self.rgb(h))


class DownConv4(SNConv2d):
    """4x4 convolution with stride 2 and TensorFlow's SAME padding: even sides pad (1, 1), odd sides (1, 2)."""

    def __init__(self, num_in: int, num_out: int, eps: float) -> None:
        super().__init__(num_in, num_out, 4, eps, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> [N, C', ceil(H / 2), ceil(W / 2)]"""
        height, width = x.shape[-2:]
        return super().forward(F.pad(x, (1, 1 + width % 2, 1, 1 + height % 2)))


class Discriminator(nn.Module):
    """D(x).  x [N, channels, R, R] -> [N, num_logits], unbounded

    3x3, 4x4 of stride 2, 3x3, ... down to 4x4, LeakyReLU 0.1 after each, linear; spectral norm on all.  `num_logits` 2
    is CS-GAN's, with cross-entropy; a hinge needs 1. `y` is ignored.
    """

    def __init__(
        self,
        resolution: int = 32,
        channels: int = 3,
        width: int = 64,
        num_logits: int = 1,
        slope: float = 0.1,
        sn_eps: float = 1e-12,
    ) -> None:
        super().__init__()
        self.resolution, self.num_classes = resolution, 0
        planes = widths(resolution, width)[::-1]
        convs: list[nn.Module] = [SNConv2d(channels, planes[0], 3, sn_eps, padding=1)]
        for a, b in pairwise(planes):
            convs += [DownConv4(a, a, sn_eps), SNConv2d(a, b, 3, sn_eps, padding=1)]
        self.convs, self.act = nn.ModuleList(convs), nn.LeakyReLU(slope)
        self.linear = SNLinear(planes[-1] * 16, num_logits, eps=sn_eps)
        initialise(self)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = x
        for conv in self.convs:
            h = self.act(conv(h))
        return self.linear(h.flatten(1))


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Sonnet's default: normal with standard deviation 1 / sqrt(fan in), cut at two of them; biases 0.

    The fan in of a transposed convolution is kernel area times input channels, whatever the stride.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            transposed = isinstance(layer, nn.ConvTranspose2d)
            fan_in = layer.weight.numel() // layer.weight.shape[1 if transposed else 0]
            std = 1 / math.sqrt(fan_in)
            nn.init.trunc_normal_(layer.weight, 0.0, std, -2 * std, 2 * std)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
