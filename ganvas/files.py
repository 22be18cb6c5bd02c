"""Files that are whole or absent: atomic writes, and a full disk as one clear line."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganvas.errors import InputError


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turns what an operating system says while writing `path` into one line for people."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"no space left to write {path}; free some space and run the same command again"
            ) from error
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` with a temporary name beside `path`, syncs it, renames it to `path`; nothing half-written stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    with one_line(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            sync(temporary)
            os.replace(temporary, path)
            sync(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomic(path, lambda temporary: _write_text(temporary, text))


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8, atomically."""
    write_atomic(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """The JSON at `path`; raises InputError where there is none or it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def sync(path: Path) -> None:
    """Waits until a file or folder has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
