"""MNIST's format, idx: a header of big-endian numbers, then bytes (LeCun et al., "The MNIST database").

Read are `*-images-idx3-ubyte` beside `*-labels-idx1-ubyte`, plain or .gz, with `-` or `.` before `idx` as the unpacking
tools write them; "t10k" is the test split. A lone images file is a data set without classes.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from ganvas.data.source import (
    ArrayItems,
    Content,
    Source,
    index_labels,
    open_file,
    pick_split,
    refuse_bomb,
    stat_identity,
)
from ganvas.errors import InputError

_UBYTE = 0x08  # the only element type that images use
_PIECE = 1 << 24  # bytes read at once
_IMAGES = re.compile(r"(?P<stem>.*?)[-._]?images?[-.]idx(?P<dims>\d)[-.]ubyte(?P<gz>\.gz)?$")
_FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
_FASHION_LABELS = "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"  # SHA-256 of the train labels


@dataclass(frozen=True)
class _Pair:
    images: Path
    labels: Path | None


def is_idx(path: Path) -> bool:
    """Whether a file starts like idx bytes, or a folder holds files with the standard names."""
    if path.is_dir():
        return bool(_pairs(path))
    try:
        with _open(path) as file:
            head = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(head) == 4 and head[:3] == bytes([0, 0, _UBYTE]) and 1 <= head[3] <= 4


def open_idx(path: Path, split: str) -> Source:
    """A folder of idx files, or one images file with its labels beside it."""
    pairs = _pairs(path) if path.is_dir() else _beside(path)
    if not path.is_dir() and split in ("train", next(iter(pairs))):
        chosen = next(iter(pairs))  # a named file is meant, whatever its split is called
    else:
        chosen = pick_split(split, list(pairs), str(path))
    pair = pairs[chosen]
    files = {file for pair in pairs.values() for file in (pair.images, pair.labels) if file is not None}
    identity = [str(pair.images.resolve()), *(stat_identity(file) for file in sorted(files))]
    return Source("idx", path.name, chosen, list(pairs), identity, lambda: _content(pairs, chosen))


def _content(pairs: dict[str, _Pair], split: str) -> Content:
    images = pairs[split].images
    shape = _shape(images)
    if len(shape) not in (3, 4):
        raise InputError(f"{images}: {len(shape)} dimensions, expected 3 or 4; is it the file of the labels?")
    count, size = shape[0], _size(shape[1:], images)
    labels, names = _labels(pairs, split, count)
    items = ArrayItems(lambda: _read(images, shape).reshape(count, *size), count, size)
    return Content(items, labels, names)


def _size(rest: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    """C, H, W of an image: idx3 is grey, idx4 has its channels first."""
    size = (1, rest[0], rest[1]) if len(rest) == 2 else (rest[0], rest[1], rest[2])
    if size[0] not in (1, 3) or min(size) < 1:
        raise InputError(f"{path}: images of shape {list(rest)}, expected [height, width] or [1 or 3, height, width]")
    return size


def _labels(pairs: dict[str, _Pair], split: str, count: int) -> tuple[np.ndarray | None, list[str]]:
    """Labels of one split, numbered by those of the train split when that lies beside it."""
    path = pairs[split].labels
    if path is None:
        return None, []
    raw = _read(path, _label_shape(path))
    if len(raw) != count:
        raise InputError(f"{path} holds {len(raw)} labels for {count} images; the two files do not belong together")
    reference = pairs["train"].labels if "train" in pairs else None
    train = raw if reference in (None, path) else _read(reference, _label_shape(reference))
    y, names = index_labels(raw, train, str(path))
    if hashlib.sha256(train.tobytes()).hexdigest() == _FASHION_LABELS:
        names = list(_FASHION)
    return y, names


def _label_shape(path: Path) -> tuple[int, ...]:
    shape = _shape(path)
    if len(shape) != 1:
        raise InputError(f"{path}: {len(shape)} dimensions, expected a list of labels (idx1)")
    return shape


def _pairs(folder: Path) -> dict[str, _Pair]:
    """Split -> its files, for every images file with a standard name; a plain file wins over its .gz."""
    found: dict[str, _Pair] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (path.suffix == ".gz", path.name)):
        match = _IMAGES.fullmatch(path.name)
        if match and path.is_file():
            split = {"t10k": "test", "": "train"}.get(match["stem"], match["stem"])
            found.setdefault(split, _Pair(path, _label_file(path)))
    return dict(sorted(found.items(), key=lambda entry: (entry[0] != "train", entry[0])))


def _beside(path: Path) -> dict[str, _Pair]:
    """The pair of one named images file, with the other splits' pairs for the numbering of classes."""
    match = _IMAGES.fullmatch(path.name)
    if match is None:
        return {"train": _Pair(path, None)}
    split = {"t10k": "test", "": "train"}.get(match["stem"], match["stem"])
    others = {name: pair for name, pair in _pairs(path.parent).items() if name != split}
    return {split: _Pair(path, _label_file(path)), **others}


def _label_file(images: Path) -> Path | None:
    """`train-images-idx3-ubyte.gz` -> the first that exists of its possible companions."""
    base = images.name.removesuffix(".gz").replace("images", "labels").replace("image", "label")
    base = re.sub(r"idx\d", "idx1", base)
    for dotted in (base, base.replace("-idx", ".idx"), base.replace(".idx", "-idx")):
        for name in (dotted, dotted + ".gz"):
            if (images.parent / name).is_file():
                return images.parent / name
    return None


def _open(path: Path) -> IO[bytes]:
    """Plain or gzip, by content and not by name."""
    return cast(IO[bytes], gzip.open(path, "rb")) if _is_packed(path) else path.open("rb")


def _is_packed(path: Path) -> bool:
    with open_file(path) as file:
        return file.read(2) == b"\x1f\x8b"


def _shape(path: Path) -> tuple[int, ...]:
    """The dimensions that the header announces."""
    try:
        with _open(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] != _UBYTE or not 1 <= head[3] <= 4:
                raise InputError(f"{path} is not an idx file of bytes: it starts with {head.hex() or 'nothing'}")
            return struct.unpack(f">{head[3]}I", file.read(4 * head[3]))
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes after the header.  -> uint8 of `shape`"""
    want = math.prod(shape)
    try:
        if _is_packed(path):
            refuse_bomb(str(path), path.stat().st_size, want)
        with _open(path) as file:
            file.read(4 + 4 * len(shape))
            # In pieces, so that a header which lies allocates nothing; one byte more shows a longer file.
            parts: list[bytes] = []
            left = want + 1
            while left and (part := file.read(min(left, _PIECE))):
                parts.append(part)
                left -= len(part)
            raw = b"".join(parts)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}; fetch it again") from None
    if len(raw) != want:
        relation = "fewer" if len(raw) < want else "more"
        raise InputError(f"{path} holds {relation} bytes than its header's {list(shape)}; fetch it again")
    return np.frombuffer(raw, dtype=np.uint8).reshape(shape)
