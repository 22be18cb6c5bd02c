from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganvas.data import load, peek
from ganvas.errors import InputError

from .make import class_folder, picture, zipped


def test_a_flat_folder_in_natural_order(tmp_path: Path) -> None:
    rows = {name: picture(tmp_path / name, seed) for seed, name in enumerate(["i10.png", "i9.png", "i1.png"])}
    images = load(tmp_path)
    assert images.y is None
    for row, name in zip(images.x, ["i1.png", "i9.png", "i10.png"]):
        np.testing.assert_array_equal(row.transpose(1, 2, 0), rows[name])


def test_classes_are_first_level_folders_in_natural_order(tmp_path: Path) -> None:
    class_folder(tmp_path, ("k10", "k9", "K1"), each=2)
    images = load(tmp_path)
    assert images.class_names == ["K1", "k9", "k10"]
    np.testing.assert_array_equal(images.y, [0, 0, 1, 1, 2, 2])
    assert images.y is not None
    assert images.y.dtype == np.int64
    flat = load(tmp_path, classes=False)
    assert (flat.y, flat.class_names) == (None, [])
    np.testing.assert_array_equal(flat.x, images.x)
    assert flat.fingerprint != images.fingerprint


def test_deeper_levels_belong_to_their_class(tmp_path: Path) -> None:
    for i, name in enumerate(["a/images/0.png", "a/images/1.png", "b/0.png"]):
        picture(tmp_path / name, i)
    np.testing.assert_array_equal(load(tmp_path).y, [0, 0, 1])


@pytest.mark.parametrize("other", ["val", "valid", "validation", "test", "Eval"])
def test_a_level_of_splits(tmp_path: Path, other: str) -> None:
    class_folder(tmp_path / "train", ("a", "b", "c"))
    class_folder(tmp_path / other, ("b", "c"), each=1)
    train, test = load(tmp_path), load(tmp_path, split="test")
    assert train.class_names == test.class_names == ["a", "b", "c"]
    assert (len(train), len(test)) == (9, 2)
    np.testing.assert_array_equal(test.y, [1, 2])
    assert len(load(tmp_path, split="val")) == 2


def test_a_split_with_a_class_of_its_own(tmp_path: Path) -> None:
    class_folder(tmp_path / "train", ("a", "b"))
    class_folder(tmp_path / "val", ("a", "z"))
    with pytest.raises(InputError, match="class z is not in the train split"):
        load(tmp_path, split="val")
    assert len(load(tmp_path, split="val", classes=False)) == 6


def test_a_lone_folder_is_stepped_over(tmp_path: Path) -> None:
    class_folder(tmp_path / "download" / "set", ("a", "b"))
    assert load(tmp_path).class_names == ["a", "b"]
    shutil.rmtree(tmp_path / "download" / "set" / "b")
    images = load(tmp_path)
    assert (len(images), images.y, images.class_names) == (3, None, [])


def test_images_beside_class_folders(tmp_path: Path) -> None:
    class_folder(tmp_path)
    picture(tmp_path / "loose.png")
    with pytest.raises(InputError, match="1 images lie beside the class folders ant, bee"):
        load(tmp_path)
    assert len(load(tmp_path, classes=False)) == 7
    (tmp_path / "loose.png").unlink()
    assert load(tmp_path).class_names == ["ant", "bee"]


def test_hidden_files_and_other_files_are_passed_by(tmp_path: Path) -> None:
    picture(tmp_path / "a.PNG")
    picture(tmp_path / "._b.png")
    picture(tmp_path / ".cache" / "c.png")
    (tmp_path / "notes.txt").write_text("hello")
    assert len(load(tmp_path)) == 1


def test_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    class_folder(tmp_path)
    (tmp_path / "ant" / "again").symlink_to(tmp_path)
    assert len(load(tmp_path)) == 6


def bad_files(folder: Path) -> list[str]:
    """A cut file, an empty one, a text and a dangling link, all named like images."""
    picture(folder / "cut.png")
    whole = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpeg").write_text("not an image")
    (folder / "gone.png").symlink_to(folder / "nowhere")
    return ["cut.png", "empty.jpg", "gone.png", "text.jpeg"]


