"""D with classifiers beside the score: AC-GAN, TAC-GAN, ADC-GAN, AM-GAN and projection (PD-GAN) on BigGAN's trunk.

AC-GAN: Odena et al. 2017, arXiv 1610.09585; TAC-GAN: Gong et al. 2019, arXiv 1907.02690; ADC-GAN: Hou et al. 2022,
arXiv 2107.10060. Every head is one linear map of the same features h, learned with the trunk. What the players make of
the logits is in `losses.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal, NamedTuple

from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.nets.biggan import Trunk
from ganvas.nets.biggan_parts import BiasInit, Init, Placement, initialise, project
from ganvas.ops.spectral import SNEmbedding, SNLinear

Head = Literal["embed", "ac", "mi", "adc", "am"]

HEADS: dict[str, tuple[Head, ...]] = {  # what each method needs beside the score
    "pd": ("embed",),
    "ac": ("ac",),
    "tac": ("ac", "mi"),
    "adc": ("adc",),
    "am": ("am",),
}


class Answer(NamedTuple):
    """What D says of N images: the score, and class logits of those heads that it has."""

    score: Tensor  # [N, 1]; with "embed" it depends on y
    ac: Tensor | None = None  # [N, K]: the class of a real image
    mi: Tensor | None = None  # [N, K]: TAC-GAN's twin, the class of a generated one
    adc: Tensor | None = None  # [N, 2K]: column 2y is "real, of class y", 2y + 1 "generated, of class y"
    am: Tensor | None = None  # [N, K + 1]: the last is "generated", whatever the class

    def split(self, sizes: Sequence[int]) -> list[Answer]:
        """The answers to parts of a batch that D saw in one forward.  sizes sum to N"""
        parts = [[None] * len(sizes) if field is None else field.split(list(sizes)) for field in self]
        return [Answer(*fields) for fields in zip(*parts)]


class Heads(nn.Module):
    """h [N, F], y [N] int64 -> Answer.  Only "embed" looks at y: it adds <embed(y), h> to the score.

    Spectral norm's sigma is that of a head's whole matrix: the two halves of "adc" share one. It also bounds ADC-GAN's
    generator term, which is linear in the logits. `linear`, `embedding`: the makers of layers, plain ones for toys.
    """

    def __init__(
        self,
        names: Iterable[Head],
        num_features: int,
        num_classes: int,
        linear: Callable[[int, int], nn.Linear] = SNLinear,
        embedding: Callable[[int, int], nn.Embedding] = SNEmbedding,
    ) -> None:
        super().__init__()
        widths = {"ac": num_classes, "mi": num_classes, "adc": 2 * num_classes, "am": num_classes + 1}
        self.names = tuple(names)
        for name in self.names:
            if name not in ("embed", *widths):
                raise InputError(f"a head called {name!r}, expected some of embed, {', '.join(widths)}")
        if self.names and not num_classes:
            raise InputError(f"the heads {', '.join(self.names)} need classes, there are none; give data with classes")
        self.linear = linear(num_features, 1)
        self.embed = embedding(num_classes, num_features) if "embed" in self.names else None
        self.classify = nn.ModuleDict(
            {name: linear(num_features, width) for name, width in widths.items() if name in self.names}
        )

    def forward(self, h: Tensor, y: Tensor | None = None) -> Answer:
        assert self.embed is None or y is not None, "a score by projection needs y"
        logits = {name: head(h) for name, head in self.classify.items()}
        return Answer(project(self.linear, self.embed, h, y), **logits)


class Discriminator(Trunk):
    """D(x, y).  x [N, channels, R, R], y [N] int64 (only "embed" needs it) -> Answer

    Real and generated images go through in one forward, as in the authors' code: one power iteration per step.
    `features(x)` is h, on which ADC-GAN's authors fit a classifier to judge the representation.
    """

    def __init__(
        self,
        heads: Iterable[Head] = ("adc",),
        resolution: int = 32,
        ch: int = 64,
        num_classes: int = 10,
        channels: int = 3,
        attention: Sequence[int] = (),
        wide: bool = True,
        placement: Placement = "size",
        sn_eps: float = 1e-8,
        init: Init = "N02",
        bias_init: BiasInit = "torch",
        fused: bool = True,
        slope: float = 0.0,
    ) -> None:
        super().__init__(resolution, ch, channels, attention, wide, placement, sn_eps, fused, slope)
        self.num_classes = num_classes
        linear, embedding = partial(SNLinear, eps=sn_eps), partial(SNEmbedding, eps=sn_eps)
        self.heads = Heads(heads, self.num_features, num_classes, linear, embedding)
        initialise(self, init, bias_init)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Answer:
        return self.heads(self.features(x), y)
