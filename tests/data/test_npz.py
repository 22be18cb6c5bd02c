from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganvas.data import load, peek
from ganvas.errors import InputError

from .make import noise


def saved(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize("key", ["x", "images", "arr_0"])
def test_channels_last_first_or_none(tmp_path: Path, key: str) -> None:
    x = noise(5, 3, 8, 8)
    np.testing.assert_array_equal(load(saved(tmp_path / "a.npz", **{key: x.transpose(0, 2, 3, 1)})).x, x)
    np.testing.assert_array_equal(load(saved(tmp_path / "b.npz", **{key: x})).x, x)
    np.testing.assert_array_equal(load(saved(tmp_path / "c.npz", **{key: x[:, 0]})).x, x[:, :1])
    np.testing.assert_array_equal(load(saved(tmp_path / "d.npz", **{key: x[:, :1]})).x, x[:, :1])


def test_four_channels_are_composited_on_white(tmp_path: Path) -> None:
    x = np.zeros((2, 8, 8, 4), np.uint8)
    x[1, ..., 3] = 255
    images = load(saved(tmp_path / "a.npz", x=x))
    assert images.x.shape == (2, 3, 8, 8)
    assert images.x[0].min() == 255
    assert images.x[1].max() == 0


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_floats_of_a_clear_range_are_rounded_back(tmp_path: Path, low: float, high: float) -> None:
    x = noise(4, 8, 8)
    x.flat[:2] = 0, 255
    as_float = (x / 255 * (high - low) + low).astype(np.float32)
    np.testing.assert_array_equal(load(saved(tmp_path / "a.npz", x=as_float)).x[:, 0], x)


@pytest.mark.parametrize(("scale", "shift"), [(255, 0), (127.5, 1), (1, 0)])
def test_floats_between_two_levels_go_to_the_nearer(tmp_path: Path, scale: float, shift: float) -> None:
    levels = np.array([[[0.4, 0.6, 99.6], [127.6, 127.4, 200.4], [1.6, 254.6, 254.4]]])
    as_float = (levels / scale - shift).astype(np.float32)
    x = load(saved(tmp_path / "a.npz", x=as_float)).x
    np.testing.assert_array_equal(x, [[[[0, 1, 100], [128, 127, 200], [2, 255, 254]]]])


def test_booleans_and_wide_integers(tmp_path: Path) -> None:
    x = noise(4, 8, 8)
    np.testing.assert_array_equal(load(saved(tmp_path / "a.npz", x=x > 99)).x[:, 0], (x > 99) * 255)
    np.testing.assert_array_equal(
        load(saved(tmp_path / "b.npz", x=noise(4, 8, 8).astype(np.int64))).x[:, 0], noise(4, 8, 8)
    )


def test_labels_of_any_kind(tmp_path: Path) -> None:
    x = noise(3, 8, 8)
    for y, names in (([5, 2, 5], ["2", "5"]), (["b", "a", "b"], ["a", "b"]), ([[5], [2], [5]], ["2", "5"])):
        images = load(saved(tmp_path / "a.npz", x=x, y=np.array(y)))
        assert images.class_names == names
        np.testing.assert_array_equal(images.y, [1, 0, 1])
    assert load(saved(tmp_path / "a.npz", x=x, y=np.arange(3)), classes=False).y is None


def test_splits(tmp_path: Path) -> None:
    arrays = {"x_train": noise(4, 8, 8), "y_train": [7, 8, 9, 7], "x_test": noise(2, 8, 8, seed=1), "y_test": [9, 8]}
    path = saved(tmp_path / "a.npz", **arrays)
    assert peek(path).splits == ["train", "test"]
    test = load(path, split="test")
    np.testing.assert_array_equal(test.x[:, 0], arrays["x_test"])
    np.testing.assert_array_equal(test.y, [2, 1])


def test_peek_reads_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.npz", x=noise(4, 6, 8, 3), y=np.arange(4))
    monkeypatch.setattr("ganvas.data.npz._images", lambda *_: pytest.fail("read the pixels"))
    kind = peek(path)
    assert (kind.kind, kind.count, kind.native, kind.channels, kind.num_classes) == ("npz", 4, (6, 8), 3, 4)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"z": noise(3, 8, 8)}, "holds z; expected images under"),
        ({"x": noise(3, 8)}, "images of shape"),
        ({"x": noise(3, 8, 8, 2)}, "images of shape"),
        ({"x": noise(3, 3, 5, 3)}, "images of shape"),
        ({"x": np.array([{}] * 3, dtype=object).reshape(3, 1, 1)}, "cannot be read"),
        ({"x": noise(3, 8, 8) * 1.0 - 9}, "pixels from"),
        ({"x": noise(3, 8, 8).astype(np.uint16) * 9}, "pixels from"),
        ({"x": np.full((3, 8, 8), np.nan)}, "pixels from nan"),
        ({"x": np.full((3, 8, 8), 1.2)}, "pixels from 1.2"),
        ({"x": np.full((3, 8, 8), "a")}, "expected numbers"),
        ({"x": noise(3, 8, 8), "y": np.arange(4)}, "expected 3 integers or strings"),
        ({"x": noise(3, 8, 8), "y": np.eye(3)}, "expected 3 integers or strings"),
        ({"x": noise(0, 8, 8)}, "holds no images"),
    ],
)
def test_one_clear_line(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load(saved(tmp_path / "a.npz", **arrays))
    assert "\n" not in str(caught.value)


def test_a_damaged_member(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", x=noise(30, 8, 8))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 40] = bytes(40)
    path.write_bytes(raw)
    with pytest.raises(InputError, match="cannot be read"):
        load(path)


def test_a_header_that_lies(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr(
            "x.npy", b"\x93NUMPY\x01\x00\x46\x00{'descr': '|u1', 'fortran_order': False, 'shape': (9, 9)}\n"
        )
    with pytest.raises(InputError):
        load(tmp_path / "a.npz")
