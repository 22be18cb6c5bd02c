from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data import check, contact_sheet, load
from ganvas.errors import InputError

from .make import class_folder, mnist, noise, picture


def photo(seed: int) -> Image.Image:
    """Something with the smoothness of a photo."""
    return Image.fromarray(noise(6, 6, 3, seed=seed)).resize((48, 48), Image.Resampling.BICUBIC)


def test_a_healthy_set(tmp_path: Path) -> None:
    class_folder(tmp_path / "set", ("a", "b"))
    report = check(tmp_path / "set")
    assert (report.kind, report.count, report.looked_at, report.channels) == ("folder", 6, 6, 3)
    assert report.sizes == [{"width": 8, "height": 8, "count": 6}]
    assert (report.modes, report.classes) == ({"RGB": 6}, {"a": 3, "b": 3})
    assert report.warnings == []
    assert "nothing odd was found" in report.lines()
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_everything_that_can_be_wrong(tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / "a").mkdir(exist_ok=True)
        photo(i).save(tmp_path / "a" / f"{i}.png")
    (tmp_path / "b").mkdir()
    photo(3).save(tmp_path / "b" / "same.bmp")  # other bytes, the same pixels
    photo(5).resize((40, 40)).save(tmp_path / "a" / "near.jpg", quality=90)
    Image.new("L", (48, 30), 9).save(tmp_path / "a" / "flat.png")
    Image.new("L", (48, 30), 9).save(tmp_path / "a" / "plain.png")
    (tmp_path / "a" / "empty.png").write_bytes(b"")
    (tmp_path / "a" / "deep").mkdir()
    photo(50).save(tmp_path / "a" / "deep" / "x.png")
    report = check(tmp_path, resolution=44)
    assert report.duplicates == [["a/3.png", "b/same.bmp"]]
    assert report.near_duplicates == [["a/5.png", "a/near.jpg"]]
    assert report.constant == ["a/flat.png", "a/plain.png"]
    assert list(report.unreadable) == ["a/empty.png"]
    assert (report.num_duplicates, report.num_near_duplicates, report.num_constant, report.smaller) == (1, 1, 2, 3)
    assert report.modes == {"RGB": 15, "L": 2}
    text = "\n".join(report.lines())
    for says in (
        "1 files cannot be read: a/empty.png (",
        "1 images lie deeper than their class folder",
        "classes are uneven: a has 17 images, b has 1",
        "1 images are exact copies of others, for instance a/3.png, b/same.bmp",
        "1 images are near copies of others, for instance a/5.png, a/near.jpg",
        "2 images are of one colour",
        "3 images are smaller than 44 pixels",
    ):
        assert f"warning: {says}" in text


def test_equal_bytes_of_another_shape_or_format_are_no_copies(tmp_path: Path) -> None:
    x = noise(6, 6)
    for name, array in (("a", x), ("b", x.reshape(4, 9)), ("c", x.reshape(3, 4, 3))):
        Image.fromarray(np.ascontiguousarray(array)).save(tmp_path / f"{name}.png")
    report = check(tmp_path)
    assert report.duplicates == []
    Image.fromarray(x).save(tmp_path / "d.bmp")
    assert check(tmp_path).duplicates == [["a.png", "d.bmp"]]


@pytest.mark.parametrize(("most", "warned"), [(9, False), (10, True)])
def test_classes_are_uneven_from_ten_to_one(tmp_path: Path, most: int, warned: bool) -> None:
    for i in range(most):
        picture(tmp_path / "many" / f"{i}.png", seed=i)
    picture(tmp_path / "few" / "0.png", seed=99)
    assert check(tmp_path).warnings == ([f"classes are uneven: many has {most} images, few has 1"] if warned else [])


def test_suspicious_levels(tmp_path: Path) -> None:
    class_folder(tmp_path / "split", ("train", "unlabelled"))
    assert "train looks like a split but counts as a class beside unlabelled" in check(tmp_path / "split").warnings
    class_folder(tmp_path / "lone", ("only",))
    assert check(tmp_path / "lone").warnings == ["all images lie below only; it was stepped over and is no class"]
    class_folder(tmp_path / "loose")
    picture(tmp_path / "loose" / "x.png", 9)
    (warning,) = check(tmp_path / "loose").warnings
    assert "1 images lie beside the class folders" in warning


def test_paths_that_leave_an_archive_are_named(tmp_path: Path) -> None:
    file = io.BytesIO()
    photo(0).save(file, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../evil.png", file.getvalue())
        archive.writestr("good.png", file.getvalue())
    assert check(tmp_path / "a.zip").unreadable == {"../evil.png": "its path leaves the archive"}


def test_a_limit_looks_at_some(tmp_path: Path) -> None:
    class_folder(tmp_path, ("a", "b"), each=20)
    seen: list[tuple[int, int]] = []
    report = check(tmp_path, limit=10, progress=lambda *at: seen.append(at))
    assert (report.count, report.looked_at) == (40, 10)
    assert seen[-1] == (10, 10)
    assert "40 images in train (of train), 10 looked at" in report.lines()[0]


def test_arrays_are_looked_over_too(tmp_path: Path) -> None:
    mnist(tmp_path)
    report = check(tmp_path)
    assert (report.kind, report.splits, report.modes) == ("idx", ["train", "test"], {"L": 12})
    assert check("digits").classes["0"] == 178


def test_points_are_no_pictures() -> None:
    with pytest.raises(InputError, match="ring8 is made of points"):
        check("ring8")


def test_the_contact_sheet_has_a_row_per_class(tmp_path: Path) -> None:
    for name, level in (("a", 40), ("b", 90)):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.new("L", (64, 64), level + i).save(tmp_path / name / f"{i}.png")
    report = check(tmp_path, sheet=tmp_path / "out" / "sheet.png")
    assert report.sheet == str(tmp_path / "out" / "sheet.png")
    written = np.asarray(Image.open(tmp_path / "out" / "sheet.png").convert("L"))
    (tmp_path / "out" / "sheet.png").unlink()
    drawn = np.asarray(contact_sheet(load(tmp_path), columns=4).convert("L"))
    for sheet in (written, drawn):
        top, bottom = sheet[30][sheet[30] < 255], sheet[-30][sheet[-30] < 255]
        assert sorted(set(top.tolist())) == [40, 41, 42]
        assert sorted(set(bottom.tolist())) == [90, 91, 92]


def test_sheets_of_points_and_of_sets_without_classes() -> None:
    assert contact_sheet(load("ring8")).size == (512, 512)
    wide = contact_sheet(load("digits", classes=False), rows=2, columns=5)
    assert wide.width > 2 * wide.height
