"""BigGAN's generator with self-modulation (Chen et al. 2019, arXiv 1810.01365), as U-Net GAN has it without classes.

Gain and bias of every batch norm are functions of z. Blocks, sizes and keys are those of `biggan.py`. U-Net GAN's
generator *with* classes is no other than `biggan.Generator(hier=False, shared_dim=0)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganvas.nets.biggan import G_BLOCKS, GBlock
from ganvas.nets.biggan_parts import BiasInit, Init, Passthrough, attended, conv_and_linear, from_table, initialise
from ganvas.ops.attention import Attention
from ganvas.ops.norm import BatchNorm2d, ConditionalBatchNorm2d


class Generator(nn.Module):
    """G(z).  z [N, dim_z] -> [N, channels, R, R] in [-1, 1]

    The whole z enters the first layer and every batch norm; it is not cut into chunks, although the authors' scripts
    set BigGAN's flag for that. `shared` and the second argument are there for those who call G(z, G.shared(y)).
    """

    def __init__(
        self,
        resolution: int = 128,
        ch: int = 64,
        dim_z: int = 128,
        channels: int = 3,
        attention: Sequence[int] = (),
        sn_eps: float = 1e-6,
        bn_eps: float = 1e-5,
        bn_momentum: float = 0.1,
        init: Init = "ortho",
        bias_init: BiasInit = "torch",
        fused: bool = True,
    ) -> None:
        super().__init__()
        inputs, outputs = (tuple(ch * m for m in row) for row in from_table(G_BLOCKS, resolution))
        self.resolution, self.dim_z, self.num_classes = resolution, dim_z, 0
        conv, linear = conv_and_linear(True, sn_eps)

        def norm(width: int) -> nn.Module:
            gain, bias = modulation(dim_z, width), modulation(dim_z, width)
            return ConditionalBatchNorm2d(width, gain, bias, bn_eps, bn_momentum)

        self.shared = Passthrough()
        self.linear = linear(dim_z, inputs[0] * 16)
        blocks: list[list[nn.Module]] = [[GBlock(cin, cout, conv, norm, fused)] for cin, cout in zip(inputs, outputs)]
        for index in attended(attention, [8 << i for i in range(len(blocks))]):
            blocks[index].append(Attention(outputs[index], conv))
        self.blocks = nn.ModuleList(map(nn.ModuleList, blocks))
        self.output_layer = nn.Sequential(
            BatchNorm2d(outputs[-1], bn_eps, bn_momentum), nn.ReLU(), conv(outputs[-1], channels)
        )
        initialise(self, init, bias_init)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """`y` is ignored."""
        h = self.linear(z).view(z.shape[0], -1, 4, 4)
        for stage in self.blocks:
            for block in stage.children():
                h = block(h, z)
        return torch.tanh(self.output_layer(h))


def modulation(dim_z: int, width: int) -> nn.Sequential:
    """A gain or bias from z: linear, relu, linear without bias; not spectrally normalised.  [N, dim_z] -> [N, width]"""
    return nn.Sequential(nn.Linear(dim_z, dim_z), nn.ReLU(), nn.Linear(dim_z, width, bias=False))
