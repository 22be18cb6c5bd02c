"""Tars: of a folder, WebDataset's shards, their classes and splits, and what cannot be read of them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganvas.data import load, peek
from ganvas.errors import InputError


def picture(value: int) -> bytes:
    """A grey PNG of one value."""
    out = io.BytesIO()
    Image.new("L", (4, 4), value).save(out, "png")
    return out.getvalue()


def write(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def shard(path: Path, values: list[int], label: Any = lambda value: ("cls", str(value % 2))) -> Path:
    """Samples whose picture has the value and whose class is told by its parity."""
    files: dict[str, bytes] = {}
    for value in values:
        files[f"{value:06d}.png"] = picture(value)
        if (said := label(value)) is not None:
            files[f"{value:06d}.{said[0]}"] = said[1].encode()
    return write(path, files)


def found(data: Path, **how: Any) -> tuple[list[int], list[int] | None, list[str]]:
    images = load(data, **how)
    return images.x[:, 0, 0, 0].tolist(), None if images.y is None else images.y.tolist(), images.class_names


def test_shards_are_one_set_with_classes(tmp_path: Path) -> None:
    for number in range(11):  # 2 before 10
        shard(tmp_path / "set" / f"part-{number}.tar", [20 * number, 20 * number + 1])
    x, y, names = found(tmp_path / "set")
    assert x == [20 * number + k for number in range(11) for k in (0, 1)]
    assert y == [0, 1] * 11
    assert names == ["0", "1"]
    seen = peek(tmp_path / "set")
    assert (seen.kind, seen.count, seen.native, seen.channels, seen.num_classes) == ("tar", 22, (4, 4), 1, 2)
    assert found(tmp_path / "set", classes=False)[1] is None


@pytest.mark.parametrize("places", ["names", "folders"])
def test_splits_by_name_numbered_by_the_train_split(places: str, tmp_path: Path) -> None:
    train, val = ("a-train-000.tar", "a-val-000.tar") if places == "names" else ("train/0.tar", "val/0.tar")
    shard(tmp_path / train, [1, 2, 3], lambda value: ("json", json.dumps({"label": f"class {value}", "size": 4})))
    shard(tmp_path / val, [3, 1], lambda value: ("json", json.dumps({"label": f"class {value}", "size": 4})))
    assert found(tmp_path) == ([1, 2, 3], [0, 1, 2], ["class 1", "class 2", "class 3"])
    assert found(tmp_path, split="val")[:2] == ([3, 1], [2, 0])
    assert peek(tmp_path).splits == ["train", "val"]


def test_a_tar_of_a_folder_is_the_folder(tmp_path: Path) -> None:
    files = {"set/cat/1.png": picture(1), "set/dog/2.png": picture(2), "set/dog/._2.png": b"", "set/read.me": b"x"}
    data = write(tmp_path / "set.tar", files)
    assert found(data) == ([1, 2], [0, 1], ["cat", "dog"])


def test_without_classes(tmp_path: Path) -> None:
    for number in (0, 1):
        shard(tmp_path / "set" / f"{number}.tar", [number], lambda _: None)
    assert found(tmp_path / "set") == ([0, 1], None, [])


def test_a_changed_shard_is_read_anew(tmp_path: Path) -> None:
    shard(tmp_path / "set" / "0.tar", [1])
    shard(tmp_path / "set" / "1.tar", [2])
    assert found(tmp_path / "set")[0] == [1, 2]
    shard(tmp_path / "set" / "1.tar", [3])
    assert found(tmp_path / "set")[0] == [1, 3]


def test_a_tar_beside_pictures_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture(7))
    shard(tmp_path / "forgotten.tar", [1])
    assert found(tmp_path)[0] == [7]


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    one = shard(tmp_path / "half" / "0.tar", [1, 2], lambda value: ("cls", "0") if value == 1 else None)
    with pytest.raises(InputError, match=r"000002.png has no class beside it, others have; add it, or pass"):
        load(one)
    whole = shard(tmp_path / "cut.tar", [1, 2, 3]).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:1500])
    with pytest.raises(InputError, match=r"is not a whole tar file \(it has no end\)"):
        load(tmp_path / "cut.tar")
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(InputError, match="is packed, no picture in it has a place; unpack it"):
        load(tmp_path / "x.tar.gz")
    with pytest.raises(InputError, match="holds no images"):
        load(write(tmp_path / "none.tar", {"a.txt": b"x"}))
    broken = write(tmp_path / "b" / "0.tar", {"1.png": picture(1), "1.cls": b"0", "2.png": b"no", "2.cls": b"1"})
    with pytest.raises(InputError, match=r"2.png"):
        load(broken)
    assert np.array_equal(load(broken, max_unreadable=0.5).x[:, 0, 0, 0], [1])
