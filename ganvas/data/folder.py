"""Image folders and zips of them: flat, or one sub-folder per class, perhaps below a level of splits.

A level that holds nothing but one folder is stepped over. `train/` beside `val|valid|validation|test|eval/` is a level
of splits. Then first-level folders are the classes, in natural order; what lies deeper belongs to its first-level
folder. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from PIL import Image

from ganvas.data.decode import SUFFIXES, Header, How, Unreadable, header, look, pixels
from ganvas.data.source import Content, Row, Source, natural_key, pick_split, stat_identity
from ganvas.errors import InputError

MAX_FILE_BYTES = 1 << 30  # of one picture inside a zip: more is a bomb

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

Opener = Callable[[str], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class _Entry:
    path: str  # relative to the root, with forward slashes
    identity: list[Any]


class FileItems:
    """Pictures that are files, opened by name."""

    def __init__(self, names: list[str], opener: Opener) -> None:
        self._names = names
        self._opener = opener

    def __len__(self) -> int:
        return len(self._names)

    def name(self, i: int) -> str:
        return self._names[i]

    def header(self, i: int) -> Header:
        with self._file(i) as file:
            return header(file)

    def row(self, i: int, how: How) -> Row:
        image = self.look(i)[1]
        return pixels(image, how), (image.height, image.width)

    def look(self, i: int) -> tuple[Header, Image.Image]:
        with self._file(i) as file:
            return look(file)

    def _file(self, i: int) -> AbstractContextManager[IO[bytes]]:
        try:
            return self._opener(self._names[i])
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from None


def open_folder(path: Path, split: str, classes: bool = True) -> Source:
    """A folder of images."""
    entries = walk(path)
    return _source("folder", path, entries, [], lambda name: (path / name).open("rb"), split, classes)


def open_zip(path: Path, split: str, classes: bool = True) -> Source:
    """A zip of a folder of images."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"{path} is not a whole zip file ({error}); fetch it again") from None
    entries, outside = _listed(archive)
    return _source("zip", path, entries, outside, lambda name: _member(archive, name), split, classes)


def _source(
    kind: str, path: Path, entries: list[_Entry], outside: list[str], opener: Opener, split: str, classes: bool
) -> Source:
    if not entries:
        raise InputError(f"{path} holds no images; expected files ending in {' '.join(sorted(SUFFIXES))}")
    base, splits = find_splits(entries)
    names = list(splits) or ["train"]
    chosen = pick_split(split, names, str(path))
    prefix = splits.get(chosen, base)
    here = [entry for entry in entries if is_under(entry.path, prefix)]
    found: tuple[np.ndarray | None, list[str], dict[str, Any]] = (None, [], {})
    try:
        found = _classes(path, here, prefix, splits, entries)
    except InputError as error:
        if classes:
            raise
        found = (None, [], {"loose": str(error)})
    labels, class_names, notes = found
    notes["stepped_over"] = "/".join(base)
    if outside:
        notes["outside"] = outside  # entries whose path leaves the archive: left alone, named by the doctor
    content = Content(FileItems([entry.path for entry in here], opener), labels, class_names, notes)
    identity = [str(path.resolve()), class_names, [entry.identity for entry in here]]
    return Source(kind, path.name, chosen, names, identity, lambda: content)


def walk(root: Path) -> list[_Entry]:
    """Every image file below root in natural order; hidden ones are skipped, a circle of links is entered once."""
    found: list[_Entry] = []
    seen: set[str] = set()

    def visit(folder: Path, relative: str) -> None:
        real = os.path.realpath(folder)
        if real in seen:
            return
        seen.add(real)
        try:
            inside = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
        except OSError as error:
            raise InputError(f"{folder} cannot be listed: {error.strerror}") from None
        for entry in inside:
            if entry.name.startswith("."):
                continue
            name = f"{relative}{entry.name}"
            if entry.is_dir():
                visit(Path(entry.path), name + "/")
            elif PurePosixPath(entry.name).suffix.lower() in SUFFIXES:
                found.append(_Entry(name, _identity(Path(entry.path), name)))

    visit(root, "")
    return found


