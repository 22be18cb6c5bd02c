"""The toy distributions of WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028, section 5 and Figure 3), the mixture of
TAC-GAN (Gong et al. 2019, arXiv 1907.02690), and the digits.

`ring8`, `grid25` and `swissroll` are points in the plane, scaled to about unit size. `mog1d` are numbers in three
overlapping classes: class k is normal with mean 3 k and standard deviation k + 1, not scaled. `digits` are 1,797
hand-written digits of 8x8 pixels that travel inside the package: see `docs/data.md` for their origin and licence.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np

POINTS = 100_000
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Toy:
    """What is known of a toy before it is drawn."""

    dim: int = 2
    class_names: tuple[str, ...] = ()


TOYS = {"ring8": Toy(), "grid25": Toy(), "swissroll": Toy(), "mog1d": Toy(1, ("0", "1", "2"))}
EMBEDDED = ("digits", *TOYS)  # what travels inside the package or is drawn by it

_RING_SCALE = 1.414
_GRID_SCALE = 2.828
_ROLL_SCALE = 7.5
_STD = {"ring8": 0.02 / _RING_SCALE, "grid25": 0.05 / _GRID_SCALE}


def toy_modes(name: str) -> np.ndarray | None:
    """Centres of a toy's Gaussians, float32 [K, 2]; None where there are none to count."""
    if name == "ring8":
        angle = np.arange(8) * (np.pi / 4)
        return (2.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1) / _RING_SCALE).astype(np.float32)
    if name == "grid25":
        steps = 2.0 * np.arange(-2, 3) / _GRID_SCALE
        return np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)
    return None


def toy_std(name: str) -> float | None:
    """Standard deviation of each coordinate around its mode, in the same units; None where there are no modes."""
    return _STD.get(name)


def toy_points(name: str, split: str = "train", count: int = POINTS) -> tuple[np.ndarray, np.ndarray | None]:
    """`count` points, the same on every machine.  -> float32 [M, D], int64 [M] or None where there are no classes"""
    # RandomState and not Generator: its stream is frozen by numpy's promise, so the points never change.
    rng = np.random.RandomState(1704 + SPLITS.index(split))
    if name == "mog1d":
        y = rng.permutation(np.arange(count) % 3)
        return (3.0 * y + (y + 1.0) * rng.standard_normal(count)).astype(np.float32)[:, None], y.astype(np.int64)
    modes = toy_modes(name)
    if modes is None:
        return _swiss_roll(rng, count), None
    which = rng.permutation(np.arange(count) % len(modes))  # balanced: every mode holds the same share
    return (modes[which] + _STD[name] * rng.standard_normal((count, 2))).astype(np.float32), None


def _swiss_roll(rng: np.random.RandomState, count: int) -> np.ndarray:
    """The roll t (cos t, sin t), t uniform in [1.5 pi, 4.5 pi], with noise 0.25, seen along its axis.  -> [M, 2]"""
    t = 1.5 * np.pi * (1.0 + 2.0 * rng.uniform(size=count))
    roll = np.stack([t * np.cos(t), t * np.sin(t)], axis=1) + 0.25 * rng.standard_normal((count, 2))
    return (roll / _ROLL_SCALE).astype(np.float32)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The embedded digits.  -> x uint8 [1797, 1, 8, 8] in 0..255 (stored as 0..16), y int64 [1797]"""
    with files("ganvas.data").joinpath("digits.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
        x, y = stored["x"], stored["y"]
    return np.rint(x * (255.0 / 16.0)).astype(np.uint8)[:, None], y.astype(np.int64)
