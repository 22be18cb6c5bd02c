"""A data set as the rest of the house sees it: `load` gives `Images`, `peek` says what is there before it is decoded.

DATA is `digits`, a toy, or a path whose content decides. The readers are one file each; this one knows which reader a
path needs, decodes once into the cache, and writes down how.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data import decode, toys
from ganvas.data.build import Progress, build, meta_of, read_headers, refuse
from ganvas.data.cache import Entry, digest, opened
from ganvas.data.cifar import is_cifar, open_cifar
from ganvas.data.dataset import Take, Wanted
from ganvas.data.decode import FITS, Header, How
from ganvas.data.fetch import SETS
from ganvas.data.folder import open_folder, open_zip
from ganvas.data.idx import is_idx, open_idx
from ganvas.data.npz import is_npz, open_npz
from ganvas.data.shards import is_shards, is_tar, open_shards
from ganvas.data.source import ArrayItems, Content, Source, pick_split
from ganvas.errors import InputError
from ganvas.files import kind_of, reason_of, short

if TYPE_CHECKING:  # looking at data needs no torch
    from torch import Tensor

    from ganvas.gan import Batch

_SAMPLE = 128  # headers that `peek` reads


@dataclass(frozen=True)
class Images:
    """A decoded data set.  x uint8 [M, C, H, W], usually a read-only memory map (points: float32 [M, D])"""

    x: np.ndarray
    y: np.ndarray | None  # int64 [M]; None when there are no classes
    class_names: list[str]  # [] when there are no classes
    name: str  # "digits", "ring8", or the base name of the path
    fingerprint: str  # SHA-256 over the decoded pixels, the labels and `preprocessing`
    preprocessing: dict[str, Any]  # how it was decoded, JSON-able
    unreadable: list[str]  # names of the files left out

    def __len__(self) -> int:
        return len(self.x)

    @property
    def is_points(self) -> bool:
        """Points [M, D] instead of pictures."""
        return self.x.ndim == 2

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What `rows` takes from."""
        return {"x": self.x} if self.y is None else {"x": self.x, "y": self.y}

    @property
    def chances(self) -> int:
        """Rows use no random numbers of their own."""
        return 0

    def renewed(self, batch: Batch, take: Take, chance: Tensor) -> Batch:
        """Phases share all of a batch."""
        return batch

    def rows(self, take: Take, index: Tensor, mirrored: Tensor | None, chance: Tensor) -> Batch:
        """Pictures as floats in [-1, 1], channels last in memory, mirrored where asked; points as they are."""
        import torch

        from ganvas.gan import Batch, Given
        from ganvas.ops.pixels import to_float

        x = take("x", index)
        if not self.is_points:
            x = to_float(x).contiguous(memory_format=torch.channels_last)
            if mirrored is not None:
                x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
        return Batch(x, Given(y=take("y", index) if self.y is not None else None))


@dataclass(frozen=True)
class Kind:
    """What lies behind DATA, from headers alone."""

    kind: str  # "digits", "toy", "idx", "cifar", "npz", "folder", "zip" or "tar"
    name: str
    count: int  # of the split, unreadable files included
    native: tuple[int, int] | None  # (height, width); None if mixed, or for points
    channels: int  # 1 if every picture is grey, else 3; of points: their coordinates
    num_classes: int
    class_names: list[str]
    splits: list[str]
    values: dict[str, Any] = field(default_factory=dict)  # further fields of a paper's Config that the data decide
    settings: dict[str, str] = field(default_factory=dict)  # of a run, where nothing else is asked for
    foreign: dict[str, int] = field(default_factory=dict)  # files of kinds that are not read: "HEIC" -> how many


