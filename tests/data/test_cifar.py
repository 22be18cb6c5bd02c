from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganvas.data import load, peek
from ganvas.errors import InputError

from .make import cifar10_binary, cifar10_python, cifar100, noise, tarred


@pytest.mark.parametrize("make", [cifar10_python, cifar10_binary])
def test_cifar_10_by_itself_by_its_parent_and_in_its_archive(tmp_path: Path, make: Any) -> None:
    x = make(tmp_path / "sets")
    (folder,) = (tmp_path / "sets").iterdir()
    form = "python" if folder.name.endswith("py") else "binary"
    alone = tmp_path / "downloads"
    alone.mkdir()
    archive = tarred(folder, alone / f"cifar-10-{form}.tar.gz")
    prints = set()
    for path in (folder, tmp_path / "sets", archive, alone):
        images = load(path)
        np.testing.assert_array_equal(images.x, x)
        np.testing.assert_array_equal(images.y, [(k + i) % 10 for k in range(5) for i in range(3)])
        assert images.class_names == [f"class{k}" for k in range(10)]
        assert images.name == path.name
        prints.add(images.fingerprint)
        assert len(load(path, split="test")) == 3
    assert len(prints) == 1
    kind = peek(folder)
    assert (kind.kind, kind.count, kind.native, kind.channels, kind.splits) == (
        "cifar", 15, (32, 32), 3, ["train", "test"],
    )  # fmt: skip


@pytest.mark.parametrize("binary", [False, True])
def test_cifar_100_uses_the_fine_labels(tmp_path: Path, binary: bool) -> None:
    x = cifar100(tmp_path, binary)
    images = load(tmp_path)
    np.testing.assert_array_equal(images.x, x)
    np.testing.assert_array_equal(images.y, [10, 20, 30, 40])
    assert len(images.class_names) == 100
    assert images.class_names[3] == "fine3"


def test_two_sets_in_one_folder_must_be_named(tmp_path: Path) -> None:
    cifar10_binary(tmp_path)
    cifar100(tmp_path, True)
    with pytest.raises(InputError, match="name one of them"):
        load(tmp_path)


def test_both_layouts_of_one_set_are_one_set(tmp_path: Path) -> None:
    x = cifar10_binary(tmp_path)
    cifar10_python(tmp_path)
    np.testing.assert_array_equal(load(tmp_path).x, x)


class Evil:
    def __init__(self, *what: Any) -> None:
        self.what = what

    def __reduce__(self) -> Any:
        return self.what[0], self.what[1:]


@pytest.mark.parametrize(
    "payload",
    [
        Evil(os.system, "touch {path}"),
        Evil(eval, "open('{path}', 'w')"),
        Evil(np.fromfile, "{path}"),
        np.array([{"a": 1}], dtype=object),
        Path("x"),
    ],
)
def test_a_doctored_batch_runs_nothing(tmp_path: Path, payload: Any) -> None:
    cifar10_python(tmp_path)
    trace = tmp_path / "trace"
    if isinstance(payload, Evil):
        payload.what = (payload.what[0], *(str(part).format(path=trace) for part in payload.what[1:]))
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    batch.write_bytes(pickle.dumps({b"data": payload, b"labels": [1, 2, 3]}, protocol=2))
    with pytest.raises(InputError, match="no batch of CIFAR: it asks for"):
        load(tmp_path)
    assert not trace.exists()


def break_it(folder: Path, what: str) -> None:
    python = folder / "cifar-10-batches-py"
    if what == "missing":
        (python / "data_batch_3").unlink()
    elif what == "cut":
        batch = python / "data_batch_3"
        batch.write_bytes(batch.read_bytes()[:500])
    elif what == "shape":
        table = {b"data": noise(3, 1000), b"labels": [1, 2, 3]}
        (python / "data_batch_3").write_bytes(pickle.dumps(table, protocol=2))
    elif what == "labels":
        table = {b"data": noise(3, 3072), b"labels": [1, 2]}
        (python / "data_batch_3").write_bytes(pickle.dumps(table, protocol=2))
    elif what == "range":
        table = {b"data": noise(3, 3072), b"labels": [1, 2, 10]}
        (python / "data_batch_3").write_bytes(pickle.dumps(table, protocol=2))
    elif what == "list":
        (python / "data_batch_3").write_bytes(pickle.dumps([1], protocol=2))
    elif what == "names":
        (python / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"a"]}, protocol=2))
    elif what == "test":
        (python / "test_batch").unlink()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("missing", "lacks data_batch_3"),
        ("cut", "data_batch_3 is no batch"),
        ("shape", "no uint8 data"),
        ("labels", "one label per image"),
        ("range", "label 10, expected 0 to 9"),
        ("list", "no uint8 data"),
        ("names", "names 1 classes, expected 10"),
    ],
)
def test_one_clear_line(tmp_path: Path, what: str, says: str) -> None:
    cifar10_python(tmp_path)
    break_it(tmp_path, what)
    with pytest.raises(InputError, match=says) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_cut_binary_batch(tmp_path: Path) -> None:
    cifar10_binary(tmp_path)
    batch = tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(InputError, match="no multiple of 3073"):
        load(tmp_path)


def test_a_missing_test_batch_is_a_missing_split(tmp_path: Path) -> None:
    cifar10_python(tmp_path)
    break_it(tmp_path, "test")
    with pytest.raises(InputError, match="no split 'test'"):
        load(tmp_path, split="test")


def test_a_cut_archive(tmp_path: Path) -> None:
    cifar10_binary(tmp_path)
    archive = tarred(tmp_path / "cifar-10-batches-bin", tmp_path / "cifar-10-binary.tar.gz")
    shutil.rmtree(tmp_path / "cifar-10-batches-bin")
    archive.write_bytes(archive.read_bytes()[:20_000])
    with pytest.raises(InputError, match="fetch it again"):
        load(archive)
    archive.write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(InputError, match="fetch it again"):
        load(tmp_path)


def test_names_are_numbers_without_their_file(tmp_path: Path) -> None:
    cifar10_binary(tmp_path)
    (tmp_path / "cifar-10-batches-bin" / "batches.meta.txt").unlink()
    assert load(tmp_path).class_names == [str(k) for k in range(10)]


def test_a_cached_set_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar10_python(tmp_path)
    first = load(tmp_path)
    monkeypatch.setattr("ganvas.data.cifar._content", lambda *_: pytest.fail("was read again"))
    again = load(tmp_path)
    np.testing.assert_array_equal(again.y, first.y)
    assert again.fingerprint == first.fingerprint
