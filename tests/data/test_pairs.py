"""Pairs in every layout, and what is refused: tiny files, written here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data import check_pairs, load_pairs, peek_pairs
from ganvas.data.cache import LOCKS
from ganvas.errors import InputError

from .make import noise, picture


def two_folders(root: Path, a: str = "A", b: str = "B", names: str = "xyz", seed: int = 0) -> None:
    """A grey PNG, B colour BMP, of the same stems."""
    for i, name in enumerate(names):
        picture(root / a / f"{name}.png", seed + i, mode="L")
        picture(root / b / f"{name}.bmp", seed + 100 + i)


def both(i: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What `two_folders` wrote as number i."""
    return noise(8, 8, seed=seed + i)[None], noise(8, 8, 3, seed=seed + 100 + i).transpose(2, 0, 1)


LAYOUTS = [
    ("A", "B", "train", ["train"]),
    ("a", "b", "train", ["train"]),
    ("source", "Target", "train", ["train"]),
    ("trainA", "trainB", "train", ["train"]),
    ("testA", "testB", "test", ["test"]),
    ("valA", "valB", "validation", ["val"]),
    ("train/A", "train/B", "train", ["train"]),
    ("test/a", "test/b", "test", ["test"]),
    ("A/train", "B/train", "train", ["train"]),
    ("wrapped/trainA", "wrapped/trainB", "train", ["train"]),
]


@pytest.mark.parametrize(("a", "b", "split", "splits"), LAYOUTS)
def test_two_folders(tmp_path: Path, a: str, b: str, split: str, splits: list[str]) -> None:
    two_folders(tmp_path / "set", a, b)
    pairs = load_pairs(tmp_path / "set", split=split)
    assert (pairs.a.shape, pairs.b.shape, len(pairs)) == ((3, 1, 8, 8), (3, 3, 8, 8), 3)
    for i in range(3):
        np.testing.assert_array_equal(pairs.a[i], both(i)[0])
        np.testing.assert_array_equal(pairs.b[i], both(i)[1])
    assert (pairs.names, pairs.names_b, pairs.paired, pairs.name) == (["x", "y", "z"], ["x", "y", "z"], True, "set")
    assert all(isinstance(x, np.memmap) and not x.flags.writeable for x in (pairs.a, pairs.b))
    assert pairs.nbytes == 3 * 4 * 64
    kind = peek_pairs(tmp_path / "set", split=split)
    assert (kind.layout, kind.counts, kind.native, kind.channels) == ("folders", (3, 3), (8, 8), (1, 3))
    assert (kind.splits, kind.paired) == (splits, True)


@pytest.mark.parametrize("form", ["{split}{side}", "{split}/{side}", "{side}/{split}"])
def test_splits(tmp_path: Path, form: str) -> None:
    for k, split in enumerate(("train", "val", "test")):
        names = [form.format(split=split, side=side) for side in "AB"]
        two_folders(tmp_path, *names, names="pq"[: k + 1], seed=10 * k)
    assert peek_pairs(tmp_path).splits == ["train", "val", "test"]
    for k, split in enumerate(("train", "val", "test")):
        pairs = load_pairs(tmp_path, split=split)
        assert (len(pairs), pairs.preprocessing["split"]) == (min(k + 1, 2), split)
        np.testing.assert_array_equal(pairs.b[0], both(0, 10 * k)[1])
    with pytest.raises(InputError, match="no split 'fall'; it has train, val, test"):
        load_pairs(tmp_path, split="fall")


def test_folders_below_and_natural_order(tmp_path: Path) -> None:
    two_folders(tmp_path, "A", "B", names=["p/10", "p/9", "q/1"])  # type: ignore[arg-type]
    pairs = load_pairs(tmp_path)
    assert pairs.names == ["p/9", "p/10", "q/1"]
    np.testing.assert_array_equal(pairs.b[0], both(1)[1])


