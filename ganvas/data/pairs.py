"""Pairs of images as the rest of the house sees them: `load_pairs` gives `Pairs`, `peek_pairs` what is there before.

Both sides are decoded once into one cache entry, row by row, so a pair of which one half cannot be read is left out
whole. Partners of unlike shape are refused: cut or padded each for itself, they would no longer show the same place.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.data import grid, made_pairs
from ganvas.data.build import Progress, refuse, write
from ganvas.data.cache import digest, opened
from ganvas.data.decode import FITS, MODES, How, pixels, quiet_pillow
from ganvas.data.pair_files import Data, Found, find
from ganvas.data.pair_rows import PairRows, channels_of, headers
from ganvas.data.source import Content, Source, pick_split
from ganvas.errors import InputError

_SAMPLE = 128  # pairs whose headers `peek_pairs` reads
_UNUSABLE = "pairs cannot be used"

Resolution = int | tuple[int, int] | None  # None: as it is; tuple: (height, width)
Channels = int | tuple[int | None, int | None] | None  # of both sides, or of A and of B; None: as they are


@dataclass(frozen=True)
class Pairs:
    """Two domains decoded.  a uint8 [M, Ca, H, W], b uint8 [M, Cb, H, W], read-only memory maps or arrays

    Paired: a[i] and b[i] belong together and `names` are of both. Unpaired: the sides have lengths of their own.
    """

    a: np.ndarray
    b: np.ndarray
    names: list[str]  # of a: file names without their endings
    names_b: list[str]  # equal to `names` if paired
    paired: bool
    name: str  # the base name of the path
    fingerprint: str  # SHA-256 over the decoded pixels and `preprocessing`
    preprocessing: dict[str, Any]  # how it was decoded, JSON-able
    unreadable: list[str]  # names of the pairs left out

    def __len__(self) -> int:
        """Pairs; of unpaired data the images of the longer side."""
        return max(len(self.a), len(self.b))

    @property
    def nbytes(self) -> int:
        """Size of both sides in bytes: what they would take on a device."""
        return int(self.a.nbytes + self.b.nbytes)


@dataclass(frozen=True)
class PairKind:
    """What lies behind DATA, from names and headers alone."""

    layout: str  # "folders", "side_by_side", "table" or "made"
    name: str
    paired: bool
    counts: tuple[int, int]  # images of A and of B, unreadable ones included
    native: tuple[int, int] | None  # (height, width) of either side; None if mixed
    channels: tuple[int, int]  # 1 if every picture of the side is grey, else 3
    splits: list[str]


def load_pairs(
    data: Data,
    *,
    resolution: Resolution = None,
    channels: Channels = None,
    fit: str = "stretch",
    split: str = "train",
    layout: str | None = None,
    paired: bool | None = None,
    max_unreadable: float = 0.0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Pairs:
    """One split of DATA: a path, two folders as a tuple, or one of `made_pairs.MADE`.

    channels: 1 grey, 3 RGB, 2 and 4 with opacity. fit: "stretch" (to the resolution whatever the shape, as the authors
    do), "crop" (centre) or "pad" (with white). paired: None, as the names say. max_unreadable: the share of pairs that
    may be left out. Raises InputError in one line.
    """
    size, sides = _size(resolution), _sides(channels)
    if fit not in FITS:
        raise InputError(f"fit={fit!r}, expected one of {', '.join(FITS)}")
    if isinstance(data, str) and data in made_pairs.MADE:
        return _made(data, split, size, sides)
    found = find(data, split, layout)
    read = _together if found.is_paired(paired) else _apart
    for side, files in (("A", found.a), ("B", found.b)):
        if files.repeated:
            raise InputError(f"{found.name}: two files of {side} have one name, as {files.repeated[0]}; rename one")
    with quiet_pillow():
        return read(found, size, sides, fit, max_unreadable, cache, progress)


def peek_pairs(data: Data, *, split: str = "train", layout: str | None = None, paired: bool | None = None) -> PairKind:
    """What DATA is, from names and headers: a sample of the files is opened."""
    if isinstance(data, str) and data in made_pairs.MADE:
        made = _made(data, split, None, (None, None))
        shape = made.a.shape
        return PairKind(
            "made", data, True, (len(made), len(made)), shape[2:], (shape[1], made.b.shape[1]), [*made_pairs.SPLITS]
        )
    found = find(data, split, layout)
    with quiet_pillow():
        a, b = headers(found, _SAMPLE)
    sizes = {(said.height, said.width) for said in a + b}
    native = sizes.pop() if len(sizes) == 1 else None
    counts = (len(found.a.files), len(found.b.files))
    return PairKind(
        found.layout,
        found.name,
        found.is_paired(paired),
        counts,
        native,
        (channels_of(a), channels_of(b)),
        found.splits,
    )


def _together(
    found: Found,
    size: tuple[int, int] | None,
    channels: tuple[int | None, int | None],
    fit: str,
    max_unreadable: float,
    cache: Path | None,
    progress: Progress | None,
) -> Pairs:
    """Paired: one entry of Ca + Cb channels, of which a and b are views."""

    def build(folder: Path) -> dict[str, Any]:
        settled, (ca, cb) = _settle(found, size, channels)
        rows = PairRows(found, [0, 1], (ca, cb), same_size=size is None)
        how = How(settled[0], ca + cb, fit, settled[1])
        meta = write(_source(found, rows), how, folder, progress, _UNUSABLE)
        native = meta["preprocessing"]["native"]
        meta["preprocessing"] |= {"channels": [ca, cb], "native": native if native and len(native) == 2 else None}
        return meta

    asked = ["pairs", found.split, found.halves, found.a.identity, found.b.identity, list(found.a.files)]
    entry = opened([*asked, size, channels, fit], build, cache)
    unreadable: dict[str, str] = entry.meta["unreadable"]
    refuse(unreadable, len(entry.x) + len(unreadable), max_unreadable, _UNUSABLE)
    names = [name for name in found.a.files if name not in unreadable]
    how = {**entry.meta["preprocessing"], "layout": found.layout, "paired": True}
    a, b = np.split(entry.x, [how["channels"][0]], axis=1)
    return Pairs(a, b, names, names, True, found.name, digest([entry.meta["pixels"], how]), how, list(unreadable))


def _apart(
    found: Found,
    size: tuple[int, int] | None,
    channels: tuple[int | None, int | None],
    fit: str,
    max_unreadable: float,
    cache: Path | None,
    progress: Progress | None,
) -> Pairs:
    """Unpaired: an entry for each side."""

    def build(side: int, folder: Path) -> dict[str, Any]:
        settled, number = _settle(found, size, channels, both=True)
        rows = PairRows(found, [side], (number[side],))
        return write(_source(found, rows), How(settled[0], number[side], fit, settled[1]), folder, progress)

    asked = ["unpaired", found.split, found.a.identity, found.b.identity, size, channels, fit]
    entries = [opened([*asked, side], partial(build, side), cache) for side in (0, 1)]
    out: list[str] = []
    names: list[list[str]] = []
    for entry, files in zip(entries, (found.a.files, found.b.files)):
        unreadable = entry.meta["unreadable"]
        refuse(unreadable, len(entry.x) + len(unreadable), max_unreadable)
        out += unreadable
        names.append([name for name in files if name not in unreadable])
    a_how, b_how = (entry.meta["preprocessing"] for entry in entries)
    both = {key: [a_how[key], b_how[key]] for key in ("count", "left_out", "native", "channels", "filter")}
    how = {**a_how, **both, "layout": found.layout, "paired": False}
    fingerprint = digest([entries[0].meta["pixels"], entries[1].meta["pixels"], how])
    return Pairs(entries[0].x, entries[1].x, names[0], names[1], False, found.name, fingerprint, how, out)


def _source(found: Found, rows: PairRows) -> Source:
    return Source("pairs", found.name, found.split, found.splits, [], lambda: Content(rows, None, []))


def _settle(
    found: Found, size: tuple[int, int] | None, channels: tuple[int | None, int | None], both: bool = False
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size, and channels of A and B; headers decide what was not asked for.  both: B has a say in the size."""
    ca, cb = channels
    if size is not None and ca is not None and cb is not None:
        return size, (ca, cb)
    a, b = headers(found)
    sizes = Counter((said.height, said.width) for said in (a + b if both else a))
    return size or _native(sizes, found.name), (ca or channels_of(a), cb or channels_of(b))


