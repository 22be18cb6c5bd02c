"""Samples as people want them: uint8 arrays and pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

from ganvas.data import grid
from ganvas.errors import InputError
from ganvas.ops import pixels


def to_uint8(x: Tensor) -> np.ndarray:
    """float [N, C, H, W] in [-1, 1] -> uint8 [N, H, W, C], rounded.  Raises InputError for anything else."""
    _must_be(x, (4,))
    return pixels.to_uint8(x).cpu().movedim(1, -1).numpy()


def to_pil(x: Tensor) -> Image.Image:
    """float [C, H, W] in [-1, 1] -> a picture; [N, C, H, W] -> a grid of them; [N, D] -> a plot of the points

    Raises InputError for anything else.
    """
    _must_be(x, (2, 3, 4))
    if x.dim() == 2:
        return grid.cloud(x.detach().cpu().numpy())
    array = pixels.to_uint8(x).cpu().numpy()
    return grid.to_pil(array) if x.dim() == 3 else grid.grid(array)


def _must_be(x: Tensor, dims: tuple[int, ...]) -> None:
    """Raises InputError for what is no float tensor of samples."""
    expected = "float [N, C, H, W] in [-1, 1]" + (", [C, H, W], or points [N, D]" if len(dims) > 1 else "")
    given = f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.dim() not in dims or not x.numel():
        raise InputError(f"a tensor of {given} given, expected {expected}, as gan.sample gives")
    if x.dim() > 2 and x.shape[-3] not in (1, 3):
        raise InputError(f"a tensor of {given} given, which has {x.shape[-3]} channels; expected 1 (grey) or 3 (RGB)")