def test_two_paths(tmp_path: Path) -> None:
    two_folders(tmp_path, "photos", "maps")
    pairs = load_pairs((tmp_path / "maps", tmp_path / "photos"))
    assert (pairs.a.shape[1], pairs.b.shape[1], pairs.name) == (3, 1, "maps-photos")
    with pytest.raises(InputError, match="no such folder"):
        load_pairs((tmp_path / "maps", tmp_path / "none"))


def test_side_by_side(tmp_path: Path) -> None:
    for split in ("train", "test"):
        whole = picture(tmp_path / split / "1.png", len(split), size=(16, 8))
        picture(tmp_path / split / "2.png", 3, size=(16, 8))
        pairs = load_pairs(tmp_path, split=split) if split == "test" else load_pairs(tmp_path / split)
        np.testing.assert_array_equal(pairs.a[0], whole[:, :8].transpose(2, 0, 1))
        np.testing.assert_array_equal(pairs.b[0], whole[:, 8:].transpose(2, 0, 1))
        assert pairs.names == ["1", "2"]
    assert load_pairs(tmp_path, split="test", channels=(1, 3)).a.shape == (2, 1, 8, 8)
    kind = peek_pairs(tmp_path)
    assert (kind.layout, kind.native, kind.splits) == ("side_by_side", (8, 8), ["train", "test"])


def test_halves_are_not_taken_for_granted(tmp_path: Path) -> None:
    picture(tmp_path / "1.png", 1, size=(12, 8))
    with pytest.raises(InputError, match=r"1\.png of 12x8 pixels does not look like two squares side by side"):
        load_pairs(tmp_path)
    assert load_pairs(tmp_path, layout="side_by_side").a.shape == (1, 3, 8, 6)
    picture(tmp_path / "1.png", 1, size=(11, 8))
    with pytest.raises(InputError, match=r"1 of 1 pairs cannot be used: 1 \(11 pixels wide, which has no halves"):
        load_pairs(tmp_path, layout="side_by_side")


@pytest.mark.parametrize(("ending", "comma"), [("csv", ","), ("tsv", "\t")])
def test_a_table(tmp_path: Path, ending: str, comma: str) -> None:
    two_folders(tmp_path / "files", "one", "two")
    lines = [f"files/one/{a}.png{comma}files/two/{b}.bmp" for a, b in ("xy", "yx", "xz")]
    (tmp_path / f"list.{ending}").write_text("\n".join([f"a{comma}b", *lines, ""]))
    pairs = load_pairs(tmp_path / f"list.{ending}")
    assert pairs.names == ["files/one/x", "files/one/y", "files/one/x#4"]  # the same A twice: the line tells them apart
    np.testing.assert_array_equal(pairs.a[2], both(0)[0])
    np.testing.assert_array_equal(pairs.b[2], both(2)[1])
    splits = [f"{line}{comma}{split}" for line, split in zip(lines, ("train", "Testing", ""))]
    (tmp_path / f"list.{ending}").write_text("\n".join(splits))
    assert (len(load_pairs(tmp_path / f"list.{ending}")), peek_pairs(tmp_path / f"list.{ending}").splits) == (
        2,
        ["train", "test"],
    )
    assert load_pairs(tmp_path / f"list.{ending}", split="test").names == ["files/one/y"]


def test_tables_that_cannot_be_used(tmp_path: Path) -> None:
    two_folders(tmp_path)
    table = tmp_path / "list.csv"
    for text, says in (
        ("A/x.png,B/x.bmp\nA/y.png", "line 2 has 1 columns"),
        ("A/x.png,\n", "line 1 has 2 columns"),
        ("a,b\n", "lists no pairs"),
        ("A/x.png,B/x.bmp\nA/y.png,B/none.bmp\n", r"1 of 2 pairs cannot be used: A/y \(none.bmp: No such file"),
    ):
        table.write_text(text)
        with pytest.raises(InputError, match=says):
            load_pairs(table)


