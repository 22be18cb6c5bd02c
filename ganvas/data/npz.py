"""Arrays saved by numpy: x (or images, data, arr_0) with y (or labels, arr_1); also x_train, y_train, x_test, y_test.

Images are [M, H, W], [M, H, W, C] or [M, C, H, W]; bytes, booleans, or numbers whose range says what they mean:
0..1, -1..1 or 0..255. What is not clear raises. Pickled contents are refused.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganvas.data.source import ArrayItems, Content, Source, index_labels, pick_split, refuse_bomb, stat_identity
from ganvas.errors import InputError

_IMAGES = ("x", "images", "image", "data", "arr_0")
_LABELS = ("y", "labels", "label", "arr_1")
_CHANNELS = (1, 3, 4)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class _Keys:
    x: str
    y: str | None


def is_npz(path: Path) -> bool:
    """Whether a zip holds numpy arrays and nothing else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # a damaged directory raises nearly anything
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def open_npz(path: Path, split: str) -> Source:
    """One .npz file."""
    with _said(path, "its directory"), zipfile.ZipFile(path) as archive:
        found = [name.removesuffix(".npy") for name in archive.namelist()]
    keys = _keys(found)
    if not keys:
        raise InputError(f"{path} holds {', '.join(found)}; expected images under x, images or arr_0")
    chosen = pick_split(split, list(keys), str(path))
    identity = [str(path.resolve()), stat_identity(path)]
    return Source("npz", path.name, chosen, list(keys), identity, lambda: _content(path, keys, chosen))


def _keys(found: list[str]) -> dict[str, _Keys]:
    """Split -> the names of its arrays."""
    by_lower = {name.lower(): name for name in found}

    def first(candidates: list[str]) -> str | None:
        return next((by_lower[name] for name in candidates if name in by_lower), None)

    keys = {}
    for split in ("train", "val", "test"):
        x = first([f"{name}_{split}" for name in _IMAGES] + [f"{split}_{name}" for name in _IMAGES])
        if x is not None:
            y = first([f"{name}_{split}" for name in _LABELS] + [f"{split}_{name}" for name in _LABELS])
            keys[split] = _Keys(x, y)
    x = first(list(_IMAGES))
    return keys or ({"train": _Keys(x, first(list(_LABELS)))} if x is not None else {})


def _content(path: Path, keys: dict[str, _Keys], split: str) -> Content:
    shape = _shape(path, keys[split].x)
    order, size = _layout(shape, path)
    items = ArrayItems(lambda: _images(path, keys[split].x, order, size), shape[0], size)
    name = keys[split].y
    if name is None:
        return Content(items, None, [])
    labels = _label_array(path, name, shape[0])
    train = keys["train"].y if "train" in keys else None
    reference = labels if train in (None, name) else _label_array(path, train, None)
    return Content(items, *index_labels(labels, reference, f"{path}, {name}"))


def _shape(path: Path, key: str) -> tuple[int, ...]:
    """The shape of an array, from its header alone; a header that claims other bytes than there are is refused."""
    with _said(path, key), zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{key}.npy")
        with archive.open(info) as file:
            version = np.lib.format.read_magic(file)
            if version not in _HEADERS:
                raise ValueError(f"a header of version {version[0]}.{version[1]}")
            shape, _, kind = _HEADERS[version](file)
            size = math.prod(shape) * kind.itemsize + file.tell()
        if size != info.file_size and not kind.hasobject:
            raise ValueError(f"its header says {size:,} bytes, it has {info.file_size:,}")
        refuse_bomb(f"{path}, {key}", info.compress_size, info.file_size)
        return tuple(shape)


@contextmanager
def _said(path: Path, key: str) -> Iterator[None]:
    """Whatever a damaged file makes numpy and zipfile raise, in one line: IndexError, SyntaxError, zlib.error, ..."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}, {key}: {_first_line(error)}") from None


def _layout(shape: tuple[int, ...], path: Path) -> tuple[str, tuple[int, int, int]]:
    """Which axis holds the channels ("first", "last" or "none"), and C, H, W."""
    if len(shape) == 3:
        return "none", (1, shape[1], shape[2])
    if len(shape) == 4:
        first, last = shape[1] in _CHANNELS, shape[3] in _CHANNELS
        if first and last:  # tiny or strange pictures: the square reading decides
            first, last = shape[2] == shape[3], shape[1] == shape[2]
        if first != last:
            return ("first", (shape[1], shape[2], shape[3])) if first else ("last", (shape[3], shape[1], shape[2]))
    raise InputError(f"{path}: images of shape {list(shape)}, expected [M, H, W], [M, H, W, C] or [M, C, H, W]")


def _images(path: Path, key: str, order: str, size: tuple[int, int, int]) -> np.ndarray:
    """uint8 [M, C, H, W]"""
    x = _to_uint8(_array(path, key), f"{path}, {key}")
    if order == "last":
        x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x).reshape(len(x), *size)


def _array(path: Path, key: str) -> np.ndarray:
    _shape(path, key)
    with _said(path, key), np.load(path, allow_pickle=False) as stored:
        return np.asarray(stored[key])


def _to_uint8(x: np.ndarray, where: str) -> np.ndarray:
    """Pixels of any clear range -> uint8, rounded."""
    if not x.size:
        return x.astype(np.uint8)
    if x.dtype.kind in "ui" and int(x.max()) == 1 and int(x.min()) >= 0:
        raise InputError(
            f"{where}: whole numbers that are all 0 or 1, which as pixels are black; save them as booleans or floats "
            "if 1 is white"
        )
    if x.dtype == np.uint8:
        return x
    if x.dtype == np.bool_:
        return x.astype(np.uint8) * np.uint8(255)
    if x.dtype.kind not in "uif":
        raise InputError(f"{where}: pixels of type {x.dtype}, expected numbers")
    low, high = float(x.min()), float(x.max())
    if x.dtype.kind in "ui":
        scale, shift = 1.0, 0.0
        clear = low >= 0 and high <= 255
    elif low >= 0 and high <= 1:
        scale, shift, clear = 255.0, 0.0, True
    elif low >= -1 and high <= 1:
        scale, shift, clear = 127.5, 127.5, True
    else:
        scale, shift = 1.0, 0.0
        clear = low >= 0 and 2 < high <= 255  # NaN compares false; a little over 1 is neither range
    if not clear:
        raise InputError(f"{where}: pixels from {low:g} to {high:g}, expected 0..255, 0..1 or -1..1")
    out = np.empty(x.shape, dtype=np.uint8)
    for i in range(0, len(x), 1024):  # in parts: a float copy of everything may not fit in memory
        out[i : i + 1024] = np.rint(x[i : i + 1024].astype(np.float32) * scale + shift)
    return out


def _label_array(path: Path, key: str, count: int | None) -> np.ndarray:
    """Integers or strings, one per image."""
    y = _array(path, key)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "uiUSb" or (count is not None and len(y) != count):
        expected = "M" if count is None else count
        raise InputError(f"{path}, {key}: {y.dtype} of shape {list(y.shape)}, expected {expected} integers or strings")
    return np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y.astype(np.int64) if y.dtype.kind == "b" else y


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"cannot be read ({text[0][:120] if text else type(error).__name__})"
