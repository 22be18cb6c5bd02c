"""The U-Net discriminator of U-Net GAN (Schoenfeld et al. 2020, arXiv 2002.12655): one score per image, one per pixel.

The encoder is BigGAN's D without its last block, the decoder BigGAN's G blocks without batch norm; both are taken from
`biggan.py`. The losses and CutMix stand elsewhere, the unconditional generator is in `selfmod.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.nets.biggan import D_BLOCKS, DBlock, GBlock
from ganvas.nets.biggan_parts import BiasInit, Init, attended, conv_and_linear, d_sizes, from_table, initialise, project
from ganvas.ops.attention import Attention
from ganvas.ops.spectral import SNEmbedding


class Discriminator(nn.Module):
    """D(x, y).  x [N, channels, R, R], y [N] int64 (None if unconditional) -> map [N, 1, R, R], score [N, 1]

    Both are logits. The score is that of BigGAN's D at the bottleneck, linear(h) + <embed(y), h> with h summed over
    pixels; the map is the same projection at every pixel, with a table of its own. The relu of BigGAN's D stands only
    before the score: decoder and map see the raw features. All layers are spectrally normalised but the map's 1x1.
    `attention`: sizes after which a non-local block stands, in the encoder alone (none in the authors' scripts).
    """

    def __init__(
        self,
        resolution: int = 128,
        ch: int = 64,
        num_classes: int = 0,
        channels: int = 3,
        attention: Sequence[int] = (),
        sn_eps: float = 1e-6,
        init: Init = "ortho",
        bias_init: BiasInit = "torch",
        fused: bool = True,
    ) -> None:
        super().__init__()
        encoded, decoded, halvings = levels(resolution, ch)
        depth = len(encoded)
        self.resolution, self.num_classes = resolution, num_classes
        conv, linear = conv_and_linear(True, sn_eps)
        encoder: list[list[nn.Module]] = [
            [DBlock(cin, cout, conv, True, i > 0, i < halvings, fused)]
            for i, (cin, cout) in enumerate(zip([channels, *encoded], encoded))
        ]
        for index in attended(attention, d_sizes(resolution, depth, halvings)):
            encoder[index].append(Attention(encoded[index], conv))
        self.encoder = nn.ModuleList(map(nn.ModuleList, encoder))
        # Beyond the first, a decoder block sees [decoder, encoder] features of its size, equally many of either.
        joined = [encoded[-1], *(2 * width for width in decoded[:-1])]
        self.decoder = nn.ModuleList(
            GBlock(cin, cout, conv, NoNorm, fused)
            if depth - 1 - i < halvings
            else DBlock(cin, cout, conv, True, True, False, fused)
            for i, (cin, cout) in enumerate(zip(joined, decoded))
        )
        # The authors' code makes a linear layer of `ch` inputs besides, which it never calls; it is not built here.
        self.score_linear = linear(encoded[-1], 1)
        self.map_conv = nn.Conv2d(decoded[-1], 1, kernel_size=1)
        self.score_embed = SNEmbedding(num_classes, encoded[-1], eps=sn_eps) if num_classes else None
        self.map_embed = SNEmbedding(num_classes, decoded[-1], eps=sn_eps) if num_classes else None
        initialise(self, init, bias_init)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        *skips, h = self.encode(x)
        score = project(self.score_linear, self.score_embed, F.relu(h).sum((2, 3)), y)
        for block in self.decoder:
            h = block(h)
            if skips:
                h = torch.cat([h, skips.pop()], 1)
        return self.pixel_scores(h, y), score

    def encode(self, x: Tensor) -> list[Tensor]:
        """What every stage of the encoder gives; the last is the bottleneck, the others are skipped to the decoder."""
        features = [x]
        for stage in self.encoder:
            h = features[-1]
            for block in stage.children():
                h = block(h)
            features.append(h)
        return features[1:]

    def pixel_scores(self, h: Tensor, y: Tensor | None) -> Tensor:
        """conv(h) + <embed(y), h> at each pixel, the second term only with classes.  h [N, F, R, R] -> [N, 1, R, R]"""
        scores = self.map_conv(h)
        if self.map_embed is not None:
            scores = scores + (self.map_embed(y)[:, :, None, None] * h).sum(1, keepdim=True)
        return scores


class NoNorm(nn.Module):
    """Stands where a block of G has its batch norm: D has none."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x


def levels(resolution: int, ch: int) -> tuple[list[int], list[int], int]:
    """Output widths of the encoder's and of the decoder's blocks, and how many of the first encoder blocks halve.

    The authors have 128 and 256 pixels; the other sizes follow the same rule. The decoder mirrors the encoder: up to 32
    pixels BigGAN's D has more than one block that does not halve, and so has the decoder blocks that do not double.
    At 8 pixels all of BigGAN's two blocks stay: one alone would see patches of 6 pixels, and there would be no skip.
    """
    multipliers, halvings = from_table(D_BLOCKS, resolution)
    encoded = [ch * m for m in (multipliers[:-1] if resolution > 8 else multipliers)]
    return encoded, [*encoded[-2::-1], encoded[0]], halvings