def test_oblong_sizes_and_channels_as_asked(tmp_path: Path) -> None:
    for side in "AB":
        picture(tmp_path / side / "x.png", 1, size=(12, 8))
    assert load_pairs(tmp_path).a.shape == (1, 3, 8, 12)
    assert load_pairs(tmp_path).preprocessing["resolution"] == [8, 12]
    for fit in ("stretch", "crop", "pad"):
        pairs = load_pairs(tmp_path, resolution=(6, 4), channels=(1, 4), fit=fit)
        assert (pairs.a.shape, pairs.b.shape) == ((1, 1, 6, 4), (1, 4, 6, 4))
        how = pairs.preprocessing
        assert (how["resolution"], how["channels"], how["fit"], how["native"]) == ([6, 4], [1, 4], fit, [8, 12])
        assert json.loads(json.dumps(how)) == how
    assert load_pairs(tmp_path, resolution=5, channels=1).b.shape == (1, 1, 5, 5)


def test_transparency_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    x = noise(8, 8, 4)
    for side in "AB":
        (tmp_path / side).mkdir()
        Image.fromarray(x).save(tmp_path / side / "x.png")
    Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(tmp_path / "B" / "x.png")
    pairs = load_pairs(tmp_path, channels=(4, 3))
    np.testing.assert_array_equal(pairs.a[0], x.transpose(2, 0, 1))
    np.testing.assert_array_equal(pairs.b, np.full((1, 3, 8, 8), 255))  # transparent black shows white


def test_a_pair_is_left_out_whole(tmp_path: Path) -> None:
    two_folders(tmp_path)
    (tmp_path / "B" / "y.bmp").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"1 of 3 pairs cannot be used: y \(y.bmp: not an image\)") as caught:
        load_pairs(tmp_path)
    assert "max_unreadable" in str(caught.value)
    pairs = load_pairs(tmp_path, max_unreadable=0.4)
    assert (pairs.names, pairs.unreadable, pairs.preprocessing["left_out"]) == (["x", "z"], ["y"], 1)
    for row, i in ((0, 0), (1, 2)):
        np.testing.assert_array_equal(pairs.a[row], both(i)[0])
        np.testing.assert_array_equal(pairs.b[row], both(i)[1])


def test_partners_of_unlike_size(tmp_path: Path) -> None:
    two_folders(tmp_path)
    picture(tmp_path / "B" / "y.bmp", 5, size=(16, 16))
    with pytest.raises(InputError, match=r"y \(A has 8x8 pixels, B 16x16; a resolution would make them equal\)"):
        load_pairs(tmp_path)
    assert load_pairs(tmp_path, resolution=8, fit="crop").b.shape == (3, 3, 8, 8)
    picture(tmp_path / "B" / "y.bmp", 5, size=(16, 9))
    with pytest.raises(InputError, match=r"y \(A has 8x8 pixels, B 16x9: another shape\)"):
        load_pairs(tmp_path, resolution=8, fit="crop")
    assert load_pairs(tmp_path, resolution=8, fit="stretch").preprocessing["native"] is None
    picture(tmp_path / "A" / "y.png", 5, size=(9, 5), mode="L")  # rounded from 16x9
    assert len(load_pairs(tmp_path, resolution=8, fit="crop")) == 3
    picture(tmp_path / "A" / "z.png", 5, size=(16, 16), mode="L")
    with pytest.raises(InputError, match="holds images of 8x8, 9x5, 16x16; pass a resolution"):
        load_pairs(tmp_path)


def test_a_missing_partner_is_named(tmp_path: Path) -> None:
    two_folders(tmp_path)
    (tmp_path / "A" / "y.png").unlink()
    with pytest.raises(InputError, match="1 images have no partner of the same name, the first is y in B"):
        load_pairs(tmp_path)
    pairs = load_pairs(tmp_path, paired=False)
    assert (len(pairs.a), len(pairs.b), pairs.paired) == (2, 3, False)


