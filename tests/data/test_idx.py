from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from ganvas.data import load, peek
from ganvas.errors import InputError

from .make import idx_bytes, mnist, noise, write_idx

FORMS = [
    "{split}-{what}-idx{dims}-ubyte.gz",
    "{split}-{what}-idx{dims}-ubyte",
    "{split}-{what}.idx{dims}-ubyte",
    "{split}-{what}.idx{dims}-ubyte.gz",
]


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_with_standard_names(tmp_path: Path, form: str) -> None:
    x, y = mnist(tmp_path / "set", form)
    images = load(tmp_path / "set")
    np.testing.assert_array_equal(images.x[:, 0], x)
    np.testing.assert_array_equal(images.y, y)
    assert images.class_names == ["0", "1", "2", "3"]
    assert (images.name, images.preprocessing["kind"], images.preprocessing["filter"]) == ("set", "idx", None)
    test = load(tmp_path / "set", split="test")
    np.testing.assert_array_equal(test.x[:, 0], noise(5, 6, 6, seed=5))
    assert peek(tmp_path / "set").splits == ["train", "test"]


@pytest.mark.parametrize("form", FORMS)
def test_one_images_file_finds_its_labels(tmp_path: Path, form: str) -> None:
    x, y = mnist(tmp_path, form)
    images = load(tmp_path / form.format(split="train", what="images", dims=3))
    np.testing.assert_array_equal(images.x[:, 0], x)
    np.testing.assert_array_equal(images.y, y)
    test = load(tmp_path / form.format(split="t10k", what="images", dims=3))
    assert (len(test), test.preprocessing["split"]) == (5, "test")


def test_a_lone_file_of_any_name_has_no_classes(tmp_path: Path) -> None:
    write_idx(tmp_path / "things", noise(3, 4, 4))
    images = load(tmp_path / "things")
    assert images.x.shape == (3, 1, 4, 4)
    assert images.y is None
    assert images.class_names == []


def test_colour_comes_with_four_dimensions(tmp_path: Path) -> None:
    x = noise(3, 3, 4, 4)
    write_idx(tmp_path / "things", x)
    np.testing.assert_array_equal(load(tmp_path / "things").x, x)
    assert peek(tmp_path / "things").channels == 3


def test_the_test_split_is_numbered_like_the_train_split(tmp_path: Path) -> None:
    mnist(tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.repeat([3, 5, 9], 4).astype(np.uint8))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.array([9, 9, 5, 5, 5], np.uint8))
    test = load(tmp_path, split="test")
    assert test.class_names == ["3", "5", "9"]
    np.testing.assert_array_equal(test.y, [2, 2, 1, 1, 1])
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.array([9, 9, 5, 5, 4], np.uint8))
    with pytest.raises(InputError, match="label 4 does not occur in the train split"):
        load(tmp_path, split="test")


def test_peek_reads_the_header(tmp_path: Path) -> None:
    mnist(tmp_path)
    kind = peek(tmp_path)
    assert (kind.kind, kind.count, kind.native, kind.channels, kind.num_classes) == ("idx", 12, (6, 6), 1, 4)


def broken(tmp_path: Path, what: str) -> Path:
    mnist(tmp_path, "{split}-{what}-idx{dims}-ubyte")
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    if what == "short":
        images.write_bytes(images.read_bytes()[:-1])
    elif what == "long":
        images.write_bytes(images.read_bytes() + b"x")
    elif what == "magic":
        images.write_bytes(b"\0\0\x0d\x03" + images.read_bytes()[4:])
    elif what == "empty":
        images.write_bytes(b"")
    elif what == "gzip":
        images.write_bytes(gzip.compress(images.read_bytes())[:-20])
    elif what == "count":
        write_idx(labels, np.zeros(11, np.uint8))
    elif what == "swapped":
        images.write_bytes(labels.read_bytes())
    elif what == "labels":
        labels.write_bytes(idx_bytes(noise(12, 2)))
    elif what == "split":
        for file in tmp_path.glob("t10k*"):
            file.unlink()
    return tmp_path


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("short", "fewer bytes"),
        ("long", "more bytes"),
        ("magic", "not an idx file of bytes"),
        ("empty", "starts with nothing"),
        ("gzip", "cannot be read"),
        ("count", "11 labels for 12 images"),
        ("swapped", "file of the labels"),
        ("labels", "expected a list of labels"),
    ],
)
def test_one_clear_line(tmp_path: Path, what: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load(broken(tmp_path, what))
    assert "\n" not in str(caught.value)


def test_a_missing_split(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no split 'test'; it has train"):
        load(broken(tmp_path, "split"), split="test")


def test_a_header_that_promises_too_much_allocates_nothing(tmp_path: Path) -> None:
    (tmp_path / "things").write_bytes(bytes([0, 0, 8, 3]) + b"\x7f\xff\xff\xff\x00\x00\x40\x00\x00\x00\x40\x00" + b"ab")
    with pytest.raises(InputError, match="fewer bytes"):
        load(tmp_path / "things")
