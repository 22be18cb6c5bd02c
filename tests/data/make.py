"""Tiny data sets in every format that is read."""

from __future__ import annotations

import gzip
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def idx_bytes(x: np.ndarray) -> bytes:
    return struct.pack(f">HBB{x.ndim}I", 0, 8, x.ndim, *x.shape) + x.tobytes()


def write_idx(path: Path, x: np.ndarray) -> None:
    raw = idx_bytes(x)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def mnist(folder: Path, form: str = "{split}-{what}-idx{dims}-ubyte.gz") -> tuple[np.ndarray, np.ndarray]:
    """12 train and 5 test images of 6x6; returns the train arrays."""
    folder.mkdir(exist_ok=True)
    for split, count in (("train", 12), ("t10k", 5)):
        x, y = noise(count, 6, 6, seed=count), (np.arange(count) % 4).astype(np.uint8)
        write_idx(folder / form.format(split=split, what="images", dims=3), x)
        write_idx(folder / form.format(split=split, what="labels", dims=1), y)
    return noise(12, 6, 6, seed=12), (np.arange(12) % 4).astype(np.int64)


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    x = noise(size[1], size[0], 3, seed=seed) if mode == "RGB" else noise(size[1], size[0], seed=seed)
    Image.fromarray(x).save(path)
    return x


def class_folder(root: Path, classes: tuple[str, ...] = ("ant", "bee"), each: int = 3) -> None:
    for k, name in enumerate(classes):
        for i in range(each):
            picture(root / name / f"{i}.png", seed=100 * k + i)


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))
    return path


def cifar10_python(root: Path, each: int = 3) -> np.ndarray:
    """Five train batches and a test batch, pickled as their owner's Python 2 did; returns the train pixels."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
    rows = [noise(each, 3072, seed=k) for k in range(6)]
    for k, name in enumerate(names):
        table = {b"data": rows[k], b"labels": [(k + i) % 10 for i in range(each)], b"batch_label": b"one"}
        (folder / name).write_bytes(pickle.dumps(table, protocol=2))
    meta = {b"label_names": [f"class{k}".encode() for k in range(10)], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return np.concatenate(rows[:5]).reshape(-1, 3, 32, 32)


def cifar10_binary(root: Path, each: int = 3) -> np.ndarray:
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    rows = [noise(each, 3073, seed=k) for k in range(6)]
    for k, name in enumerate([f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]):
        rows[k][:, 0] = (k + np.arange(each)) % 10
        (folder / name).write_bytes(rows[k].tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(f"class{k}" for k in range(10)) + "\n\n")
    return np.concatenate(rows[:5])[:, 1:].reshape(-1, 3, 32, 32)


def cifar100(root: Path, binary: bool, each: int = 4) -> np.ndarray:
    folder = root / ("cifar-100-binary" if binary else "cifar-100-python")
    folder.mkdir(parents=True)
    fine = [f"fine{k}" for k in range(100)]
    for k, split in enumerate(("train", "test")):
        x, labels = noise(each, 3072, seed=k), [10 * (i + 1) for i in range(each)]
        if binary:
            head = np.stack([np.zeros(each), labels], axis=1).astype(np.uint8)
            (folder / f"{split}.bin").write_bytes(np.concatenate([head, x], axis=1).tobytes())
        else:
            table = {b"data": x, b"fine_labels": labels, b"coarse_labels": [0] * each}
            (folder / split).write_bytes(pickle.dumps(table, protocol=2))
    if binary:
        (folder / "fine_label_names.txt").write_text("\n".join(fine))
    else:
        meta = {b"fine_label_names": [name.encode() for name in fine]}
        (folder / "meta").write_bytes(pickle.dumps(meta, protocol=2))
    return noise(each, 3072, seed=0).reshape(-1, 3, 32, 32)


def tarred(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path
