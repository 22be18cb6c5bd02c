"""Augmentation of image pairs: both sides get the same crop and the same flip.  Pure functions of drawn numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.errors import InputError


def draw_corners(
    num: int, load_size: tuple[int, int], crop_size: tuple[int, int], rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Upper left corners of crops, uniform over all places; sizes are (height, width).  -> top, left int64 [num]"""
    room = [load - crop for load, crop in zip(load_size, crop_size)]
    if min(room) < 0:
        shown = [f"{width}x{height}" for height, width in (crop_size, load_size)]
        raise InputError(
            f"a crop of {shown[0]} does not fit into images of {shown[1]} pixels; load them larger, as 286"
        )
    top, left = (torch.randint(free + 1, (num,), generator=rng, device=rng.device) for free in room)
    return top, left


def aligned_crop(a: Tensor, b: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Row i of both sides cut at (top[i], left[i]).  a [N, Ca, H, W], b [N, Cb, H, W], any type -> [N, C, *size] each

    CycleGAN's jitter: images loaded at 286 pixels, cropped to 256. CSGAN's are loaded at 256 and not cropped.
    """
    assert a.shape[2:] == b.shape[2:], (a.shape, b.shape)
    return crop_at(a, top, left, size), crop_at(b, top, left, size)


def crop_at(x: Tensor, top: Tensor, left: Tensor, size: tuple[int, int]) -> Tensor:
    """Row i cut at (top[i], left[i]).  [N, C, H, W], int64 [N], int64 [N] -> [N, C, *size]"""
    rows = top.to(x.device)[:, None, None] + torch.arange(size[0], device=x.device)[:, None]  # [N, h, 1]
    columns = left.to(x.device)[:, None, None] + torch.arange(size[1], device=x.device)  # [N, 1, w]
    image = torch.arange(len(x), device=x.device)[:, None, None]
    return x.movedim(1, -1)[image, rows, columns].movedim(-1, 1).contiguous()


def aligned_flip(a: Tensor, b: Tensor, coins: Tensor) -> tuple[Tensor, Tensor]:
    """Row i of both sides mirrored left to right where coins[i].  [N, Ca, H, W], [N, Cb, H, W], bool [N] -> both"""
    mirrored = coins.to(a.device)[:, None, None, None]
    return torch.where(mirrored, a.flip(3), a), torch.where(mirrored, b.flip(3), b)