def _identity(path: Path, name: str) -> list[Any]:
    try:
        return stat_identity(path, name)
    except OSError:  # a dangling link: it stays in the list and is named as unreadable
        return [name]


def _listed(archive: zipfile.ZipFile) -> tuple[list[_Entry], list[str]]:
    """The images of a zip, and the names that point outside it."""
    found, outside = [], []
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)
        if info.is_dir() or hidden or path.suffix.lower() not in SUFFIXES:
            continue
        if path.is_absolute() or ".." in path.parts or "\\" in info.filename:
            outside.append(info.filename)
        else:
            found.append(_Entry(info.filename, [info.filename, info.file_size, info.CRC]))
    unique = {entry.path: entry for entry in found}  # of two entries with one name a zip reader serves the last
    return sorted(unique.values(), key=lambda entry: [natural_key(part) for part in entry.path.split("/")]), outside


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """One file of a zip, in memory: decoders seek, and seeking in a compressed stream starts over."""
    info = archive.getinfo(name)
    if info.file_size > MAX_FILE_BYTES:
        raise Unreadable(f"{info.file_size} bytes are too many")
    try:
        with archive.open(info) as file:
            return io.BytesIO(file.read(MAX_FILE_BYTES))
    except Exception as error:  # zipfile raises BadZipFile, RuntimeError (encrypted), zlib.error, NotImplementedError
        raise Unreadable(str(error)[:120] or type(error).__name__) from None


def is_under(path: str, prefix: tuple[str, ...]) -> bool:
    """Does a relative path begin with these folders?"""
    return tuple(path.split("/")[: len(prefix)]) == prefix


def find_splits(entries: list[_Entry]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Where the data begins, and split -> its folder when that place is a level of splits."""
    base: tuple[str, ...] = ()
    while True:
        tops = _tops(entries, base)
        if None in tops:
            return base, {}
        known = {SPLIT_FOLDERS[top.lower()]: (*base, top) for top in tops if top and top.lower() in SPLIT_FOLDERS}
        if "train" in known and len(tops) > 1 and len(known) == len(tops):
            return base, known
        if len(tops) != 1:
            return base, {}
        base = (*base, str(next(iter(tops))))


def _tops(entries: list[_Entry], base: tuple[str, ...]) -> dict[str | None, int]:
    """First-level folders below base -> how many images; None counts the images that lie in base itself."""
    tops: dict[str | None, int] = {}
    for entry in entries:
        if is_under(entry.path, base):
            parts = entry.path.split("/")
            top = parts[len(base)] if len(parts) > len(base) + 1 else None
            tops[top] = tops.get(top, 0) + 1
    return tops


def _classes(
    path: Path, here: list[_Entry], prefix: tuple[str, ...], splits: dict[str, tuple[str, ...]], entries: list[_Entry]
) -> tuple[np.ndarray | None, list[str], dict[str, Any]]:
    """Labels by first-level folder, numbered by the train split's folders."""
    depth = len(prefix)
    tops = _tops(here, prefix)
    folders = [top for top in tops if top is not None]
    if not folders or (len(folders) == 1 and None not in tops):
        return None, [], {}
    if None in tops:
        raise InputError(
            f"{path}: {tops[None]} images lie beside the class folders {_some(folders)}; "
            "move them into a folder of their own, or ask for no classes"
        )
    names = sorted(folders, key=natural_key)
    if "train" in splits and prefix != splits["train"]:
        train = [top for top in _tops(entries, splits["train"]) if top is not None]
        strangers = set(names) - set(train)
        if strangers:
            raise InputError(f"{path}: class {_some(sorted(strangers))} is not in the train split; ask for no classes")
        names = sorted(train, key=natural_key)
    number = {name: k for k, name in enumerate(names)}
    labels = np.array([number[entry.path.split("/")[depth]] for entry in here], dtype=np.int64)
    nested = sum(entry.path.count("/") > depth + 1 for entry in here)
    return labels, names, {"nested": nested} if nested else {}


def _some(names: list[str], limit: int = 3) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
