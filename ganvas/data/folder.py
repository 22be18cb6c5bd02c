"""Image folders and zips of them: flat, or one sub-folder per class, perhaps below a level of splits.

A level that holds nothing but one folder is stepped over. `train/` beside `val|valid|validation|test|eval/` is a level
of splits. Then first-level folders are the classes, in natural order; what lies deeper belongs to its first-level
folder. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from PIL import Image

from ganvas.data.decode import SUFFIXES, Header, How, Unreadable, header, look, pixels
from ganvas.data.source import Content, Row, Source, is_bomb, natural_key, open_file, pick_split, stat_identity
from ganvas.errors import InputError
from ganvas.files import reason_of

NO_CLASSES = "pass --no-classes (in Python classes=False)"
MAX_FILE_BYTES = 1 << 30  # of one picture inside a zip: more is no picture

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

Opener = Callable[[str], AbstractContextManager[IO[bytes]]]


FOREIGN = {
    "HEIC": (".heic", ".heif"),
    "camera raw": (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".raw"),
    "vector graphics": (".svg", ".eps", ".pdf", ".ai"),
    "video": (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v"),
    "other pictures": (".psd", ".jp2", ".j2k", ".jxl", ".exr", ".hdr", ".tga", ".ico", ".xcf"),
}  # what photographers have and nothing here reads


@dataclass(frozen=True)
class _Entry:
    path: str  # relative to the root, with forward slashes
    identity: list[Any]


@dataclass(frozen=True)
class Walk:
    """What lies below a root: the images, the folders, and how many files of each foreign kind."""

    entries: list[_Entry] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)  # relative, with forward slashes
    foreign: Counter[str] = field(default_factory=Counter)
    outside: list[str] = field(default_factory=list)  # of a zip: names that point outside it
    repeated: list[str] = field(default_factory=list)  # of a zip: names that two entries bear

    def count(self, name: str) -> None:
        """Counts a file that is not read, if it is of a foreign kind."""
        suffix = PurePosixPath(name).suffix.lower()
        for kind, suffixes in FOREIGN.items():
            if suffix in suffixes:
                self.foreign[kind] += 1


def passed_by(foreign: Mapping[str, int]) -> str:
    """Words for the files of foreign kinds: "3 HEIC, 1 video"; empty if there are none."""
    return ", ".join(f"{count:,} {kind}" for kind, count in foreign.items())


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
    return of_walk("folder", path, survey(path), lambda name: open_file(path / name), split, classes)


def open_zip(path: Path, split: str, classes: bool = True) -> Source:
    """A zip of a folder of images."""
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged directory raises BadZipFile, struct.error, ValueError, OverflowError, ...
        raise InputError(f"{path} is not a whole zip file ({reason_of(error)}); fetch it again") from None
    return of_walk("zip", path, _listed(archive), lambda name: _member(archive, name), split, classes)


def walked(files: list[tuple[str, list[Any]]]) -> Walk:
    """What an archive holds, of (name, identity): as `survey` has it of a folder."""
    found = Walk()
    for name, identity in files:
        path = PurePosixPath(name)
        if any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts):
            continue
        if path.suffix.lower() not in SUFFIXES:
            found.count(name)
        elif path.is_absolute() or ".." in path.parts or "\\" in name:
            found.outside.append(name)
        else:
            found.entries.append(_Entry(name, identity))
    found.entries.sort(key=lambda entry: [natural_key(part) for part in entry.path.split("/")])
    return found


def of_walk(kind: str, path: Path, found_there: Walk, opener: Opener, split: str, classes: bool) -> Source:
    """The source of what lies below a root, in folders, a zip or a tar."""
    entries = found_there.entries
    if not entries:
        others = passed_by(found_there.foreign)
        others = f" that are read, but {others}: convert them to JPEG or PNG" if others else ""
        raise InputError(f"{path} holds no images{others}; expected files ending in {' '.join(sorted(SUFFIXES))}")
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
    notes["outside"] = found_there.outside  # entries whose path leaves the archive: left alone, named by the doctor
    notes["repeated"] = found_there.repeated
    notes["foreign"] = dict(found_there.foreign)
    notes["empty"] = _empty(found_there, prefix) if class_names else []
    content = Content(FileItems([entry.path for entry in here], opener), labels, class_names, notes)
    identity = [str(path.resolve()), class_names, [entry.identity for entry in here]]
    return Source(kind, path.name, chosen, names, identity, lambda: content)


def _empty(found: Walk, prefix: tuple[str, ...]) -> list[str]:
    """The first-level folders below prefix in which no image lies: classes that somebody meant to fill."""
    depth = len(prefix)
    folders = {name.split("/")[depth] for name in found.folders if is_under(name, prefix) and name.count("/") >= depth}
    filled = {entry.path.split("/")[depth] for entry in found.entries if is_under(entry.path, prefix)}
    return sorted(folders - filled, key=natural_key)


def walk(root: Path) -> list[_Entry]:
    """Every image file below root in natural order; hidden ones are skipped, a circle of links is entered once."""
    return survey(root).entries


def survey(root: Path) -> Walk:
    """As `walk`, with what else lies there."""
    found = Walk()
    seen: set[str] = set()

    def visit(folder: Path, relative: str) -> None:
        real = os.path.realpath(folder)
        if real in seen:
            return
        seen.add(real)
        try:
            inside = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
        except OSError as error:
            raise InputError(
                f"{folder} cannot be listed: {reason_of(error)}; make it readable, or move it elsewhere"
            ) from None
        for entry in inside:
            if entry.name.startswith("."):
                continue
            name = f"{relative}{entry.name}"
            if _is_folder(entry):
                found.folders.append(name)
                visit(Path(entry.path), name + "/")
            elif PurePosixPath(entry.name).suffix.lower() in SUFFIXES:
                found.entries.append(_Entry(name, _identity(Path(entry.path), name)))
            else:
                found.count(name)

    visit(root, "")
    return found


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def _identity(path: Path, name: str) -> list[Any]:
    try:
        return stat_identity(path, name)
    except OSError:  # a dangling link: it stays in the list and is named as unreadable
        return [name]


def _listed(archive: zipfile.ZipFile) -> Walk:
    """The images of a zip, and the names that point outside it."""
    unique: dict[str, _Entry] = {}  # of two entries with one name a zip reader serves the last
    folders, foreign, outside, repeated = [], Walk(), [], []
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts)
        if info.is_dir():
            folders.append(info.filename.rstrip("/"))
        if info.is_dir() or hidden:
            continue
        if path.suffix.lower() not in SUFFIXES:
            foreign.count(info.filename)
        elif path.is_absolute() or ".." in path.parts or "\\" in info.filename:
            outside.append(info.filename)
        else:
            if info.filename in unique:
                repeated.append(info.filename)
            unique[info.filename] = _Entry(info.filename, [info.filename, info.file_size, info.CRC])
    entries = sorted(unique.values(), key=lambda entry: [natural_key(part) for part in entry.path.split("/")])
    return Walk(entries, folders, foreign.foreign, outside, repeated)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """One file of a zip, in memory: decoders seek, and seeking in a compressed stream starts over."""
    info = archive.getinfo(name)
    if info.file_size > MAX_FILE_BYTES or is_bomb(info.compress_size, info.file_size):
        raise Unreadable(f"{info.file_size:,} bytes are too many")
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
            f"move them into a folder of their own, or {NO_CLASSES}"
        )
    names = sorted(folders, key=natural_key)
    if "train" in splits and prefix != splits["train"]:
        train = [top for top in _tops(entries, splits["train"]) if top is not None]
        strangers = set(names) - set(train)
        if strangers:
            raise InputError(f"{path}: class {_some(sorted(strangers))} is not in the train split; {NO_CLASSES}")
        names = sorted(train, key=natural_key)
    number = {name: k for k, name in enumerate(names)}
    labels = np.array([number[entry.path.split("/")[depth]] for entry in here], dtype=np.int64)
    nested = sum(entry.path.count("/") > depth + 1 for entry in here)
    return labels, names, {"nested": nested} if nested else {}


def _some(names: list[str], limit: int = 3) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