def test_unlike_names_are_unpaired(tmp_path: Path) -> None:
    for i, name in enumerate(("h1", "h2", "h3")):
        picture(tmp_path / "trainA" / f"{name}.png", i)
    for i, name in enumerate(("z1", "z2")):
        picture(tmp_path / "trainB" / f"{name}.png", 10 + i, mode="L")
    pairs = load_pairs(tmp_path)
    assert (pairs.paired, len(pairs), pairs.a.shape, pairs.b.shape) == (False, 3, (3, 3, 8, 8), (2, 1, 8, 8))
    assert (pairs.names, pairs.names_b) == (["h1", "h2", "h3"], ["z1", "z2"])
    np.testing.assert_array_equal(pairs.b[1, 0], noise(8, 8, seed=11))
    how = pairs.preprocessing
    assert (how["count"], how["channels"], how["native"], how["paired"]) == ([3, 2], [3, 1], [[8, 8], [8, 8]], False)
    assert not peek_pairs(tmp_path).paired
    with pytest.raises(InputError, match="5 images have no partner"):
        load_pairs(tmp_path, paired=True)
    picture(tmp_path / "trainB" / "z1.png", 10, size=(9, 9), mode="L")
    with pytest.raises(InputError, match="pass a resolution"):
        load_pairs(tmp_path)
    assert load_pairs(tmp_path, resolution=4, channels=3).b.shape == (2, 3, 4, 4)
    (tmp_path / "trainB" / "z1.png").write_bytes(b"")
    with pytest.raises(InputError, match="1 of 2 images cannot be read: z1"):
        load_pairs(tmp_path, resolution=4)
    assert load_pairs(tmp_path, resolution=4, max_unreadable=0.5).names_b == ["z2"]


def test_pairs_used_as_unpaired(tmp_path: Path) -> None:
    whole = picture(tmp_path / "wide" / "1.png", 1, size=(16, 8))
    pairs = load_pairs(tmp_path / "wide", paired=False)
    assert not pairs.paired
    np.testing.assert_array_equal(pairs.b[0], whole[:, 8:].transpose(2, 0, 1))
    two_folders(tmp_path / "set")
    (tmp_path / "set" / "list.csv").write_text("A/x.png,B/y.bmp")
    pairs = load_pairs(tmp_path / "set" / "list.csv", paired=False)
    assert not pairs.paired
    np.testing.assert_array_equal(pairs.b[0], both(1)[1])


def test_one_size_of_each_side_is_not_the_size_of_both(tmp_path: Path) -> None:
    picture(tmp_path / "A" / "x.png", 1, size=(8, 8))
    picture(tmp_path / "B" / "x.png", 1, size=(8, 4))
    assert load_pairs(tmp_path, resolution=8).preprocessing["native"] is None


def test_two_files_of_one_name(tmp_path: Path) -> None:
    two_folders(tmp_path)
    picture(tmp_path / "B" / "y.png", 9)
    with pytest.raises(InputError, match=r"two files of B have one name, as y\.png"):
        load_pairs(tmp_path)


def test_decoded_once_and_again_when_a_file_changes(tmp_path: Path, cache_folder: Path) -> None:
    two_folders(tmp_path)
    seen: list[tuple[int, int]] = []
    first = load_pairs(tmp_path, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(3, 3)]
    again = load_pairs(tmp_path, progress=lambda done, of: seen.append((done, of)))
    assert (len(seen), again.fingerprint) == (1, first.fingerprint)
    assert len([entry for entry in cache_folder.iterdir() if entry.name != LOCKS]) == 1
    picture(tmp_path / "B" / "y.bmp", 999)
    assert load_pairs(tmp_path).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fit": "squash"}, "fit='squash', expected one of"),
        ({"channels": 5}, "channels=5, expected 1"),
        ({"channels": (3, 5)}, r"channels=\(3, 5\), expected 1"),
        ({"resolution": 0}, "resolution=0, expected"),
        ({"resolution": (8, 5000)}, r"resolution=\(8, 5000\), expected"),
        ({"layout": "mixed"}, "layout='mixed', expected one of"),
        ({"layout": "table"}, "does not fit layout='table'"),
    ],
)
def test_impossible_wishes(tmp_path: Path, options: dict, says: str) -> None:
    two_folders(tmp_path)
    with pytest.raises(InputError, match=says):
        load_pairs(tmp_path, **options)