def load(
    data: str | Path,
    *,
    resolution: int | None = None,
    channels: int | None = None,
    fit: str = "crop",
    split: str = "train",
    classes: bool = True,
    max_unreadable: float = 0.0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Images:
    """One split of DATA, decoded.

    resolution: pixels per side, None: as it is, if all are equal and square. channels: 1, 3, or None: as they are.
    fit: "crop" (centre), "pad" (with white) or "stretch". max_unreadable: the share of files that may be left out.
    cache: where decoded pixels are kept, None: see `cache_directory`. Raises InputError in one line.
    """
    if fit not in FITS:
        raise InputError(f"fit={fit!r}, expected one of {', '.join(FITS)}")
    if channels not in (None, 1, 3):
        raise InputError(f"channels={channels}, expected 1 (grey) or 3 (RGB)")
    if resolution is not None and not 1 <= resolution <= 4096:
        raise InputError(f"resolution={resolution}, expected 1 to 4096 pixels per side")
    if data in toys.TOYS:
        return _toy(str(data), split, classes)
    source = open_source(data, split, classes)
    if source.kind == "digits":
        return _digits(source, resolution, channels, fit, classes)
    asked = [source.kind, source.split, source.identity, resolution, channels, fit]
    with decode.quiet_pillow():
        entry = opened(asked, lambda folder: build(source, resolution, channels, fit, folder, progress), cache)
    return _images(source, entry, classes, max_unreadable)


def peek(data: str | Path, *, split: str = "train", classes: bool = True) -> Kind:
    """What DATA is, from names and headers: of a folder, a sample of the files is opened."""
    if data in toys.TOYS:
        toy = toys.TOYS[str(data)]
        names = list(toy.class_names) if classes else []
        return Kind("toy", str(data), toys.POINTS, None, toy.dim, len(names), names, list(toys.SPLITS))
    source = open_source(data, split, classes)
    content = source.content
    count = len(content.items)
    step = max(1, count // _SAMPLE)
    with decode.quiet_pillow():
        headers = [found for found in read_headers(content.items, range(0, count, step)) if isinstance(found, Header)]
    sizes = {(found.height, found.width) for found in headers}
    native = sizes.pop() if len(sizes) == 1 else None
    names = content.class_names if classes else []
    grey = bool(headers) and all(found.channels == 1 for found in headers)
    channels, foreign = 1 if grey else 3, content.notes.get("foreign", {})
    return Kind(source.kind, source.name, count, native, channels, len(names), names, source.splits, foreign=foreign)


def looked_over(data: str, channels: int, classes: bool, max_unreadable: float) -> None:
    """Raises InputError for what `load` would refuse, by the headers of all pictures and without decoding them."""
    if channels not in (1, 3):
        raise InputError(f"channels={channels}, expected 1 (grey) or 3 (RGB)")
    source = open_source(data, classes=classes)
    items = source.content.items
    with decode.quiet_pillow():
        headers = read_headers(items, range(len(items)))
    unreadable = {items.name(i): str(found) for i, found in enumerate(headers) if isinstance(found, decode.Unreadable)}
    refuse(unreadable, len(items), max_unreadable)


def open_source(data: str | Path, split: str = "train", classes: bool = True) -> Source:
    """The reader for DATA, chosen by what lies there. Raises InputError when nothing can read it."""
    if data == "digits":
        return _digits_source(split)
    path = there(data)
    try:
        return _reader(path, split, classes)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason_of(error)}") from None


def there(data: str | Path) -> Path:
    """The file or folder behind DATA.  Raises InputError where there is none, or one that must not be read."""
    path = Path(data).expanduser()
    kind = kind_of(path) if str(data).strip() else None
    if kind is None:
        raise InputError(f"no such file or folder: {short(repr(str(data)))}; {_meant(str(data))}")
    if not os.access(path, os.R_OK | (os.X_OK if kind == "folder" else 0)):
        raise InputError(f"{path} cannot be read: permission denied")
    return path if path.name else path.resolve()  # "." has no name


def _meant(data: str) -> str:
    """What to do about a name behind which nothing lies."""
    name = data.strip().lower().replace("_", "-")
    known = {"fashionmnist": "fashion-mnist", "cifar-10": "cifar10", "cifar-100": "cifar100"}.get(name, name)
    if known in SETS:
        return f"download it first: ganvas fetch {known} ./{known}, then --data ./{known}"
    return f"DATA is a path or one of {', '.join(toys.EMBEDDED)}"


def _reader(path: Path, split: str, classes: bool) -> Source:
    """The reader for a file or folder that is there."""
    if is_idx(path):
        return open_idx(path, split)
    if is_cifar(path):
        return open_cifar(path, split)
    if is_tar(path):
        return open_shards(path, split, classes)
    if path.is_dir():
        return (open_shards if is_shards(path) else open_folder)(path, split, classes)
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    if zipped or zipfile.is_zipfile(path):  # a cut zip has its beginning, a self-extracting one its end
        return open_npz(path, split) if is_npz(path) else open_zip(path, split, classes)
    raise InputError(
        f"{path} is not a data set: expected a folder or zip of images, a tar or shards, MNIST's idx "
        "files, CIFAR's batches or an .npz"
    )


def load_wanted(data: str, wanted: Wanted) -> Images:
    """The train split as a run wants it."""
    picture = len(wanted.shape) == 3
    return load(
        data,
        resolution=wanted.shape[-1] if picture else None,
        channels=wanted.shape[0] if picture else None,
        fit=wanted.fit,
        classes=wanted.classes,
        max_unreadable=wanted.max_unreadable,
        progress=wanted.progress,
    )


def _toy(name: str, split: str, classes: bool) -> Images:
    chosen = pick_split(split, toys.SPLITS, name)
    x, y = toys.toy_points(name, chosen)
    how = {"kind": "toy", "split": chosen, "count": len(x)}
    labelled = [hashlib.sha256(y.tobytes()).hexdigest()] if y is not None else []
    print_ = digest([how, hashlib.sha256(x.tobytes()).hexdigest(), *labelled])
    names = list(toys.TOYS[name].class_names) if classes else []
    return Images(x, y if names else None, names, name, print_, how, [])


def _digits_source(split: str) -> Source:
    x, y = toys.digits()
    content = Content(ArrayItems(lambda: x, len(x), (1, 8, 8)), y, [str(k) for k in range(10)])
    return Source("digits", "digits", pick_split(split, ["train"], "digits"), ["train"], [], lambda: content)


def _digits(source: Source, resolution: int | None, channels: int | None, fit: str, classes: bool) -> Images:
    """Small enough to be converted in memory each time, so that a first run needs no writable disk."""
    how = How(resolution or 8, channels or 1, fit)
    items = source.content.items
    x = np.stack([items.row(i, how)[0] for i in range(len(items))])
    x.flags.writeable = False
    meta = meta_of(source, how, {(8, 8)}, x.shape, hashlib.sha256(x.tobytes()).hexdigest(), {})
    return _images(source, Entry(x, source.content.labels, meta), classes, 0.0)


def _images(source: Source, entry: Entry, classes: bool, max_unreadable: float) -> Images:
    """The entry as the house sees it, unless too much of it could not be read."""
    meta = entry.meta
    refuse(meta["unreadable"], len(entry.x) + len(meta["unreadable"]), max_unreadable)
    names: list[str] = meta["class_names"] if classes else []
    y = entry.y if names else None
    how = {**meta["preprocessing"], "num_classes": len(names)}
    labels = None if y is None else hashlib.sha256(y.astype("<i8").tobytes()).hexdigest()
    fingerprint = digest([meta["pixels"], labels, names, how])
    return Images(entry.x, y, names, source.name, fingerprint, how, list(meta["unreadable"]))