def test_unreadable_files_are_named_and_refused(tmp_path: Path) -> None:
    for i in range(6):
        picture(tmp_path / f"{i}.png", i)
    bad = bad_files(tmp_path)
    with pytest.raises(InputError, match=r"4 of 10 images cannot be read: cut\.png \(.*and 1 more.*=0\.4"):
        load(tmp_path)
    with pytest.raises(InputError, match="4 of 10"):
        load(tmp_path, max_unreadable=0.3)
    images = load(tmp_path, max_unreadable=0.4)
    assert images.unreadable == bad
    assert (len(images), images.preprocessing["left_out"]) == (6, 4)


def test_labels_stay_with_their_pictures_when_files_are_left_out(tmp_path: Path) -> None:
    class_folder(tmp_path, ("a", "b", "c"), each=2)
    (tmp_path / "a" / "1.png").write_bytes(b"")
    (tmp_path / "b" / "0.png").write_bytes(b"")
    images = load(tmp_path, max_unreadable=0.5)
    np.testing.assert_array_equal(images.y, [0, 1, 2, 2])
    assert images.unreadable == ["a/1.png", "b/0.png"]


def test_a_mended_file_is_seen(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    assert len(load(tmp_path, max_unreadable=0.5)) == 1
    picture(tmp_path / "b.png", 1)
    assert len(load(tmp_path)) == 2


def test_nothing_readable_at_all(tmp_path: Path) -> None:
    bad_files(tmp_path)
    with pytest.raises(InputError, match="4 of 4 images cannot be read"):
        load(tmp_path, max_unreadable=1.0)
    assert peek(tmp_path).native is None


def test_a_zip_is_read_like_its_folder(tmp_path: Path) -> None:
    class_folder(tmp_path / "set" / "train", ("a", "b"))
    class_folder(tmp_path / "set" / "val", ("a", "b"), each=1)
    archive = zipped(tmp_path / "set", tmp_path / "set.zip")
    for split in ("train", "val"):
        inside, outside = load(archive, split=split), load(tmp_path / "set", split=split)
        np.testing.assert_array_equal(inside.x, outside.x)
        np.testing.assert_array_equal(inside.y, outside.y)
        assert inside.class_names == outside.class_names
    assert peek(archive).kind == "zip"


def test_a_zip_cannot_reach_outside(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("../../evil.png", "/etc/evil.png", "..\\evil.png", "good/a.png", "__MACOSX/good/._a.png"):
            archive.writestr(zipfile.ZipInfo(name), (tmp_path / "a.png").read_bytes())
    before = sorted(tmp_path.rglob("*"))
    assert len(load(tmp_path / "set.zip")) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_zip_entries_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganvas.data.folder.MAX_FILE_BYTES", 5000)
    picture(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.png", "a.png")
        archive.writestr("bomb.png", bytes(6000))
        archive.writestr("locked.png", b"secret")
    raw = bytearray((tmp_path / "set.zip").read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1  # the flag of encryption, in the directory and before the file
    raw[raw.rindex(b"PK\x03\x04") + 6] |= 1
    (tmp_path / "set.zip").write_bytes(raw)
    images = load(tmp_path / "set.zip", max_unreadable=0.7)
    assert (len(images), images.unreadable) == (1, ["bomb.png", "locked.png"])


def test_a_cut_zip(tmp_path: Path) -> None:
    class_folder(tmp_path / "set")
    archive = zipped(tmp_path / "set", tmp_path / "set.zip")
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(InputError, match="is not a whole zip"):
        load(archive)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "holds no images"),
        (lambda p: (p / "a" / "b").mkdir(parents=True), "holds no images"),
        (lambda p: (p / "a.txt").write_text("x"), "holds no images"),
    ],
)
def test_folders_without_images(tmp_path: Path, make: Any, says: str) -> None:
    make(tmp_path)
    for _ in range(2):
        with pytest.raises(InputError, match=says) as caught:
            load(tmp_path)
        assert "\n" not in str(caught.value)
    with zipfile.ZipFile(tmp_path / "e.zip", "w"):
        pass
    with pytest.raises(InputError, match=says):
        load(tmp_path / "e.zip")
