"""Decoded data sets on disk: built once, then memory-mapped.

An entry is a folder named by the hash of what is decoded and how; it holds `x.raw` (uint8 [M, C, H, W], nothing else),
`y.raw` (int64 [M], when there are classes) and `meta.json`. It is built in a temporary folder beside it and renamed,
so a reader sees a whole entry or none. `x.raw` is written, not mapped, while it is built: on a full disk a write fails
with an error, where a store into a map would kill the process.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.errors import InputError
from ganvas.files import locked, user_cache

LOCKS = ".locks"  # the folder of the locks, which stay: removing a held lock would split those who wait
VERSION = 1  # of the layout and of the decoding rules: a change of either must not meet an old entry
_SPOTS, _SPOT_BYTES = 16, 1 << 20  # how much of a big file is hashed when an entry is opened


@dataclass(frozen=True)
class Entry:
    """A whole entry: x uint8 [M, C, H, W], a read-only memory map; y int64 [M] or None; meta as it was built."""

    x: np.ndarray
    y: np.ndarray | None
    meta: dict[str, Any]


# A builder writes x.raw (and y.raw) into the folder that it is given and returns the meta.
Builder = Callable[[Path], dict[str, Any]]


def cache_directory() -> Path:
    """$GANVAS_CACHE, or the platform's place for files that can be made again."""
    return user_cache()


def digest(value: Any) -> str:
    """SHA-256 of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def opened(key: Any, build: Builder, directory: Path | None = None) -> Entry:
    """The entry of `key`, built now if it is absent or damaged. Raises InputError when it cannot be written."""
    root = directory if directory is not None else cache_directory()
    name = digest([VERSION, key])[:32]
    if entry := _read(root / name):
        return entry
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(root / LOCKS / name) as alone:
            return _read(root / name) or _built(root, name, build, alone)
    except OSError as error:
        raise InputError(_trouble(error, root)) from error


def _built(root: Path, name: str, build: Builder, alone: bool) -> Entry:
    """Build in a temporary folder beside the entry, then rename. alone: the caller holds the lock."""
    for left in root.glob(f"{name}.*.tmp") if alone else ():  # of a process that was killed: its lock is free
        shutil.rmtree(left, ignore_errors=True)
    temporary = root / f"{name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    temporary.mkdir()  # as the umask has it: a cache may be shared
    try:
        meta = build(temporary)
        meta["spots"] = {path.name: spot_digest(path) for path in sorted(temporary.glob("*.raw"))}
        (temporary / "meta.json").write_text(json.dumps(meta))
        for path in temporary.iterdir():
            _sync(path)
        _move(temporary, root / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    entry = _read(root / name)
    if entry is None:
        raise OSError(errno.EIO, "what was just written cannot be read back")
    return entry


def _move(temporary: Path, final: Path) -> None:
    """Rename the folder into place; a damaged one in the way goes, a whole one of another process stays."""
    if final.exists() and _read(final) is None:
        shutil.rmtree(final, ignore_errors=True)
    try:
        temporary.rename(final)
    except OSError:
        if _read(final) is None:  # where locks do not work, another process may have been faster, and that is fine
            raise
    _sync(final.parent)


def _read(folder: Path) -> Entry | None:
    """The entry in a folder, or None if it is absent or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        if any(spot_digest(folder / name) != spot for name, spot in meta["spots"].items()):
            return None
        shape = tuple(meta["shape"])
        x = np.memmap(folder / "x.raw", dtype=np.uint8, mode="r", shape=shape)
        y = np.fromfile(folder / "y.raw", dtype="<i8").astype(np.int64) if "y.raw" in meta["spots"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None
    if x.nbytes != (folder / "x.raw").stat().st_size or (y is not None and len(y) != len(x)):
        return None
    return Entry(x, y, meta)


def spot_digest(path: Path) -> str:
    """SHA-256 of a file's size and of blocks spread evenly over it; of all of it up to 16 MiB."""
    size = path.stat().st_size
    total = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= _SPOTS * _SPOT_BYTES:
            total.update(file.read())
        else:
            for spot in range(_SPOTS):
                file.seek((size - _SPOT_BYTES) * spot // (_SPOTS - 1))
                total.update(file.read(_SPOT_BYTES))
    return total.hexdigest()


def _sync(path: Path) -> None:
    """Push a file, or a folder's list of names, to the disk; some file systems cannot sync folders."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _trouble(error: OSError, root: Path) -> str:
    """One line for whoever must mend it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk that holds the cache {root} is full; free some space or point GANVAS_CACHE to another disk"
    return f"the cache {root} cannot be written ({error.strerror or error}); point GANVAS_CACHE to a folder of yours"
