"""Every reader of data, given damaged files: an answer or one line, and nothing else."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ganvas.data import check, holds_pairs, load, load_pairs, peek
from ganvas.errors import InputError
from tests.damage import Edit, damaged, fuzzed

from .make import cifar10_binary, cifar10_python, cifar100, class_folder, mnist, noise, picture, tarred, zipped


def folder(root: Path) -> tuple[Path, Path]:
    class_folder(root / "set")
    return root / "set", root / "set" / "ant" / "1.png"


def jpegs(root: Path) -> tuple[Path, Path]:
    for i in range(3):
        picture(root / "set" / f"{i}.jpg", seed=i)
    return root / "set", root / "set" / "0.jpg"


def tiffs(root: Path) -> tuple[Path, Path]:
    for i in range(2):
        picture(root / "set" / f"{i}.tif", seed=i)
    return root / "set", root / "set" / "0.tif"


def archive(root: Path) -> tuple[Path, Path]:
    class_folder(root / "set")
    return (zipped(root / "set", root / "a.zip"),) * 2


def npz(root: Path) -> tuple[Path, Path]:
    np.savez_compressed(root / "a.npz", x=noise(6, 8, 8, 3), y=np.arange(6) % 2)
    return root / "a.npz", root / "a.npz"


def npz_stored(root: Path) -> tuple[Path, Path]:
    np.savez(root / "a.npz", x=noise(6, 8, 8), y=np.array(["a", "b"] * 3))
    return root / "a.npz", root / "a.npz"


def idx(root: Path) -> tuple[Path, Path]:
    mnist(root / "set", "{split}-{what}-idx{dims}-ubyte")
    return root / "set", root / "set" / "train-images-idx3-ubyte"


def idx_gz(root: Path) -> tuple[Path, Path]:
    mnist(root / "set")
    return root / "set", root / "set" / "train-images-idx3-ubyte.gz"


def idx_labels(root: Path) -> tuple[Path, Path]:
    mnist(root / "set", "{split}-{what}-idx{dims}-ubyte")
    return root / "set", root / "set" / "train-labels-idx1-ubyte"


def cifar_binary(root: Path) -> tuple[Path, Path]:
    cifar10_binary(root)
    return root, root / "cifar-10-batches-bin" / "data_batch_1.bin"


def cifar_python(root: Path) -> tuple[Path, Path]:
    cifar10_python(root, each=1)
    return root, root / "cifar-10-batches-py" / "data_batch_1"


def cifar_names(root: Path) -> tuple[Path, Path]:
    cifar100(root, binary=False)
    return root, root / "cifar-100-python" / "meta"


def cifar_tar(root: Path) -> tuple[Path, Path]:
    cifar10_python(root, each=1)
    return (tarred(root / "cifar-10-batches-py", root / "cifar-10-python.tar.gz"),) * 2


def table(root: Path) -> tuple[Path, Path]:
    for side in "ab":
        picture(root / side / "1.png")
    (root / "t.csv").write_text("a/1.png,b/1.png\n")
    return root / "t.csv", root / "t.csv"


MADE = [
    folder, jpegs, tiffs, archive, npz, npz_stored, idx, idx_gz, idx_labels, cifar_binary, cifar_python, cifar_names,
    cifar_tar, table,
]  # fmt: skip


def answers(read: Callable[[], object]) -> None:
    """It returns, or says what is wrong: anything else ends the test."""
    with contextlib.suppress(InputError):
        read()


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_damage_is_one_line(make: Callable[[Path], tuple[Path, Path]], tmp_path: Path) -> None:
    data, victim = make(tmp_path)
    whole = victim.read_bytes()
    seen: list[int] = []

    @fuzzed(30)
    def one(edits: list[Edit]) -> None:
        victim.write_bytes(damaged(whole, edits))
        seen.append(len(edits))
        if data.suffix == ".csv" or holds_pairs(data):
            answers(lambda: load_pairs(data, resolution=8, max_unreadable=1.0, cache=tmp_path / "cache"))
            return
        answers(lambda: peek(data))
        answers(lambda: load(data, resolution=8, channels=3, max_unreadable=0.9, cache=tmp_path / "cache"))
        answers(lambda: check(data))

    one()
    assert len(seen) >= 20


@fuzzed(60)
def test_a_damaged_array_inside_a_whole_archive_is_one_line(tmp_path: Path, edits: list[Edit]) -> None:
    """Checksums of the zip catch most damage to an .npz; here they are those of the damaged array."""
    np.savez(tmp_path / "whole.npz", x=noise(6, 8, 8))
    with zipfile.ZipFile(tmp_path / "whole.npz") as archive:
        raw = archive.read("x.npy")
    small = [(kind, where % 140, value) for kind, where, value in edits]
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", damaged(raw, small))
    answers(lambda: peek(tmp_path / "a.npz"))
    answers(lambda: load(tmp_path / "a.npz", resolution=8, cache=tmp_path / "cache"))
