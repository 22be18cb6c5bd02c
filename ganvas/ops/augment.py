"""Differentiable augmentation in front of D: DiffAugment (Zhao et al. 2020, arXiv 2006.10738) and ADA's pipeline
(Karras et al. 2020, arXiv 2006.06676, appendix B).

A transform is drawn first, as a record of rows, and applied later: `apply` is a pure function of images and numbers.
Which probability ADA uses is decided in `ops/ada.py`, what is done with D's scores in `losses.py`.

Where ADA differs from the paper: images are sampled bilinearly, beyond the border they go on as their reflection. The
paper upsamples by two, filters with a wavelet before and after, and reflects only as far as it needs to. So an image
that is turned or moved by part of a pixel is a little softer here, and one that shrinks may alias. Flips, quarter turns
and shifts by whole pixels are exact copies in both. The optional filters, noise and cutout of the paper are not here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.errors import InputError

POLICY = ("color", "translation", "cutout")  # DiffAugment's
GROUPS = ("blit", "geometry", "color")  # ADA's; all three are its "bgc"


@dataclass(frozen=True)
class Transform:
    """What happens to N images, a row each; a row that is left alone holds the identity.  None: nothing of the kind.

    K is the number of colour channels: 1 or 3, the rest (alpha) keeps its values and only moves along.
    """

    matrix: Tensor | None = None  # [N, 2, 3]: from an output pixel to its source, (x, y) in pixels from the centre
    colour: Tensor | None = None  # [N, K, K + 1]: colours -> colours, the last column is added
    contrast: Tensor | None = None  # [N]: gain about the image's own mean
    boxes: Tensor | None = None  # [N, 4]: rows and columns that become 0: top, left, bottom, right (end excluded)
    reflect: bool = False  # beyond the border: the image's reflection, else 0


def apply(x: Tensor, transform: Transform) -> Tensor:
    """The transformed images.  x [N, C, H, W] in [-1, 1] -> same shape, not clamped; differentiable twice in x

    Computed in float32 or wider; there is no matrix product that autocast or TF32 could round. Rows do not see each
    other; a row of identities keeps its bits.
    """
    out = x.to(torch.promote_types(x.dtype, torch.float32))
    # ADA moves pixels before it paints them. With a reflected border either order gives the same image: both are
    # affine in a pixel's colours, and bilinear weights sum to 1. DiffAugment needs this one.
    if transform.colour is not None:
        out = recolour(out, transform.colour.to(out))
    if transform.contrast is not None:
        out = spread(out, transform.contrast.to(out))
    if transform.matrix is not None:
        out = warp(out, transform.matrix.to(out), transform.reflect)
    if transform.boxes is not None:
        out = cut(out, transform.boxes.to(out))
    return out.to(x.dtype)


def recolour(x: Tensor, colour: Tensor) -> Tensor:
    """A linear map of each pixel's colours plus an offset.  x [N, C, H, W], colour [N, K, K + 1] -> x's shape"""
    k = colour.shape[1]
    mapped = (colour[:, :, :k, None, None] * x[:, None, :k]).sum(2) + colour[:, :, k:, None]
    return torch.where(_changed(colour), torch.cat([mapped, x[:, k:]], 1), x)


def spread(x: Tensor, gain: Tensor) -> Tensor:
    """gain (x - mean) + mean, the mean over an image's pixels and colours.  x [N, C, H, W], gain [N] -> x's shape"""
    k = _num_colours(x.shape[1])
    gain = gain.view(-1, 1, 1, 1)
    mean = x[:, :k].mean((1, 2, 3), keepdim=True)
    return torch.where(gain != 1, torch.cat([gain * (x[:, :k] - mean) + mean, x[:, k:]], 1), x)


def warp(x: Tensor, matrix: Tensor, reflect: bool) -> Tensor:
    """Bilinear samples of x at matrix (pixel).  x [N, C, H, W], matrix [N, 2, 3] -> x's shape

    Coordinates are pixels, not the [-1, 1] of `grid_sample`: whole and half numbers are exact, and so are copies.
    """
    h, w = x.shape[2:]
    across = torch.arange(w, dtype=x.dtype, device=x.device) - (w - 1) / 2
    down = torch.arange(h, dtype=x.dtype, device=x.device)[:, None] - (h - 1) / 2
    m = matrix[:, :, :, None, None]
    columns = _taps(m[:, 0, 0] * across + m[:, 0, 1] * down + m[:, 0, 2] + (w - 1) / 2, w, reflect)
    rows = _taps(m[:, 1, 0] * across + m[:, 1, 1] * down + m[:, 1, 2] + (h - 1) / 2, h, reflect)
    flat, out = x.flatten(2), torch.zeros_like(x)
    for row, row_weight in rows:
        for column, column_weight in columns:
            index = (row * w + column).flatten(1)[:, None].expand_as(flat)
            out = out + flat.gather(2, index).view_as(x) * (row_weight * column_weight)[:, None]
    return torch.where(_changed(matrix), out, x)


def cut(x: Tensor, boxes: Tensor) -> Tensor:
    """x with 0 inside each image's box.  x [N, C, H, W], boxes [N, 4] (top, left, bottom, right) -> x's shape"""
    top, left, bottom, right = (side.view(-1, 1, 1, 1) for side in boxes.unbind(1))
    down = torch.arange(x.shape[2], device=x.device)[:, None]
    across = torch.arange(x.shape[3], device=x.device)
    return x.masked_fill((down >= top) & (down < bottom) & (across >= left) & (across < right), 0.0)


def draw_diffaugment(
    n: int, channels: int, height: int, width: int, rng: torch.Generator, policy: tuple[str, ...] = POLICY
) -> Transform:
    """DiffAugment for n images, all of the policy on each; the same generator gives the same numbers for any policy.

    color: brightness + U(-0.5, 0.5), then saturation times U(0, 2), then contrast times U(0.5, 1.5), both about a
    mean, on values in [-1, 1] as in the authors' code.  translation: whole pixels, up to 1/8 of each side, zeros
    beyond.  cutout: a box of half of each side whose centre is anywhere in the image.
    """
    _known(policy, POLICY, "DiffAugment policy")
    k = _num_colours(channels)
    u = torch.rand(7, n, generator=rng)
    colour = compose(_saturation(2 * u[1], k), _shift((u[0] - 0.5).expand(k, n)))
    reach = [int(side / 8 + 0.5) for side in (width, height)]
    shift = torch.stack([_whole(part, 2 * most + 1) - most for part, most in zip(u[3:5], reach)])
    size = [int(side / 2 + 0.5) for side in (height, width)]
    # An even box has no middle pixel: its centre is a corner between pixels, of which there is one more.
    start = [_whole(part, side + 1 - s % 2) - s // 2 for part, side, s in zip(u[5:7], (height, width), size)]
    return Transform(
        matrix=_shift(-shift) if "translation" in policy else None,
        colour=colour if "color" in policy else None,
        contrast=u[2] + 0.5 if "color" in policy else None,
        boxes=torch.stack([*start, start[0] + size[0], start[1] + size[1]], 1) if "cutout" in policy else None,
    )


def draw_ada(
    n: int,
    channels: int,
    height: int,
    width: int,
    rng: torch.Generator,
    probability: Tensor | float,
    groups: tuple[str, ...] = GROUPS,
) -> Transform:
    """ADA for n images: every operation befalls every image with that probability, independently.

    The same generator gives the same numbers for any probability and any groups, so what is applied at p is applied
    at any higher p too. A probability that is a tensor (0-dim) is not read back from its device: the transform is made
    there. Above 1 it counts as 1. Quarter turns only where the image is square.
    """
    _known(groups, GROUPS, "ADA groups")
    if not isinstance(probability, Tensor) and not 0 <= probability <= 1:
        raise InputError(f"ADA with probability {probability}, expected a number from 0 to 1")
    k = _num_colours(channels)
    p = torch.as_tensor(probability, dtype=torch.float32).detach().clamp(0, 1)
    coins, u = torch.rand(13, n, generator=rng).to(p.device), torch.rand(8, n, generator=rng).to(p.device)
    normal = torch.randn(7, n, generator=rng).to(p.device)
    on = (coins < p).float()
    either = (coins < 1 - (1 - p).sqrt()).float()  # two rotations, of which at least one happens with probability p
    # The identity stays exact below: an operation that does not happen has angle 0, shift 0 or exponent 0.
    matrix = _shift(torch.zeros_like(u[:2]))
    if "blit" in groups:
        mirror = _scale(torch.stack([1 - 2 * on[0] * _whole(u[0], 2), torch.ones_like(u[0])]))
        turns = on[1] * _whole(u[1], 4) * float(height == width)
        shift = on[2] * _sides((0.25 * u[2:4] - 0.125), height, width).round()
        matrix = compose(compose(compose(matrix, mirror), _quarter_turns(turns)), _shift(-shift))
    if "geometry" in groups:
        zoom, stretch = torch.exp2(-0.2 * on[3] * normal[0]), torch.exp2(-0.2 * on[5] * normal[1])
        first, second = _angle(u[4]) * either[4], _angle(u[5]) * either[6]
        shift = on[7] * _sides(0.125 * normal[2:4], height, width)
        for step in (
            _scale(torch.stack([zoom, zoom])),
            _rotation(first.cos(), first.sin()),
            _scale(torch.stack([stretch, 1 / stretch])),
            _rotation(second.cos(), second.sin()),
            _shift(-shift),
        ):
            matrix = compose(matrix, step)  # each step is the inverse of an operation, hence in this order
    return Transform(
        matrix=matrix if "blit" in groups or "geometry" in groups else None,
        colour=_ada_colour(on[8:], u[6:], normal[4:], k) if "color" in groups else None,
        reflect=True,
    )


def _ada_colour(on: Tensor, u: Tensor, normal: Tensor, k: int) -> Tensor:
    """Brightness, contrast about 0, luma flip, hue, saturation.  on [5, N], u [2, N], normal [3, N] -> [N, K, K + 1]

    A grey image is the case of one colour: it has no hue and no saturation, and its luma flip is the negative.
    """
    colour = _shift((0.2 * on[0] * normal[0]).expand(k, -1))
    colour = compose(_scale(torch.exp2(0.5 * on[1] * normal[1]).expand(k, -1)), colour)
    # Householder: I - 2 i v v^T, v the axis of greys, so that v v^T is 1/K everywhere.
    colour = compose(_about_grey(torch.ones_like(u[0]), -2 * on[2] * _whole(u[0], 2), k), colour)
    if k == 3:
        colour = compose(_hue(on[3] * _angle(u[1])), colour)
    return compose(_saturation(torch.exp2(on[4] * normal[2]), k), colour)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """The affine map outer(inner(v)), row by row; exact where either is the identity.  [N, K, K + 1] twice -> same"""
    k = outer.shape[1]
    return (outer[:, :, :k, None] * inner[:, None]).sum(2) + F.pad(outer[:, :, k:], (k, 0))


def _scale(factors: Tensor) -> Tensor:
    """v -> factors * v.  [K, N] -> [N, K, K + 1]"""
    return F.pad(torch.diag_embed(factors.t()), (0, 1))


def _shift(offset: Tensor) -> Tensor:
    """v -> v + offset.  [K, N] -> [N, K, K + 1]"""
    k, n = offset.shape
    return torch.cat([torch.eye(k, device=offset.device).expand(n, k, k), offset.t()[:, :, None]], 2)


def _rotation(cos: Tensor, sin: Tensor) -> Tensor:
    """The rotation of the plane.  [N], [N] -> [N, 2, 3]"""
    zero = torch.zeros_like(cos)
    return torch.stack([cos, -sin, zero, sin, cos, zero], 1).view(-1, 2, 3)


def _quarter_turns(turns: Tensor) -> Tensor:
    """The rotation by 90 degrees, 0 to 3 times, without the rounding of cos and sin.  [N] -> [N, 2, 3]"""
    return _rotation((turns == 0).float() - (turns == 2).float(), (turns == 1).float() - (turns == 3).float())


def _about_grey(gain: Tensor, grey: Tensor, k: int) -> Tensor:
    """gain I + grey v v^T, v = (1, ..., 1) / sqrt(K) the axis of greys.  [N], [N] -> [N, K, K + 1]"""
    return _scale(gain.expand(k, -1)) + F.pad((grey / k)[:, None, None].expand(-1, k, k), (0, 1))


def _saturation(gain: Tensor, k: int) -> Tensor:
    """Distances from the axis of greys times gain.  [N] -> [N, K, K + 1]"""
    return _about_grey(gain, 1 - gain, k)


def _hue(angle: Tensor) -> Tensor:
    """The rotation of RGB about the axis of greys (Rodrigues).  [N] -> [N, 3, 4]"""
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=angle.device) / math.sqrt(3)
    cos = angle.cos()
    return _about_grey(cos, 1 - cos, 3) + F.pad(angle.sin()[:, None, None] * cross, (0, 1))


def _taps(at: Tensor, size: int, reflect: bool) -> list[tuple[Tensor, Tensor]]:
    """The two pixels next to each coordinate of one axis and their weights.  at [N, H, W] -> twice index, weight"""
    if reflect:
        period = max(2 * (size - 1), 1)  # the border pixel is not repeated
        at = at.remainder(period)
        at = torch.minimum(at, period - at)
    low = at.floor()
    taps = []
    for pixel, weight in ((low, 1 - (at - low)), (low + 1, at - low)):
        inside = (pixel >= 0) & (pixel < size)
        taps.append((pixel.clamp(0, size - 1).long(), weight if reflect else weight * inside))
    return taps


def _changed(maps: Tensor) -> Tensor:
    """Which affine maps are not the identity.  [N, K, K + 1] -> bool [N, 1, 1, 1]"""
    k = maps.shape[1]
    return (maps != torch.eye(k, k + 1, device=maps.device)).flatten(1).any(1).view(-1, 1, 1, 1)


def _whole(uniform: Tensor, count: int) -> Tensor:
    """0 to count - 1, equally likely, from `torch.rand` (at most 1 - 2^-24: never rounds up to count); still float."""
    return (uniform * count).floor()


def _angle(uniform: Tensor) -> Tensor:
    return math.pi * (2 * uniform - 1)


def _sides(shares: Tensor, height: int, width: int) -> Tensor:
    """Shares of the image's sides as pixels, x first.  [2, N] -> [2, N]"""
    return torch.stack([shares[0] * width, shares[1] * height])


def _num_colours(channels: int) -> int:
    """How many of the channels are colours: grey, RGB, or RGB and alpha."""
    if channels not in (1, 3, 4):
        raise InputError(f"augmentation of {channels} channels, expected 1 (grey), 3 (RGB) or 4 (RGB and alpha)")
    return min(channels, 3)


def _known(names: tuple[str, ...], known: tuple[str, ...], what: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InputError(f"{what} {', '.join(unknown) or 'empty'}, expected some of {', '.join(known)}")
