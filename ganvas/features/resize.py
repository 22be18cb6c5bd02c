"""Resizing before a feature network, as the protocols of the field do it, bit for bit.

Two scores whose images were resized by different filters are two different scores (Parmar et al. 2022, "On Aliased
Resizing and Surprising Subtleties in GAN Evaluation", arXiv 2104.11222). So each way has a name, and the name goes
into the record. All of them map uint8 [N, C, H, W] to float32 [N, C, size, size] in 0..255.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Resize(NamedTuple):
    """One way to resize, and what the record says of it."""

    apply: Callable[[Tensor, int], Tensor]
    filter: str
    antialias: bool


def tf1_bilinear(images: Tensor, size: int) -> Tensor:
    """TensorFlow 1's `resize_bilinear(align_corners=False)`: source = target * in / out, no half-pixel shift.

    What the original FID used, and what torch-fidelity reproduces. The arithmetic (which difference is multiplied by
    which fraction, in float32) is TensorFlow's kernel's; rows are interpolated along W once and then gathered along H,
    which gives the same bits as interpolating the four corners of each target.
    """
    x = images.to(torch.float32)
    left, right, dx = _tf1_positions(x.shape[3], size, x.device)
    top, bottom, dy = _tf1_positions(x.shape[2], size, x.device)
    start = x[..., left]
    rows = start + (x[..., right] - start) * dx
    upper = rows[..., top, :]
    return upper + (rows[..., bottom, :] - upper) * dy[:, None]


def _tf1_positions(given: int, size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Lower neighbour, upper neighbour and fraction of each target position along one axis."""
    at = torch.arange(size, dtype=torch.float32, device=device) * torch.tensor(given / size, dtype=torch.float32)
    lower = at.long()
    return lower, (lower + 1).clamp_max(given - 1), at - lower.to(torch.float32)


def torch_bilinear(images: Tensor, size: int) -> Tensor:
    """pytorch-fid's way: `interpolate(mode="bilinear", align_corners=False)`, half-pixel centres, no antialiasing"""
    x = images.to(torch.float32)
    x = torch.nn.functional.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    return x.clamp_(0, 255)


def torch_bicubic(images: Tensor, size: int) -> Tensor:
    """`interpolate(mode="bicubic", align_corners=False)`, no antialiasing, overshoot as it comes"""
    x = images.to(torch.float32)
    return torch.nn.functional.interpolate(x, size=(size, size), mode="bicubic", align_corners=False)


def clean_bicubic(images: Tensor, size: int) -> Tensor:
    """clean-fid's way: Pillow's antialiased bicubic filter on each channel as float, clipped to 0..255, not rounded"""
    from PIL.Image import Resampling

    return _pillow(images, size, Resampling.BICUBIC)


def clean_bilinear(images: Tensor, size: int) -> Tensor:
    """Pillow's antialiased bilinear filter on each channel as float, clipped to 0..255, not rounded"""
    from PIL.Image import Resampling

    return _pillow(images, size, Resampling.BILINEAR)


def _pillow(images: Tensor, size: int, filter: int) -> Tensor:
    import numpy as np
    from PIL import Image
    from PIL.Image import Resampling

    planes = images.to(torch.float32).cpu().flatten(0, 1).numpy()
    out = np.empty((len(planes), size, size), dtype=np.float32)
    for plane, target in zip(planes, out):
        target[:] = np.asarray(Image.fromarray(plane).resize((size, size), resample=Resampling(filter)))
    out.clip(0, 255, out=out)
    return torch.from_numpy(out).unflatten(0, images.shape[:2]).to(images.device)


def as_is(images: Tensor, size: int) -> Tensor:
    """The images as they are; `size` is not looked at."""
    return images.to(torch.float32)


RESIZES = {
    "tf1_bilinear": Resize(tf1_bilinear, "bilinear", antialias=False),
    "torch_bilinear": Resize(torch_bilinear, "bilinear", antialias=False),
    "torch_bicubic": Resize(torch_bicubic, "bicubic", antialias=False),
    "clean_bicubic": Resize(clean_bicubic, "bicubic", antialias=True),
    "clean_bilinear": Resize(clean_bilinear, "bilinear", antialias=True),
    "none": Resize(as_is, "none", antialias=False),
}
