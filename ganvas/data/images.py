"""A data set as the rest of the house sees it: `load` gives `Images`, `peek` says what is there before it is decoded.

DATA is `digits`, a toy, or a path whose content decides. The readers are one file each; this one knows which reader a
path needs, decodes once into the cache, and writes down how.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.data import decode, toys
from ganvas.data.cache import digest, opened
from ganvas.data.decode import FITS, Header, How, Unreadable
from ganvas.data.folder import open_folder, open_zip
from ganvas.data.idx import is_idx, open_idx
from ganvas.data.source import ArrayItems, Items, Row, Source, pick_split
from ganvas.errors import InputError

Progress = Callable[[int, int], None]  # (done, of how many)

_BLOCK = 32  # pictures a thread takes at once
_SAMPLE = 128  # headers that `peek` reads


@dataclass(frozen=True)
class Images:
    """A decoded data set.  x uint8 [M, C, H, W], usually a read-only memory map (toys: float32 [M, 2])"""

    x: np.ndarray
    y: np.ndarray | None  # int64 [M]; None when there are no classes
    class_names: list[str]  # [] when there are no classes
    name: str  # "digits", "ring8", or the base name of the path
    fingerprint: str  # SHA-256 over the decoded pixels, the labels and `preprocessing`
    preprocessing: dict[str, Any]  # how it was decoded, JSON-able
    unreadable: list[str]  # names of the files left out

    def __len__(self) -> int:
        return len(self.x)

    @property
    def is_toy(self) -> bool:
        """Points in the plane instead of pictures."""
        return self.x.ndim == 2

    @property
    def nbytes(self) -> int:
        """Size of x in bytes: what it would take on a device."""
        return int(self.x.nbytes)


@dataclass(frozen=True)
class Kind:
    """What lies behind DATA, from headers alone."""

    kind: str  # "digits", "toy", "idx", "cifar", "npz", "folder" or "zip"
    name: str
    count: int  # of the split, unreadable files included
    native: tuple[int, int] | None  # (height, width); None if mixed, or for points
    channels: int  # 1 if every picture is grey, else 3; the toys' 2 coordinates
    num_classes: int
    class_names: list[str]
    splits: list[str]


def load(
    data: str | Path,
    *,
    resolution: int | None = None,
    channels: int | None = None,
    fit: str = "crop",
    split: str = "train",
    classes: bool = True,
    max_unreadable: float = 0.0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Images:
    """One split of DATA, decoded.

    resolution: pixels per side, None: as it is, if all are equal and square. channels: 1, 3, or None: as they are.
    fit: "crop" (centre), "pad" (with white) or "stretch". max_unreadable: the share of files that may be left out.
    cache: where decoded pixels are kept, None: see `cache_directory`. Raises InputError in one line.
    """
    if fit not in FITS:
        raise InputError(f"fit={fit!r}, expected one of {', '.join(FITS)}")
    if channels not in (None, 1, 3):
        raise InputError(f"channels={channels}, expected 1 (grey) or 3 (RGB)")
    if resolution is not None and not 1 <= resolution <= 4096:
        raise InputError(f"resolution={resolution}, expected 1 to 4096 pixels per side")
    if data in toys.TOYS:
        return _toy(str(data), split)
    source = open_source(data, split, classes)
    if source.kind == "digits":
        return _digits(source, resolution, channels, fit, classes)
    asked = [source.kind, source.split, source.identity, resolution, channels, fit]
    with decode.quiet_bombs():
        entry = opened(asked, lambda folder: _build(source, resolution, channels, fit, folder, progress, data), cache)
    return _images(source, entry.x, entry.meta, classes, max_unreadable)


def peek(data: str | Path, *, split: str = "train", classes: bool = True) -> Kind:
    """What DATA is, from names and headers: of a folder, a sample of the files is opened."""
    if data in toys.TOYS:
        return Kind("toy", str(data), toys.POINTS, None, 2, 0, [], list(toys.SPLITS))
    source = open_source(data, split, classes)
    count = len(source.items)
    step = max(1, count // _SAMPLE)
    with decode.quiet_bombs():
        headers = [found for found in _headers(source.items, range(0, count, step)) if isinstance(found, Header)]
    sizes = {(found.height, found.width) for found in headers}
    native = sizes.pop() if len(sizes) == 1 else None
    names = source.class_names if classes else []
    grey = all(found.channels == 1 for found in headers)
    return Kind(source.kind, source.name, count, native, 1 if grey else 3, len(names), names, source.splits)


def open_source(data: str | Path, split: str = "train", classes: bool = True) -> Source:
    """The reader for DATA, chosen by what lies there. Raises InputError when nothing can read it."""
    if data == "digits":
        return _digits_source(split)
    path = Path(data).expanduser()
    if not path.exists():
        known = ", ".join(("digits", *toys.TOYS))
        raise InputError(f"no such file or folder: {str(data)!r}; DATA is a path or one of {known}")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read: permission denied")
    path = path if path.name else path.resolve()  # "." has no name
    if is_idx(path):
        return open_idx(path, split)
    if path.is_dir():
        return open_folder(path, split, classes)
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        return open_zip(path, split, classes)
    raise InputError(
        f"{path} is not a data set: expected a folder or zip of images, MNIST's idx files, CIFAR's batches or an .npz"
    )


def _toy(name: str, split: str) -> Images:
    chosen = pick_split(split, toys.SPLITS, name)
    x = toys.toy_points(name, chosen)
    how = {"kind": "toy", "split": chosen, "count": len(x)}
    return Images(x, None, [], name, digest([how, hashlib.sha256(x.tobytes()).hexdigest()]), how, [])


def _digits_source(split: str) -> Source:
    x, y = toys.digits()
    chosen = pick_split(split, ["train"], "digits")
    items = ArrayItems(lambda: x, len(x), (1, 8, 8))
    return Source("digits", "digits", chosen, ["train"], items, y, [str(k) for k in range(10)], [])


def _digits(source: Source, resolution: int | None, channels: int | None, fit: str, classes: bool) -> Images:
    """Small enough to be converted in memory each time, so that a first run needs no writable disk."""
    how = How(resolution or 8, channels or 1, fit)
    x = np.stack([source.items.row(i, how)[0] for i in range(len(source.items))])
    x.flags.writeable = False
    meta = _meta(source, how, {(8, 8)}, x.shape, hashlib.sha256(x.tobytes()).hexdigest(), {})
    return _images(source, x, meta, classes, 0.0)


def _images(source: Source, x: np.ndarray, meta: dict[str, Any], classes: bool, max_unreadable: float) -> Images:
    """The decoded pixels with the labels of the pictures that could be read."""
    unreadable: dict[str, str] = meta["unreadable"]
    _refuse(source, unreadable, max_unreadable)
    y, names = None, []
    if classes and source.labels is not None:
        y, names = source.labels, list(source.class_names)
        if unreadable:
            y = np.array([y[i] for i in range(len(y)) if source.items.name(i) not in unreadable])
    how = {**meta["preprocessing"], "num_classes": len(names)}
    print_ = digest([meta["pixels"], None if y is None else hashlib.sha256(y.tobytes()).hexdigest(), names, how])
    return Images(x, y, names, source.name, print_, how, list(unreadable))


def _refuse(source: Source, unreadable: dict[str, str], max_unreadable: float) -> None:
    """Raise when more files than allowed could not be read, naming the first."""
    count = len(source.items)
    if len(unreadable) <= max_unreadable * count:
        return
    first = ", ".join(f"{name} ({reason})" for name, reason in list(unreadable.items())[:3])
    more = f" and {len(unreadable) - 3} more" if len(unreadable) > 3 else ""
    share = -(-len(unreadable) * 1000 // count) / 1000  # rounded up, so that the advice is enough
    raise InputError(
        f"{len(unreadable)} of {count} images cannot be read: {first}{more}; "
        f"remove them, or allow a share with max_unreadable={share:g}"
    )


def _build(
    source: Source,
    resolution: int | None,
    channels: int | None,
    fit: str,
    folder: Path,
    progress: Progress | None,
    data: str | Path,
) -> dict[str, Any]:
    """Decode everything into `folder`, rows in order.  -> the entry's meta"""
    how = _settle(source, resolution, channels, fit, data)
    count = len(source.items)
    unreadable: dict[str, str] = {}
    total = hashlib.sha256()
    sizes: set[tuple[int, ...]] = set()
    rows = 0
    with (folder / "x.raw").open("wb") as file:
        for done, found in enumerate(_rows(source.items, how), start=1):
            if isinstance(found, Unreadable):
                unreadable[source.items.name(done - 1)] = str(found)
            else:
                x, size = found
                raw = x.tobytes()
                sizes.add(size)
                total.update(raw)
                file.write(raw)
                rows += 1
            if progress is not None and (done % _BLOCK == 0 or done == count):
                progress(done, count)
    if not rows:
        _refuse(source, unreadable, 0.0)
    shape = (rows, how.channels, how.resolution, how.resolution)
    return _meta(source, how, sizes, shape, total.hexdigest(), unreadable)


