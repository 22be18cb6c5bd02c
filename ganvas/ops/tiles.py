"""Images of sizes that a network does not take: odd sides are padded and cropped, large images go tile by tile."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.errors import InputError


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
    overlap: int,
    *,
    margin: int = 0,
    multiple: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """fn over an image of any size in tiles that are blended where they overlap.  [N, C, H, W] -> [N, C', H, W]

    fn: an image [N, C, h, w] -> [N, C', h, w], on any device; the result lies on that of x, so memory holds x, the
    result and one tile (of `tile` to `tile + multiple - 1` pixels a side).  Neighbours share `overlap` pixels or more;
    of these `margin` next to each inner edge are thrown away, and between them the weight falls linearly.
    `multiple`: the product of fn's strides; every tile begins at a multiple of it, or its grid would be shifted.

    What holds: if an output pixel depends on inputs at most `margin` pixels away and on nothing else, the result is
    fn(x), the image's own border included (up to rounding).  With instance norm it is not: each tile is normalised by
    its own mean and variance, so a tile of sky comes out otherwise than the same sky in the whole image.  The blending
    then hides the seam and does not undo the difference; take tiles as large as memory allows, and at best as large as
    the images of the training, whose statistics the network knows.  No gradient is kept.
    """
    if tile < 1 or not 0 <= 2 * margin <= overlap or overlap > tile - multiple:
        raise InputError(
            f"tile {tile}, overlap {overlap} and margin {margin} do not fit; expected 2 margin <= overlap <= "
            f"tile - {multiple}"
        )
    rows = _windows(x.shape[2], tile, overlap, margin, multiple)
    columns = _windows(x.shape[3], tile, overlap, margin, multiple)
    out: Tensor | None = None
    for i, (top, vertical) in enumerate(rows):
        for j, (left, horizontal) in enumerate(columns):
            here = (..., slice(top, top + len(vertical)), slice(left, left + len(horizontal)))
            part = fn(x[here]).to(x.device)
            if part.shape[-2:] != x[here].shape[-2:]:
                given, expected = list(part.shape[-2:]), list(x[here].shape[-2:])
                raise InputError(f"the network makes {given} pixels of {expected}; tiles need a size that it keeps")
            if out is None:
                out = part.new_zeros(*part.shape[:-2], *x.shape[-2:])
            out[here] += part * torch.outer(vertical, horizontal).to(part)
            if progress is not None:
                progress(i * len(columns) + j + 1, len(rows) * len(columns))
    assert out is not None
    return out


def _windows(side: int, tile: int, overlap: int, margin: int, multiple: int) -> list[tuple[int, Tensor]]:
    """Where the tiles along one axis begin, and their weights, which sum to 1 at every pixel: float64 [length] each."""
    if side < tile + multiple:
        return [(0, torch.ones(side, dtype=torch.float64))]
    step = (tile - overlap) // multiple * multiple
    count = 1 - (tile - side) // step  # rounded up
    starts = [(side - tile) * i // (count - 1) // multiple * multiple for i in range(count)]
    ends = [start + tile for start in starts[:-1]] + [side]
    weights = [_ramps(start, end, side, overlap, margin) for start, end in zip(starts, ends)]
    total = torch.zeros(side, dtype=torch.float64)
    for start, weight in zip(starts, weights):
        total[start : start + len(weight)] += weight
    return [(start, weight / total[start : start + len(weight)]) for start, weight in zip(starts, weights)]


def _ramps(start: int, end: int, side: int, overlap: int, margin: int) -> Tensor:
    """1 inside, falling to 0 towards inner edges; the edge of the image is not one.  -> float64 [end - start]"""
    at = torch.arange(start, end, dtype=torch.float64)
    length = overlap - 2 * margin + 1
    weight = torch.ones(end - start, dtype=torch.float64)
    if start > 0:
        weight *= ((at - start - margin + 1) / length).clamp(0, 1)
    if end < side:
        weight *= ((end - margin - at) / length).clamp(0, 1)
    return weight
