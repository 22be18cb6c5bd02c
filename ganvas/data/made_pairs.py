"""Pairs for a first run without data: patches of scikit-learn's two photographs beside their edges or in grey.

`photo-edges`: A is the edge map, B the photograph. `photo-grey`: A is the photograph in grey, B in colour. The test
split is the middle fifth of either photograph, which shows a part of what it is of; training sees what is left and
right of it, so no pixel is in both. Patches almost without edges (sky, a blurred background) are left out: of such a
map nobody could tell the colour. The photographs (CC BY 2.0, see scikit-learn's `datasets/images/README.txt`) are read
from its installed copy and never stored here.
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
_PLAIN = 10.0  # grey levels: a patch whose edge map has a lower mean shows nothing


def make(name: str, split: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """All patches of `size` (height, width) that show something.  -> A uint8 [M, 1, H, W], B uint8 [M, 3, H, W]"""
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for photo in _photographs():
        for region in regions(photo, split):
            if size[0] > region.shape[0] or size[1] > region.shape[1]:
                raise InputError(
                    f"{name} has patches of at most {region.shape[1]}x{region.shape[0]} pixels in {split}, "
                    f"{size[1]}x{size[0]} asked for; 64 is a good size"
                )
            grey = luma(region)
            edges = _patches(sobel(grey)[..., None], size, _STEPS[split])
            shown = edges.mean((1, 2, 3)) >= _PLAIN
            first = edges if name == "photo-edges" else _patches(grey[..., None], size, _STEPS[split])
            sides[0].append(first[shown])
            sides[1].append(_patches(region, size, _STEPS[split])[shown])
    a, b = (np.concatenate(side) for side in sides)
    for x in (a, b):
        x.flags.writeable = False
    return a, b


def regions(photo: np.ndarray, split: str) -> list[np.ndarray]:
    """The middle fifth of a photograph for the test split, what is left and right of it for training."""
    left, right = photo.shape[1] * 2 // 5, photo.shape[1] * 3 // 5
    return [photo[:, left:right]] if split == "test" else [photo[:, :left], photo[:, right:]]


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
