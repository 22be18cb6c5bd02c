"""What a reader hands to the cache: one split of a data set, with its labels, before any picture is converted.

`ArrayItems` serves the formats that hold one array (idx, CIFAR, npz, the digits); the image folder and the zip have
their own `Items` in `folder.py`.
"""

from __future__ import annotations

import errno
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import IO, Any, Protocol

import numpy as np
from PIL import Image

from ganvas.data.decode import Header, How, pixels, plain
from ganvas.errors import InputError

Row = tuple[np.ndarray, tuple[int, ...]]


class Items(Protocol):
    """Pictures by number. All but `name` raise `Unreadable`, and are called from several threads at once.

    `row` gives the picture converted, uint8 [C, R, R], and the (height, width) that it had; `look` gives it upright
    and opaque, but of its own size.
    """

    def __len__(self) -> int: ...

    def name(self, i: int) -> str: ...

    def header(self, i: int) -> Header: ...

    def row(self, i: int, how: How) -> Row: ...

    def look(self, i: int) -> tuple[Header, Image.Image]: ...


@dataclass(frozen=True)
class Content:
    """The pictures of one split and their classes."""

    items: Items
    labels: np.ndarray | None  # int64 [M]
    class_names: list[str]
    notes: dict[str, Any] = field(default_factory=dict)  # what the reader saw, for the doctor


@dataclass(frozen=True)
class Source:
    """One split of a data set, not yet decoded. `content` is read when it is first needed: not for a cached set."""

    kind: str  # "digits", "idx", "cifar", "npz", "folder", "zip" or "tar"
    name: str
    split: str
    splits: list[str]  # all that can be asked for
    identity: list[Any]  # what decides whether a cache is still right: paths, sizes, times; JSON-able
    read: Callable[[], Content]

    @cached_property
    def content(self) -> Content:
        return self.read()


class ArrayItems:
    """Rows of one uint8 array [M, C, H, W], C in {1, 3, 4}, read when the first row is asked for."""

    def __init__(self, read: Callable[[], np.ndarray], count: int, size: tuple[int, int, int]) -> None:
        self._read = read
        self._count = count
        self._size = size  # C, H, W
        self._array: np.ndarray | None = None
        self._lock = Lock()

    @property
    def array(self) -> np.ndarray:
        with self._lock:
            if self._array is None:
                self._array = self._read()
                assert self._array.shape == (self._count, *self._size), (self._array.shape, self._size)
                assert self._array.dtype == np.uint8, self._array.dtype
        return self._array

    def __len__(self) -> int:
        return self._count

    def name(self, i: int) -> str:
        return f"#{i}"

    def header(self, i: int) -> Header:
        channels, height, width = self._size
        return Header(height, width, 1 if channels == 1 else 3, {1: "L", 3: "RGB", 4: "RGBA"}[channels])

    def row(self, i: int, how: How) -> Row:
        x = self.array[i]
        if x.shape == (how.channels, *how.size):
            return x, x.shape[1:]
        return pixels(self.look(i)[1], how), x.shape[1:]

    def look(self, i: int) -> tuple[Header, Image.Image]:
        x = self.array[i]
        image = Image.fromarray(x[0] if len(x) == 1 else np.ascontiguousarray(x.transpose(1, 2, 0)))
        return self.header(i), plain(image)


def stat_identity(path: Path, name: str | None = None) -> list[Any]:
    """Name, size and times of a file: they change when its content does.

    The change time is taken as well as the modification time, because copying tools restore the latter.
    """
    said = path.stat()
    return [name or path.name, said.st_size, said.st_mtime_ns, said.st_ctime_ns]


BOMB_BYTES, BOMB_RATIO = 1 << 28, 100  # what grows to more than both, in bytes and in times its size, is refused


def is_bomb(packed: int, unpacked: int) -> bool:
    """Does a small file claim to unpack to a huge one?  Sizes in bytes"""
    return unpacked > BOMB_BYTES and unpacked > BOMB_RATIO * packed


def refuse_bomb(where: str, packed: int, unpacked: int) -> None:
    """Raises InputError for a small file that would unpack to a huge one."""
    if is_bomb(packed, unpacked):
        raise InputError(
            f"{where}: {packed:,} bytes that unpack to {unpacked:,} are no data set; fetch the file again, or unpack it"
        )


def open_file(path: Path) -> IO[bytes]:
    """The file, open; a pipe or a device, which might never end, is an OSError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
    return path.open("rb")


def natural_key(name: str) -> list[Any]:
    """Sort key under which "class2" comes before "class10"."""
    parts = re.split(r"(\d+)", name.casefold())
    return [[int(part) if part.isdecimal() else part for part in parts], name]


def pick_split(split: str, splits: Sequence[str], where: str) -> str:
    """The split itself, if it is there; "val" and "valid" are one, and "test" is served by "val" when alone."""
    aliases = {"valid": "val", "validation": "val", "eval": "val", "t10k": "test"}
    wanted = aliases.get(split, split)
    for candidate in (wanted, {"test": "val", "val": "test"}.get(wanted)):
        if candidate in splits:
            return str(candidate)
    raise InputError(f"{where} has no split {split!r}; it has {', '.join(splits)}")


def index_labels(labels: np.ndarray, train: np.ndarray | None, where: str) -> tuple[np.ndarray, list[str]]:
    """Labels of any integers or strings -> (int64 [M] in 0..K-1, K names), numbered by what the train split holds."""
    values = np.unique(labels if train is None else train)
    y = np.searchsorted(values, labels).clip(0, len(values) - 1)
    strangers = labels[values[y] != labels]
    if len(strangers):
        raise InputError(f"{where}: label {strangers[0]} does not occur in the train split; its labels are unusable")
    return y.astype(np.int64), [str(value) for value in values]
