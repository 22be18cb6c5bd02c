"""Files that are whole or absent: atomic writes, and a full disk as one clear line."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganvas.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def user_cache() -> Path:
    """$GANVAS_CACHE, or the platform's place for files that can be made again."""
    if named := os.environ.get("GANVAS_CACHE"):
        return Path(named).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("ganvas", appauthor=False))


def printable(text: str) -> str:
    """The text on one line, without power over a terminal: control characters and bytes that are no UTF-8 escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def kind_of(path: Path) -> str | None:
    """ "file", "folder", or None where nothing is.  Raises InputError for pipes, devices and what cannot be reached."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # no permission, a name too long, a link that leads in a circle, a null byte
        raise InputError(f"{short(path)} cannot be reached: {reason_of(error)}") from None
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is a pipe or a device, expected a file or a folder; save its content first")
    return "file"


def short(path: Path | str, most: int = 120) -> str:
    """The path, or the beginning of one that would fill the screen."""
    text = str(path)
    return text if len(text) <= most else f"{text[:most]}..."


def reason_of(error: Exception) -> str:
    """What an operating system says, in our words where it speaks in riddles."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a link that leads in a circle"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or type(error).__name__).lower()
    return " ".join(str(error).split())[:120] or type(error).__name__


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """One process at a time; yields whether the lock is held: some file systems have none, then nobody waits."""
    from filelock import FileLock

    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


LOCK = ".lock"  # in a run's folder while a process writes there


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """This process alone writes into the folder, for as long as the block runs; the lock goes with the process.

    Raises InputError, naming the holder, where another has it.  File systems without locks hold nobody back.
    """
    from filelock import FileLock, Timeout

    path = folder / LOCK
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder} is in use by {_holder(path)}; wait for it, stop it, or pass another folder"
        ) from None
    except (OSError, NotImplementedError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            path.write_text(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": _now()}))
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: whoever opened it before sees that it is gone
        lock.release()


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")


def _holder(path: Path) -> str:
    """Who holds a lock: "process 4711 on host since 2026-01-31 12:00:00+01:00"."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return f"process {said['pid']} on {said['host']} since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def numbered(path: Path) -> Path:
    """A new folder of that name, or with the first free number behind it; no two processes get the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for candidate in (path, *(path.with_name(f"{path.name}-{i}") for i in range(2, 10_000))):
        with contextlib.suppress(FileExistsError):
            candidate.mkdir()
            return candidate
    raise InputError(f"{path} and 9,998 names like it are taken; pass --out")


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turns what an operating system says while writing `path` into one line for people."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise InputError(f"no space left to write {path}; free some space, then start or resume again") from error
        raise InputError(f"cannot write {short(path)}: {error.strerror or error}") from error


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
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


def save_tensors(tensors: dict[str, Tensor], path: Path, facts: dict[str, str] | None = None) -> None:
    """safetensors at `path`, with string facts in the header.  What the disk refuses is an OSError, as elsewhere."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)  # as the umask has it: the library makes files for their owner alone
    try:
        save_file(tensors, path, metadata=facts)
        path.chmod(mode)
    except SafetensorError as error:  # an OSError in all but type: it quotes the system's "(os error 28)"
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def must_be_writable(path: Path) -> None:
    """Raises InputError if nothing can be written at `path`: said before the work, not after it."""
    with one_line(path):  # a name too long, a folder that must not be entered
        if path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder; expected the name of a file")
        parent = next(p for p in (path, *path.absolute().parents) if p.exists() and p != path)
    if not parent.is_dir():
        raise InputError(f"cannot write {path}: {parent} is not a folder")
    if not os.access(parent, os.W_OK):
        raise InputError(f"cannot write {path}: permission denied in {parent}")


def to_be_made(folder: Path) -> list[Path]:
    """The folder and those of its parents that do not exist yet: what `remove_contents` may remove again."""
    return [p for p in (folder, *folder.parents) if not p.exists()]


def remove_contents(folder: Path, made: list[Path]) -> None:
    """Removes what stands in the folder but its lock, and those of `made` that are empty then."""
    for entry in [p for p in folder.iterdir() if p.name != LOCK] if folder.is_dir() else ():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    remove_empty(made)


def remove_empty(made: list[Path]) -> None:
    """Removes those of the folders that are empty."""
    for p in made:
        if p.is_dir() and not any(p.iterdir()):
            p.rmdir()


@contextmanager
def whole_folder(folder: Path) -> Iterator[None]:
    """If the block fails, the folder and the parents that it made are gone again; an empty one is empty again.

    The folder must be new or empty.
    """
    made = to_be_made(folder)
    try:
        yield
    except BaseException:
        remove_contents(folder, made)
        raise


def drop_strays(folder: Path) -> None:
    """Removes the temporary files that a killed `write_atomic` left anywhere below the folder."""
    for stray in folder.rglob(".*.tmp*"):
        if stray.is_file():
            stray.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    if any("\ud800" <= c <= "\udfff" for c in text):  # of a name that is no UTF-8: JSON says it in escapes
        text = json.dumps(value, indent=2) + "\n"
    write_atomic(path, lambda temporary: _write_text(temporary, text))


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8, atomically; what UTF-8 cannot hold as escapes."""
    write_atomic(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: Path) -> Any:
    """The JSON at `path`; raises InputError where there is none or it is damaged."""
    if kind_of(path) is None:
        raise InputError(f"{path} is missing")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason_of(error)}") from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply; restore the file") from None
    except ValueError as error:  # no UTF-8, no JSON, a number of too many digits
        raise InputError(f"{path} is damaged: {reason_of(error)}; restore the file") from None


def sync(path: Path) -> None:
    """Waits until a file or folder has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
