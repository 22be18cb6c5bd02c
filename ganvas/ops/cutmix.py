"""CutMix (Yun et al. 2019, arXiv 1905.04899) of real and generated images, as U-Net GAN draws it (2020, 2002.12655)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def cutmix_masks(n: int, height: int, width: int, rng: Generator) -> Tensor:
    """One mask per image: 1 where the real image shows.  -> float [N, 1, H, W] of 0 and 1, on the device of `rng`

    A box of the image's proportions and the area 1 - lambda, lambda ~ Beta(1, 1), around a uniform pixel, cut off at
    the border: 0 inside, 1 outside, or with probability 1/2 the other way round. A box of less than 2 pixels is empty.
    """
    side = (1 - torch.rand(n, generator=rng, device=rng.device)).sqrt()  # Beta(1, 1) is uniform
    rows = _within(side, height, rng)
    columns = _within(side, width, rng)
    flip = torch.rand(n, generator=rng, device=rng.device) < 0.5
    inside = rows[:, :, None] & columns[:, None, :]
    return (inside == flip[:, None, None]).float().unsqueeze(1)  # not flipped: 1 where it is not inside


def _within(side: Tensor, length: int, rng: Generator) -> Tensor:
    """The pixels of one axis that the box covers.  side [N], as a part of the axis -> bool [N, length]"""
    centre = torch.randint(length, side.shape, generator=rng, device=rng.device)
    half = (length * side).long() // 2
    pixels = torch.arange(length, device=rng.device)
    return (pixels >= (centre - half)[:, None]) & (pixels < (centre + half)[:, None])


def mix(real: Tensor, fake: Tensor, mask: Tensor) -> Tensor:
    """mask * real + (1 - mask) * fake.  real, fake [N, C, H, W], mask [N, 1, H, W] -> [N, C, H, W]"""
    return mask * real + (1 - mask) * fake
