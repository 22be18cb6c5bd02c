"""Tar files: of an image folder, or WebDataset's shards, in which files of one name up to the first dot are a sample.

`000017.jpg` and `000017.cls` (a number or a name), or `000017.json` with the key "cls" or "label", are a picture and
its class.  A folder of shards is one data set; shards named train-*, val-*, test-* (or in folders so named) are splits.
Only heads are read to find what is where; nothing is unpacked to disk, and a picture is one read at its offset.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from ganvas.data.decode import SUFFIXES, Unreadable
from ganvas.data.folder import (
    MAX_FILE_BYTES,
    NO_CLASSES,
    SPLIT_FOLDERS,
    FileItems,
    Walk,
    of_walk,
    passed_by,
    survey,
    walked,
)
from ganvas.data.source import Content, Source, index_labels, natural_key, open_file, pick_split, stat_identity
from ganvas.errors import InputError
from ganvas.files import reason_of

MAX_LABEL_BYTES = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a file lies: which tar, from which byte on, how many."""

    tar: Path
    offset: int
    size: int

    def read(self, most: int) -> bytes:
        """Its bytes.  Raises Unreadable where there are too many."""
        if self.size > most:
            raise Unreadable(f"{self.size:,} bytes are too many")
        with open_file(self.tar) as file:
            file.seek(self.offset)
            return file.read(self.size)


def is_tar(path: Path) -> bool:
    """Is it a file that calls itself a tar, packed or not?"""
    return path.is_file() and bool(re.search(r"\.(tar(\.\w+)?|tgz)$", path.name.lower()))


def tars_in(path: Path) -> list[Path]:
    """The shards in a folder and in its folders of splits, in natural order; [] of a folder that has none."""
    found = [tar for folder in (path, *map(path.joinpath, SPLIT_FOLDERS)) for tar in folder.glob("*.tar")]
    return sorted((tar for tar in found if not tar.name.startswith(".")), key=lambda tar: natural_key(str(tar)))


def is_shards(path: Path) -> bool:
    """Does a folder hold shards and no pictures?  Beside pictures a tar is what somebody forgot there."""
    return bool(tars_in(path)) and not survey(path).entries


def open_shards(path: Path, split: str, classes: bool = True) -> Source:
    """A tar, or a folder of shards."""
    tars = [path] if path.is_file() else tars_in(path)
    if packed := next((tar for tar in tars if tar.suffix.lower() != ".tar"), None):
        raise InputError(f"{packed} is packed, no picture in it has a place; unpack it to a .tar first (gunzip)")
    splits = by_split(path, tars)
    if len(splits) == 1 and len(tars) == 1:
        places = listed(tars)
        if not labels_of(places):
            at = stat_identity(path)
            found = walked([(name, [name, place.size, place.offset, *at]) for name, place in places.items()])
            return of_walk("tar", path, found, lambda name: opened(places[name]), split, classes)
    chosen = pick_split(split, list(splits), str(path))
    shards = {name: [stat_identity(tar, str(tar)) for tar in those] for name, those in splits.items()}
    identity = [str(path.resolve()), classes, shards.get("train", []), shards[chosen]]

    def read() -> Content:
        train = splits.get("train") if chosen != "train" else None
        return content(path, listed(splits[chosen]), classes, None if train is None else listed(train))

    return Source("tar", path.name, chosen, list(splits), identity, read)


def by_split(path: Path, tars: list[Path]) -> dict[str, list[Path]]:
    """Shards by what their names, or their folders', say of the split; all are "train" where none does."""

    def named(tar: Path) -> str | None:
        words = re.split(r"[^a-z]+", str(tar.relative_to(path) if tar != path else tar.name).lower())
        return next((SPLIT_FOLDERS[word] for word in words if word in SPLIT_FOLDERS), None)

    found: dict[str, list[Path]] = {}
    for tar in tars:
        found.setdefault(named(tar) or "", []).append(tar)
    return found if "" not in found and "train" in found else {"train": tars}


def listed(tars: list[Path]) -> dict[str, Place]:
    """Every file by its name, behind that of its tar where there are several.  Raises InputError."""
    found: dict[str, Place] = {}
    for tar in tars:
        try:
            with tarfile.open(tar, "r:") as archive:
                for member in archive:
                    if member.isreg() and not member.issparse():
                        name = member.name.removeprefix("./") if len(tars) == 1 else f"{tar.name}/{member.name}"
                        found[name] = Place(tar, member.offset_data, member.size)
                if Place(tar, archive.offset, tarfile.BLOCKSIZE).read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("it has no end")  # a cut one stops without a word
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise InputError(f"{tar} is not a whole tar file ({reason_of(error)}); fetch it again") from None
    return found


def key_of(name: str) -> str:
    """A sample's name: up to the first dot of the file's."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.split(".")[0])) if path.name.split(".")[0] else name


def labels_of(places: dict[str, Place]) -> dict[str, Place]:
    """The files of classes by their samples' names: .cls before .json."""
    found = {key_of(name): place for name, place in places.items() if name.lower().endswith(".json")}
    return found | {key_of(name): place for name, place in places.items() if name.lower().endswith(".cls")}


def content(path: Path, places: dict[str, Place], classes: bool, train: dict[str, Place] | None) -> Content:
    """The pictures of a split's shards and their classes, numbered by those of the train split."""
    names = images_in(places)
    if not names:
        seen = Walk()
        for name in places:
            seen.count(name)
        others = passed_by(seen.foreign)
        raise InputError(f"{path} holds no images{f' that are read, but {others}' if others else ''}")
    items = FileItems(names, lambda name: opened(places[name]))
    own = values_of(path, names, places) if classes else None
    if own is None:
        return Content(items, None, [])
    wanted = own if train is None else values_of(path, images_in(train), train)
    labels, class_names = index_labels(own, wanted, str(path))
    return Content(items, labels, class_names) if len(class_names) > 1 else Content(items, None, [])


def images_in(places: dict[str, Place]) -> list[str]:
    """The names of pictures."""
    return [name for name in places if PurePosixPath(name).suffix.lower() in SUFFIXES]


def values_of(path: Path, names: list[str], places: dict[str, Place]) -> np.ndarray | None:
    """Of each picture its class as it is written, all numbers or all names; None where no sample has one."""
    found = labels_of(places)
    if not found:
        return None
    values: list[Any] = []
    for name in names:
        place = found.get(key_of(name))
        value = None if place is None else class_in(place)
        if value is None:
            raise InputError(f"{path}: {name} has no class beside it, others have; add it, or {NO_CLASSES}")
        values.append(value)
    numbers = all(isinstance(value, int) for value in values)
    return np.array(values if numbers else [str(value) for value in values])


def class_in(place: Place) -> int | str | None:
    """What a .cls holds, or of a .json the key "cls" or "label"; None where there is no such thing."""
    try:
        text = place.read(MAX_LABEL_BYTES).decode("utf-8").strip()
        if text.startswith("{"):
            said = json.loads(text)
            text = str(said.get("cls", said.get("label", ""))).strip()
    except (Unreadable, ValueError, OSError):
        return None
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text or None


def opened(place: Place) -> IO[bytes]:
    """A picture, in memory."""
    return io.BytesIO(place.read(MAX_FILE_BYTES))
