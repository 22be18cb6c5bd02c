"""Pairs for a first run without data: patches of scikit-learn's two photographs beside their edges or in grey.

`photo-edges`: A is the edge map, B the photograph. `photo-grey`: A is the photograph in grey, B in colour. Training
sees the left three quarters of either photograph, the test split the rest, so no pixel is in both. The photographs
(CC BY 2.0, see scikit-learn's `datasets/images/README.txt`) are read from its installed copy and never stored here.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ganvas.errors import InputError

MADE = ("photo-edges", "photo-grey")
SPLITS = ("train", "test")
SIDE = 64  # pixels of a patch, unless another size is asked for

_STEPS = {"train": 4, "test": 2}  # neighbouring patches are a quarter or half of a patch apart
_EDGE = 2.0  # a slope of 2 x 255 in Sobel's units is drawn white: a step of half the range


def make(name: str, split: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """All patches of `size` (height, width).  -> A uint8 [M, 1, H, W], B uint8 [M, 3, H, W]"""
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for photo in _photographs():
        cut = photo.shape[1] * 3 // 4
        region = photo[:, :cut] if split == "train" else photo[:, cut:]
        if size[0] > region.shape[0] or size[1] > region.shape[1]:
            raise InputError(
                f"{name} has patches of at most {region.shape[1]}x{region.shape[0]} pixels in {split}, "
                f"{size[1]}x{size[0]} asked for; 64 is a good size"
            )
        grey = luma(region)
        first = sobel(grey) if name == "photo-edges" else grey
        for side, image in zip(sides, (first[..., None], region)):
            side.append(_patches(image, size, _STEPS[split]))
    a, b = (np.concatenate(side) for side in sides)
    for x in (a, b):
        x.flags.writeable = False
    return a, b


def luma(image: np.ndarray) -> np.ndarray:
    """ITU-R 601.  uint8 [H, W, 3] -> uint8 [H, W]"""
    return np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def sobel(grey: np.ndarray) -> np.ndarray:
    """Length of Sobel's gradient, the border repeated, 510 and more drawn as 255.  uint8 [H, W] -> uint8 [H, W]"""
    x = np.pad(grey.astype(np.float64), 1, mode="edge")
    along, across = x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:], x[:-2] + 2 * x[1:-1] + x[2:]
    length = np.hypot(across[:, 2:] - across[:, :-2], along[2:] - along[:-2])
    return np.rint(np.minimum(length / _EDGE, 255)).astype(np.uint8)


def _patches(image: np.ndarray, size: tuple[int, int], steps: int) -> np.ndarray:
    """[H, W, C] -> [M, C, h, w], row by row"""
    down, right = (max(1, side // steps) for side in size)
    windows = sliding_window_view(image, size, axis=(0, 1))[::down, ::right]  # [rows, columns, C, h, w]
    return np.ascontiguousarray(windows.reshape(-1, *windows.shape[2:]))


def _photographs() -> list[np.ndarray]:
    """china.jpg and flower.jpg, uint8 [427, 640, 3] each."""
    try:
        from sklearn.datasets import load_sample_images
    except ImportError:
        raise InputError("the photographs of the demonstration are scikit-learn's; pip install scikit-learn") from None
    return list(load_sample_images().images)
