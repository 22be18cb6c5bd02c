"""The store of a prepared data set: features of every image and of its mirror image, neighbours, chosen instances.

A folder of flat arrays (.npy, memory-mapped) and `manifest.json` with their hashes; prepare.py makes it.

| file | what |
|---|---|
| `features.npy` | uint8 [2, M, B] codes of the images and of their mirror images, see packed.py |
| `ranges.npy` | float32 [2, M, 2] of each vector, low and step |
| `neighbours.npy` | int32 [M, k], nearest first, without the image itself |
| `radii.npy` | float32 [M], Euclidean distance to the last neighbour |
| `instances.npy`, `instance_rows.npy` | float32 [S, F], int64 [S]: the images nearest to k-means centres |
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.data.cache import digest, spot_digest
from ganvas.errors import InputError
from ganvas.files import write_json

MANIFEST = "manifest.json"
FORMAT = 1  # of the layout
ARRAYS = ("features", "ranges", "neighbours", "radii", "instances", "instance_rows")


@dataclass(frozen=True)
class Store:
    """A whole store, its arrays mapped read-only."""

    folder: Path
    manifest: dict[str, Any]
    features: np.ndarray
    ranges: np.ndarray
    neighbours: np.ndarray
    radii: np.ndarray
    instances: np.ndarray
    instance_rows: np.ndarray

    @property
    def dim(self) -> int:
        """F, numbers of a feature."""
        return int(self.manifest["dim"])

    @property
    def k(self) -> int:
        """Neighbours of each image."""
        return int(self.neighbours.shape[1])

    @property
    def extractor(self) -> dict[str, Any]:
        """The network: its name, the SHA-256 of its weights, how images are resized for it."""
        return dict(self.manifest["extractor"])

    @property
    def hash(self) -> str:
        """Of all arrays."""
        return digest({name: row["sha256"] for name, row in self.manifest["files"].items()})

    @property
    def size_bytes(self) -> int:
        """On the disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())


def read(folder: Path) -> Store | None:
    """The store in a folder; None where there is none, or a damaged one."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            return None
        for name in ARRAYS:
            if spot_digest(folder / f"{name}.npy") != manifest["files"][f"{name}.npy"]["spots"]:
                return None
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Store(folder, manifest, **arrays)


def expect(folder: Path) -> Store:
    """The store in a folder, or InputError in one line."""
    found = read(folder)
    if found is None:
        raise InputError(f"{folder} holds no whole store of features; make it with ganvas prepare DATA --out {folder}")
    return found


def seal(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest over the arrays that stand in the folder, last of all: it makes the store valid."""
    from ganvas.features.files import hash_file

    found = {}
    for name in ARRAYS:
        path = folder / f"{name}.npy"
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        shape, kind = list(array.shape), array.dtype.name
        found[path.name] = {"shape": shape, "dtype": kind, "sha256": hash_file(path), "spots": spot_digest(path)}
    write_json(folder / MANIFEST, {"format": FORMAT, **manifest, "files": found})
