from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ganvas.data.source import pick_split, stat_identity
from ganvas.errors import InputError


def test_a_file_is_another_when_its_content_is(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before, stat = stat_identity(path), path.stat()
    assert stat_identity(path) == before
    assert stat_identity(path, "deep/a")[0] == "deep/a"
    path.write_bytes(b"three")
    assert stat_identity(path)[1] == 5
    time.sleep(0.05)  # coarser than any file system's clock
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a copying tool does
    assert stat_identity(path)[:3] == before[:3]
    assert stat_identity(path) != before


@pytest.mark.parametrize(
    ("wanted", "there", "chosen"),
    [
        ("train", ["train", "test"], "train"),
        ("valid", ["train", "val"], "val"),
        ("validation", ["train", "val"], "val"),
        ("eval", ["train", "val"], "val"),
        ("t10k", ["train", "test"], "test"),
        ("test", ["train", "val", "test"], "test"),
        ("test", ["train", "val"], "val"),
        ("val", ["train", "test"], "test"),
    ],
)
def test_a_split_or_its_other_name(wanted: str, there: list[str], chosen: str) -> None:
    assert pick_split(wanted, there, "it") == chosen


@pytest.mark.parametrize("wanted", ["train", "test", "fall"])
def test_a_split_that_is_not_there_is_refused(wanted: str) -> None:
    """Above all `train`, which is what is asked for when nothing is."""
    with pytest.raises(InputError, match=f"it has no split '{wanted}'; it has extra"):
        pick_split(wanted, ["extra"], "it")
