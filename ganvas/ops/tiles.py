"""Images of sizes that a network does not take: odd sides are padded and cropped, large images go tile by tile.

Tiles here are exact: each is computed with a border of its neighbours, which is thrown away, so nothing is blended and
there is no seam.  What sees the whole image, as instance norm does, needs a pass of its own (nets/cyclegan_tiles.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.errors import InputError

Progress = Callable[[int, int], None]
Place = tuple[slice, slice]  # rows and columns


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Mirrored on the right and at the bottom until both sides are multiples.  [N, C, H, W] -> [N, C, H', W']

    What divides already is returned as it is.  `crop` takes the border off again.
    """
    height, width = x.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if bottom >= height or right >= width:
        raise InputError(
            f"an image of {width}x{height} pixels is too small to be mirrored to multiples of {multiple}; enlarge it"
        )
    return F.pad(x, (0, right, 0, bottom), mode="reflect") if bottom or right else x


def crop(x: Tensor, height: int, width: int) -> Tensor:
    """The upper left part, undoing `pad_to_multiple`.  [N, C, H', W'] -> [N, C, height, width]"""
    return x[..., :height, :width]


@torch.no_grad()
def by_tiles(
    fn: Callable[[Tensor], Tensor],
    x: Tensor,
    tile: int,
    halo: int,
    progress: Progress | None = None,
    *,
    multiple: int = 1,
    up: int = 1,
    down: int = 1,
) -> Tensor:
    """fn(x), computed in tiles of `tile` pixels a side and put together, on x's device.  [N, C, H, W] -> [N, C', h, w]

    Equal to fn(x) up to rounding, the image's own border included, if an output pixel depends on inputs at most `halo`
    pixels away and on nothing else.  `multiple`, `up`, `down`: as in `parts`.  No gradient is kept.
    """
    out: Tensor | None = None
    for i, (place, part) in enumerate(parts(fn, x, tile, halo, multiple=multiple, up=up, down=down)):
        if out is None:
            out = part.new_empty(*part.shape[:2], *(side * up // down for side in x.shape[2:]), device=x.device)
        out[(..., *place)] = part
        if progress is not None:
            progress(i + 1, count(x, tile))
    assert out is not None
    return out


def parts(
    fn: Callable[[Tensor], Tensor], x: Tensor, tile: int, halo: int, *, multiple: int = 1, up: int = 1, down: int = 1
) -> Iterator[tuple[Place, Tensor]]:
    """fn over x by tiles: where in fn(x) each part belongs, and the part, which fn may leave on another device.

    fn makes images [N, C', h up / down, w up / down] of images [N, C, h, w].  `multiple`: the product of fn's strides;
    tiles and their borders begin at multiples of it, or the grid of the strides would be shifted.  Raises InputError
    where fn makes another size.
    """
    rows, columns = (_spans(side, tile, halo, multiple) for side in x.shape[2:])
    for top, bottom, above, below in rows:
        for left, right, before, beyond in columns:
            made = fn(x[..., above:below, before:beyond])
            expected = [(below - above) * up // down, (beyond - before) * up // down]
            if list(made.shape[2:]) != expected:
                raise InputError(f"the network makes {list(made.shape[2:])} pixels where a tile needs {expected}")
            place = slice(top * up // down, bottom * up // down), slice(left * up // down, right * up // down)
            origin = above * up // down, before * up // down
            inner = [slice(p.start - o, p.stop - o) for p, o in zip(place, origin)]
            yield place, made[..., inner[0], inner[1]]


def count(x: Tensor, tile: int) -> int:
    """Tiles that such an image is cut into."""
    return math.prod(-(-side // tile) for side in x.shape[2:])


def _spans(side: int, tile: int, halo: int, multiple: int) -> list[tuple[int, int, int, int]]:
    """Where tiles along one axis begin and end, and where they do with their border."""
    if tile < multiple or tile % multiple or halo < 0:
        raise InputError(f"tiles of {tile} pixels with {halo} around given, expected multiples of {multiple}, and 0 up")
    border = -(-halo // multiple) * multiple
    starts = range(0, side, tile)
    return [(i, min(i + tile, side), max(0, i - border), min(i + tile + border, side)) for i in starts]