def _meta(
    source: Source,
    how: How,
    sizes: set[tuple[int, ...]],
    shape: tuple[int, ...],
    pixels: str,
    unreadable: dict[str, str],
) -> dict[str, Any]:
    """What is stored beside the pixels; `preprocessing` in it is what a model folder will quote."""
    as_is = sizes == {(how.resolution, how.resolution)}
    native = list(next(iter(sizes))) if len(sizes) == 1 else None
    preprocessing = {
        "kind": source.kind,
        "split": source.split,
        "count": shape[0],
        "left_out": len(unreadable),
        "native": native,  # [height, width], or null when mixed
        "resolution": how.resolution,
        "channels": how.channels,
        "fit": how.fit,
        "filter": None if as_is else decode.FILTER,
        "background": decode.BACKGROUND,
    }
    return {"shape": list(shape), "pixels": pixels, "unreadable": unreadable, "preprocessing": preprocessing}


def _settle(source: Source, resolution: int | None, channels: int | None, fit: str, data: str | Path) -> How:
    """What every picture is turned into; the headers decide what was not asked for."""
    if resolution is not None and channels is not None:
        return How(resolution, channels, fit)
    headers = [found for found in _headers(source.items, range(len(source.items))) if isinstance(found, Header)]
    if channels is None:
        channels = 1 if headers and all(found.channels == 1 for found in headers) else 3
    return How(resolution or _native(Counter((found.height, found.width) for found in headers), data), channels, fit)


