"""CycleGAN's generator over an image that memory would not hold at once, equal to the whole image everywhere.

Instance norm needs the mean and variance of all pixels before the next layer can begin.  So there is a pass over the
tiles for every norm: at full size what a pass computed is thrown away and computed again by the next one (three layers
at either end, which is little); the feature maps of the blocks, a quarter of the size a side, are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ganvas.ops.tiles import Progress, by_tiles, count, crop, pad_to_multiple, parts

if TYPE_CHECKING:
    from ganvas.nets.cyclegan import Generator, ResidualBlock

STEM = 6  # pixels that the layers before the blocks see to either side: 3, 1, and 1 of twice the size
HEAD = 2  # those behind them, in pixels of the blocks


@dataclass(frozen=True)
class Norm:
    """Instance norm by statistics of the whole image.  mean, std [N, C, 1, 1]"""

    mean: Tensor
    std: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean.to(x)) / self.std.to(x)


@torch.no_grad()
def in_tiles(G: Generator, x: Tensor, tile: int, progress: Progress | None = None) -> Tensor:
    """G(x) in evaluation mode up to rounding, by tiles of `tile` pixels a side.  [N, C, H, W] -> [N, C', H, W]

    x may lie on another device than G, and the result does as x.  Memory holds x, the result, a tile's feature maps,
    and three times those of the blocks, a quarter as high and wide: of a published generator 192 bytes a pixel of x.
    """
    height, width = x.shape[2:]
    x = pad_to_multiple(x, 4)
    stem, head = [G.first, *G.downs], [*G.ups, G.last]
    number = (len(stem) + 2 * len(G.blocks) + len(head)) * count(x, tile // 4 * 4)
    go = _Passes(G.last.weight.device, tile // 4, number, progress)

    norms: list[Norm] = []
    for n in range(1, len(stem)):
        norms.append(go.measured(_chain(stem[:n], norms), x, STEM, down=2 ** (n - 1), multiple=4))
    h = go.kept(_chain(stem, norms), x, STEM, down=4, multiple=4)
    _normalise(h, measured([h])).relu_()
    for block in cast("list[ResidualBlock]", list(G.blocks)):
        inner = go.kept(block.conv1, h, 1)
        made = go.kept(_chain([nn.Identity(), block.conv2], [measured([inner])]), inner, 1)
        h += _normalise(made, measured([made]))
    norms = []
    for n in range(1, len(head)):
        norms.append(go.measured(_chain(head[:n], norms), h, HEAD, up=2**n))
    return crop(go.kept(_chain(head, norms, torch.tanh), h, HEAD, up=4), height, width)


def measured(images: Iterable[Tensor]) -> Norm:
    """The statistics of an image of which these are the parts, added up in float64.  [N, C, h, w] each"""
    pixels, mean, squares = 0, torch.zeros(()).double(), torch.zeros(()).double()
    for x in images:
        n = x.shape[2] * x.shape[3]
        var, here = (s.cpu().double() for s in torch.var_mean(x, (2, 3), correction=0, keepdim=True))
        apart, share = here - mean, n / (pixels + n)
        squares = squares + n * var + apart.square() * pixels * share
        mean, pixels = mean + apart * share, pixels + n
    return Norm(mean, (squares / pixels + 1e-5).sqrt())


def _normalise(x: Tensor, norm: Norm) -> Tensor:
    """In place."""
    return x.sub_(norm.mean.to(x)).div_(norm.std.to(x))


def _chain(layers: list[nn.Module], norms: list[Norm], last: Callable[[Tensor], Tensor] | None = None) -> Any:
    """The layers, with a norm and a ReLU between any two, and perhaps a function behind the last."""

    def run(x: Tensor) -> Tensor:
        x = layers[0](x)
        for layer, norm in zip(layers[1:], norms):
            x = layer(norm(x).relu())
        return x if last is None else last(x)

    return run


class _Passes:
    """Passes over all tiles, each of which is made where the network is."""

    def __init__(self, device: torch.device, tile: int, number: int, progress: Progress | None) -> None:
        self.device, self.tile, self.number, self.progress = device, tile, number, progress
        self.done = 0

    def measured(self, fn: Callable[[Tensor], Tensor], x: Tensor, halo: int, **sizes: int) -> Norm:
        """The statistics of fn(x); fn(x) itself is thrown away."""
        tile = self.tile * sizes.get("multiple", 1)
        return measured(part for _, part in parts(self._on_device(fn), x, tile, halo, **sizes))

    def kept(self, fn: Callable[[Tensor], Tensor], x: Tensor, halo: int, **sizes: int) -> Tensor:
        """fn(x), on x's device."""
        return by_tiles(self._on_device(fn), x, self.tile * sizes.get("multiple", 1), halo, None, **sizes)

    def _on_device(self, fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            made = fn(x.to(self.device))
            self.done += 1
            if self.progress is not None:
                self.progress(self.done, self.number)
            return made

        return run