def test_paths_that_hold_no_pairs(tmp_path: Path) -> None:
    (tmp_path / "trainA").mkdir()
    for data, says in (
        (tmp_path / "none", "no such file or folder"),
        (tmp_path, "trainA has no partner folder"),
        (tmp_path / "trainA", "holds no images; expected folders A and B"),
    ):
        with pytest.raises(InputError, match=says):
            load_pairs(data)
    (tmp_path / "trainB").mkdir()
    with pytest.raises(InputError, match="trainA holds no images"):
        load_pairs(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="holds no pairs: expected a folder, or a table"):
        load_pairs(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="does not fit layout='folders': expected A and B"):
        load_pairs(tmp_path / "trainA", layout="folders")


def test_a_healthy_set_has_no_warnings(tmp_path: Path) -> None:
    two_folders(tmp_path / "set")
    seen: list[tuple[int, int]] = []
    report = check_pairs(tmp_path / "set", progress=lambda *at: seen.append(at))
    assert report.lines() == [
        "set: folders, 3 pairs in train (of train); 3 images in A, 3 in B",
        "A: 8x8 (3) pixels; L (3)",
        "B: 8x8 (3) pixels; RGB (3)",
        "nothing odd was found",
    ]
    assert seen[-1] == (3, 3)
    assert check_pairs(tmp_path / "set", limit=2).looked_at == 2
    assert json.loads(json.dumps(report.to_dict()))["warnings"] == []


def test_everything_that_can_be_wrong_with_pairs(tmp_path: Path) -> None:
    two_folders(tmp_path, names="pqrstuvw")
    (tmp_path / "A" / "p.png").unlink()
    (tmp_path / "B" / "q.bmp").unlink()
    (tmp_path / "B" / "r.bmp").write_bytes(b"nothing")
    picture(tmp_path / "B" / "s.bmp", 1, size=(16, 8))
    for name in "tu":
        Image.fromarray(noise(8, 8, 3)).save(tmp_path / "A" / f"{name}.png")
        Image.fromarray(noise(8, 8, 3)).save(tmp_path / "B" / f"{name}.bmp")
    Image.new("L", (8, 8), 7).save(tmp_path / "A" / "v.png")
    picture(tmp_path / "B" / "w.png", 4)
    report = check_pairs(tmp_path)
    assert (report.counts, report.pairs, report.num_lone) == ((7, 7), 6, (1, 1))
    assert report.warnings == [
        "1 images of A have no partner: q",
        "1 images of B have no partner: p",
        "files of one side with one name: w.png",
        "1 pairs cannot be read: r (r.bmp: not an image)",
        "1 pairs differ in size: s (A has 8x8 pixels, B 16x8: another shape)",
        "2 pairs have two equal halves: t, u",
        "1 pairs are copies of others, for instance t, u",
        "pairs with a side of one colour: v",
    ]
    assert f"warning: {report.warnings[0]}" in report.lines()


def test_unpaired_data_are_said_to_be_unpaired(tmp_path: Path) -> None:
    picture(tmp_path / "A" / "h.png", 1)
    picture(tmp_path / "B" / "z.png", 2)
    assert check_pairs(tmp_path).warnings == ["no name is in both A and B: the data can only be used as unpaired"]