def _native(sizes: Counter[tuple[int, int]], name: str) -> tuple[int, int]:
    if not sizes:
        return 1, 1  # nothing can be read; `refuse` will say so by name
    if len(sizes) > 1:
        shown = ", ".join(f"{width}x{height}" for (height, width), _ in sizes.most_common(3))
        more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
        raise InputError(
            f"{name} holds images of {shown}{more}; pass a resolution to make them equal, as resolution=256"
        )
    return next(iter(sizes))


def _size(resolution: Resolution) -> tuple[int, int] | None:
    """The resolution as (height, width)."""
    size = (resolution, resolution) if isinstance(resolution, int) else resolution
    if size is not None and (len(size) != 2 or not all(1 <= side <= 4096 for side in size)):
        raise InputError(f"resolution={resolution}, expected 1 to 4096 pixels, or (height, width) of them")
    return size


def _sides(channels: Channels) -> tuple[int | None, int | None]:
    """The channels of A and of B."""
    a, b = channels if isinstance(channels, tuple) else (channels, channels)
    for side in (a, b):
        if side not in (None, *MODES):
            raise InputError(
                f"channels={channels}, expected 1 (grey), 3 (RGB), 2 or 4 (with opacity), or a pair of them"
            )
    return a, b


def _made(name: str, split: str, size: tuple[int, int] | None, channels: tuple[int | None, int | None]) -> Pairs:
    """The demonstration pairs, small enough to be made in memory each time."""
    chosen = pick_split(split, made_pairs.SPLITS, name)
    a, b = made_pairs.make(name, chosen, size or (made_pairs.SIDE, made_pairs.SIDE))
    a, b = (_with_channels(x, wanted) for x, wanted in zip((a, b), channels))
    names = [f"{i:04d}" for i in range(len(a))]
    how = {
        "kind": "made", "split": chosen, "count": len(a), "resolution": [*a.shape[2:]],
        "channels": [a.shape[1], b.shape[1]], "paired": True,
    }  # fmt: skip
    pixels_of = [hashlib.sha256(x.tobytes()).hexdigest() for x in (a, b)]
    return Pairs(a, b, names, names, True, name, digest([pixels_of, how]), how, [])


def _with_channels(x: np.ndarray, wanted: int | None) -> np.ndarray:
    """The same pictures with so many channels.  uint8 [M, C, H, W] -> [M, wanted, H, W]"""
    if wanted in (None, x.shape[1]):
        return x
    how = How(x.shape[2], wanted or 1, "stretch", x.shape[3])
    return np.stack([pixels(grid.to_pil(image), how) for image in x])
