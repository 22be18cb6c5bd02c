"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) as their owner publishes them: python or binary layout, unpacked or .tar.gz.

The python batches are pickles. They are read by an unpickler that knows bytes, text, numbers, lists, dicts and numpy
arrays of numbers, and refuses every other name, so a doctored file can run nothing. Of CIFAR-100 the fine labels count.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ganvas.data.source import ArrayItems, Content, Source, pick_split, refuse_bomb, stat_identity
from ganvas.errors import InputError
from ganvas.files import reason_of

_SIZE = (3, 32, 32)
_BYTES = 3 * 32 * 32


@dataclass(frozen=True)
class _Layout:
    """Where one of the four published forms keeps what."""

    folder: str
    files: dict[str, list[str]]  # split -> its batches
    names: str  # the file of the class names
    num_classes: int
    label_bytes: int  # before each binary record; the last one counts; 0: pickles


_LAYOUTS = [
    _Layout(
        "cifar-10-batches-bin",
        {"train": [f"data_batch_{k}.bin" for k in range(1, 6)], "test": ["test_batch.bin"]},
        "batches.meta.txt",
        10,
        1,
    ),
    _Layout(
        "cifar-10-batches-py",
        {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]},
        "batches.meta",
        10,
        0,
    ),
    _Layout("cifar-100-binary", {"train": ["train.bin"], "test": ["test.bin"]}, "fine_label_names.txt", 100, 2),
    _Layout("cifar-100-python", {"train": ["train"], "test": ["test"]}, "meta", 100, 0),
]

Fetch = Callable[[list[str]], dict[str, bytes]]  # names -> the contents of those that are there


def is_cifar(path: Path) -> bool:
    """Whether one of the four layouts lies here, one level below, or in a tar."""
    if path.is_dir():
        return bool(_below(path)) or _tar_in(path) is not None
    return tarfile_layout(path) is not None


def open_cifar(path: Path, split: str) -> Source:
    """CIFAR in any of its published forms."""
    if path.is_dir() and _below(path):
        return _open_folder(path, split)
    name = path.name
    path = _tar_in(path) or path
    layout = tarfile_layout(path)
    if layout is None:
        raise InputError(f"{path} does not hold CIFAR's batches; fetch it again")
    chosen = pick_split(split, list(layout.files), str(path))
    identity = [str(path.resolve()), stat_identity(path)]
    return Source(
        "cifar", name, chosen, list(layout.files), identity,
        lambda: _content(layout, chosen, path, lambda names: _from_tar(path, names)),
    )  # fmt: skip


def _open_folder(path: Path, split: str) -> Source:
    found = _below(path)
    if len({layout.num_classes for layout, _ in found}) > 1:
        here = " and ".join(folder.name for _, folder in found)
        raise InputError(f"{path} holds {here}; name one of them")
    layout, folder = found[0]
    splits = [name for name, files in layout.files.items() if any((folder / file).is_file() for file in files)]
    chosen = pick_split(split, splits, str(path))
    files = [folder / name for name in (*layout.files[chosen], layout.names)]
    identity = [str(folder.resolve()), *(stat_identity(file) for file in files if file.is_file())]
    return Source(
        "cifar", path.name, chosen, splits, identity,
        lambda: _content(layout, chosen, folder, lambda names: _from_folder(folder, names)),
    )  # fmt: skip


def _below(path: Path) -> list[tuple[_Layout, Path]]:
    """The layouts whose first batches lie in this folder, or in a sub-folder with the published name."""
    found = []
    for layout in _LAYOUTS:
        for folder in (path, path / layout.folder):
            first = [folder / files[0] for files in layout.files.values()]
            # "train" and "test" are files only in CIFAR-100's python layout, which also has its "meta".
            marked = layout.label_bytes > 0 or (folder / layout.names).is_file()
            if marked and any(file.is_file() for file in first):
                found.append((layout, folder))
                break
    return found


def tarfile_layout(path: Path) -> _Layout | None:
    """The layout inside a tar, by its first member; None if it is no tar or holds something else."""
    try:
        with tarfile.open(path, "r:*") as archive:
            first = archive.next()
    except Exception:  # TarError, OSError, EOFError, zlib.error, LZMAError, ...: it is another kind of file
        return None
    top = PurePosixPath(first.name).parts[:1] if first is not None else ()
    return next((layout for layout in _LAYOUTS if (layout.folder,) == top), None)


def _tar_in(path: Path) -> Path | None:
    """The archive that a folder holds under its published name, if it is the only one."""
    names = [f"cifar-{k}-{form}.tar.gz" for k in (10, 100) for form in ("python", "binary")]
    found = [path / name for name in names if (path / name).is_file()]
    return found[0] if len(found) == 1 else None