def _native(sizes: Counter[tuple[int, int]], data: str | Path) -> int:
    if not sizes:
        return 1  # nothing can be read; `_refuse` will say so by name
    if len(sizes) == 1 and len(set(next(iter(sizes)))) == 1:
        return next(iter(sizes))[0]
    shown = ", ".join(f"{width}x{height}" for (height, width), _ in sizes.most_common(3))
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    raise InputError(f"{data} holds images of {shown}{more}; pass a resolution, for instance 64, to make them equal")


def _workers() -> int:
    return min(32, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _headers(items: Items, chosen: range) -> list[Header | Unreadable]:
    """The headers of the chosen pictures, in order; an array's are all alike."""
    if isinstance(items, ArrayItems):
        return [items.header(0)] * len(chosen) if len(items) else []

    def one(i: int) -> Header | Unreadable:
        try:
            return items.header(i)
        except Unreadable as error:
            return error

    with ThreadPoolExecutor(_workers()) as pool:
        return list(pool.map(one, chosen))


def _rows(items: Items, how: How) -> Iterator[Row | Unreadable]:
    """Every picture converted, in order, by as many threads as there are cores; few blocks wait at a time."""

    def block(start: int) -> list[Row | Unreadable]:
        out: list[Row | Unreadable] = []
        for i in range(start, min(start + _BLOCK, len(items))):
            try:
                out.append(items.row(i, how))
            except Unreadable as error:
                out.append(error)
        return out

    workers = _workers()
    waiting: deque[Future[list[Row | Unreadable]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(items), _BLOCK):
            waiting.append(pool.submit(block, start))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
