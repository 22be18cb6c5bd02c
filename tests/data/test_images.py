from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import ganvas.data.images as module
from ganvas.data import load, peek
from ganvas.errors import InputError

from .make import class_folder, mnist, noise, picture


def test_the_digits_are_those_of_scikit_learn() -> None:
    images, original = load("digits"), load_digits()
    np.testing.assert_array_equal(images.x[:, 0], np.rint(original.images * 255 / 16).astype(np.uint8))
    np.testing.assert_array_equal(images.y, original.target)
    assert images.class_names == list("0123456789")
    assert not images.is_points
    assert images.x.nbytes == 1797 * 64
    assert (peek("digits").native, peek("digits").channels, peek("digits").num_classes) == ((8, 8), 1, 10)


def test_the_digits_need_no_disk(cache_folder: Path) -> None:
    images = load("digits", resolution=16, channels=3)
    assert images.x.shape == (1797, 3, 16, 16)
    assert not images.x.flags.writeable
    assert list(cache_folder.iterdir()) == []
    with pytest.raises(InputError, match="no split 'test'"):
        load("digits", split="test")


def test_what_is_asked_for_is_what_comes(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 0, (9, 6))
    picture(tmp_path / "b.png", 1, (5, 8), mode="L")
    for fit in ("crop", "pad", "stretch"):
        images = load(tmp_path, resolution=4, channels=1, fit=fit)
        assert images.x.shape == (2, 1, 4, 4)
        assert isinstance(images.x, np.memmap)
        assert not images.x.flags.writeable
        how = images.preprocessing
        assert (how["resolution"], how["channels"], how["fit"], how["filter"]) == (4, 1, fit, "lanczos")
        assert json.loads(json.dumps(how)) == how
    assert load(tmp_path, resolution=4).x.shape[1] == 3
    (tmp_path / "a.png").unlink()
    assert load(tmp_path, resolution=4).x.shape[1] == 1
    kind = peek(tmp_path)
    assert (kind.native, kind.channels, kind.count) == ((8, 5), 1, 1)


def test_mixed_or_oblong_sizes_need_a_resolution(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 0, (9, 6))
    with pytest.raises(InputError, match="images of 9x6; pass a resolution"):
        load(tmp_path)
    picture(tmp_path / "b.png", 1, (8, 8))
    assert peek(tmp_path).native is None
    with pytest.raises(InputError, match="pass a resolution"):
        load(tmp_path)
    for side in range(10, 14):
        picture(tmp_path / f"{side}.png", 1, (side, side))
    with pytest.raises(InputError, match="and 3 other sizes"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fit": "squash"}, "fit='squash', expected one of crop, pad, stretch"),
        ({"channels": 4}, "channels=4, expected 1"),
        ({"resolution": 0}, "resolution=0, expected"),
        ({"resolution": 100_000}, "resolution=100000, expected"),
        ({"split": "fall"}, "has no split 'fall'; it has train"),
    ],
)
def test_impossible_wishes(tmp_path: Path, options: dict, says: str) -> None:
    class_folder(tmp_path)
    with pytest.raises(InputError, match=says):
        load(tmp_path, **options)


def test_paths_that_are_no_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder: 'dgits'; DATA is a path or one of digits, ring8"):
        load("dgits")
    for name, content in (
        ("a.txt", b"hello"),
        ("empty", b""),
        ("t.gz", b"\x1f\x8b"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="is not a data set: expected a folder or zip of images") as caught:
            peek(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    class_folder(tmp_path, ("a", "b"), each=40)
    seen: list[tuple[int, int]] = []
    load(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (80, 80)
    assert len(seen) > 1


def test_fingerprints_speak_of_pixels_and_not_of_places(tmp_path: Path) -> None:
    class_folder(tmp_path / "a")
    class_folder(tmp_path / "b")
    first = load(tmp_path / "a")
    assert load(tmp_path / "b").fingerprint == first.fingerprint
    assert load(tmp_path / "a", resolution=8, channels=3).fingerprint == first.fingerprint
    assert load(tmp_path / "a", resolution=4).fingerprint != first.fingerprint
    picture(tmp_path / "b" / "ant" / "0.png", seed=77)
    assert load(tmp_path / "b").fingerprint != first.fingerprint
    (tmp_path / "a" / "bee").rename(tmp_path / "a" / "cat")
    assert load(tmp_path / "a").fingerprint != first.fingerprint


def test_a_fingerprint_speaks_of_the_labels(tmp_path: Path) -> None:
    """The same pictures in the same order and the same classes, but one picture has changed sides."""
    for root, classes in (("one", "aab"), ("two", "abb")):
        for i, name in enumerate(classes):
            picture(tmp_path / root / name / f"{i}.png", seed=i)
    one, two = load(tmp_path / "one"), load(tmp_path / "two")
    np.testing.assert_array_equal(one.x, two.x)
    assert one.class_names == two.class_names
    assert one.preprocessing == two.preprocessing
    assert one.fingerprint != two.fingerprint


def test_splits_of_one_file_are_kept_apart(tmp_path: Path) -> None:
    """Both have the file's identity, so only their own names keep one from being served for the other."""
    train, test = noise(3, 8, 8), noise(3, 8, 8, seed=1)
    np.savez(tmp_path / "a.npz", x_train=train, x_test=test)
    np.testing.assert_array_equal(load(tmp_path / "a.npz").x[:, 0], train)
    np.testing.assert_array_equal(load(tmp_path / "a.npz", split="test").x[:, 0], test)


def test_decoding_happens_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mnist(tmp_path / "set")
    first = load(tmp_path / "set")
    monkeypatch.setattr(module, "build", lambda *_: pytest.fail("decoded again"))
    again = load(tmp_path / "set")
    np.testing.assert_array_equal(again.x, first.x)
    np.testing.assert_array_equal(again.y, first.y)
    assert (again.fingerprint, again.preprocessing) == (first.fingerprint, first.preprocessing)


def test_any_number_of_threads_gives_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folder(tmp_path / "set", ("a", "b"), each=50)
    found = []
    for threads in (1, 5):
        monkeypatch.setattr("ganvas.data.build.workers", lambda threads=threads: threads)
        found.append(load(tmp_path / "set", resolution=6, cache=tmp_path / str(threads)))
    np.testing.assert_array_equal(found[0].x, found[1].x)
    assert (tmp_path / "1").is_dir()


def test_importing_is_light() -> None:
    """Neither torch nor scikit-learn is needed to read data."""

    code = "import sys, ganvas.data as d; d.load('digits'); print({'torch', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