def _from_folder(folder: Path, names: list[str]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _from_tar(path: Path, names: list[str]) -> dict[str, bytes]:
    """Members by base name, read in one pass and in memory: nothing is unpacked to disk."""
    found: dict[str, bytes] = {}
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if name in names and member.isfile() and (file := archive.extractfile(member)) is not None:
                refuse_bomb(f"{path}, {name}", path.stat().st_size, member.size)
                found[name] = file.read()
    return found


def _content(layout: _Layout, split: str, where: Path, fetch: Fetch) -> Content:
    files = layout.files[split]
    try:
        raw = fetch([*files, layout.names])
    except InputError:
        raise
    except Exception as error:  # TarError, OSError, EOFError, zlib.error, LZMAError, OverflowError, ...
        raise InputError(f"{where} cannot be read: {reason_of(error)}; fetch it again") from None
    missing = [name for name in files if name not in raw]
    if missing:
        raise InputError(f"{where} lacks {', '.join(missing)}; fetch it again")
    parts = [_batch(layout, raw[name], where / name) for name in files]
    x = np.concatenate([part[0] for part in parts]).reshape(-1, *_SIZE)
    y = np.concatenate([part[1] for part in parts]).astype(np.int64)
    if len(y) and not 0 <= y.min() <= y.max() < layout.num_classes:
        raise InputError(f"{where}: label {y.max()}, expected 0 to {layout.num_classes - 1}; fetch it again")
    return Content(ArrayItems(lambda: x, len(x), _SIZE), y, _names(layout, raw.get(layout.names), where))


def _batch(layout: _Layout, raw: bytes, where: Path) -> tuple[np.ndarray, np.ndarray]:
    """One file's x uint8 [m, 3072] and labels [m]."""
    if layout.label_bytes:
        record = layout.label_bytes + _BYTES
        if not raw or len(raw) % record:
            raise InputError(f"{where} has {len(raw)} bytes, no multiple of {record}; fetch it again")
        rows = np.frombuffer(raw, dtype=np.uint8).reshape(-1, record)
        return rows[:, layout.label_bytes :], rows[:, layout.label_bytes - 1]
    table = _unpickled(raw, where)
    x = table.get("data") if isinstance(table, dict) else None
    y = table.get("labels", table.get("fine_labels")) if isinstance(table, dict) else None
    if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != _BYTES:
        raise InputError(f"{where} holds no uint8 data of shape [m, {_BYTES}]; fetch it again")
    if not isinstance(y, list) or len(y) != len(x) or not all(isinstance(value, int) for value in y):
        raise InputError(f"{where} does not hold one label per image; fetch it again")
    return x, np.array(y, dtype=np.int64)


def _names(layout: _Layout, raw: bytes | None, where: Path) -> list[str]:
    """Class names from the file that lies with the batches, or numbers when it is absent."""
    if raw is None:
        return [str(k) for k in range(layout.num_classes)]
    if layout.label_bytes:
        names = raw.decode("utf-8", "replace").split()
    else:
        table = _unpickled(raw, where / layout.names)
        found = table.get("label_names", table.get("fine_label_names")) if isinstance(table, dict) else None
        names = [_text(name) for name in found] if isinstance(found, list) else []
    if len(names) != layout.num_classes:
        raise InputError(f"{where / layout.names} names {len(names)} classes, expected {layout.num_classes}")
    return names


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _unpickled(raw: bytes, where: Path) -> Any:
    """A batch's table with text keys; the originals were written by Python 2, so their keys are bytes."""
    try:
        table = _Numbers(io.BytesIO(raw), encoding="bytes").load()
    except Exception as error:  # a damaged pickle raises nearly anything: UnpicklingError, EOFError, KeyError, ...
        raise InputError(f"{where} is no batch of CIFAR: {error}; fetch it again") from None
    return {_text(key): value for key, value in table.items()} if isinstance(table, dict) else table


class _Numbers(pickle.Unpickler):
    """Knows numpy arrays of numbers; refuses every other global name before it is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _reconstruct
        known = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): _dtype, ("_codecs", "encode"): _encode}
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")
        return known[module, name]


def _reconstruct(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """What numpy's own function of this name does for a plain array: an empty one, filled by the next instruction."""
    return np.ndarray((0,), dtype=np.uint8)


def _dtype(code: Any, *flags: Any) -> np.dtype:
    """Plain numbers only: an object type would let an array hold addresses."""
    kind = np.dtype(_text(code))
    if kind.kind not in "uif":
        raise pickle.UnpicklingError(f"it asks for an array of {kind}")
    return kind


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How pickles of protocol 2 written by Python 3 store bytes; any other codec is refused."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", b"latin1"):
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
    return text.encode("latin1")
