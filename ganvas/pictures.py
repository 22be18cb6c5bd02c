"""Samples as people want them: uint8 arrays and pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

from ganvas.data import grid
from ganvas.ops import pixels


def to_uint8(x: Tensor) -> np.ndarray:
    """float [N, C, H, W] in [-1, 1] -> uint8 [N, H, W, C], rounded"""
    return pixels.to_uint8(x).cpu().movedim(1, -1).numpy()


def to_pil(x: Tensor) -> Image.Image:
    """float [C, H, W] in [-1, 1] -> a picture; [N, C, H, W] -> a grid of them; [N, D] -> a plot of the points"""
    if x.dim() == 2:
        return grid.cloud(x.detach().cpu().numpy())
    array = pixels.to_uint8(x).cpu().numpy()
    return grid.to_pil(array) if x.dim() == 3 else grid.grid(array)
