"""Files that are whole or absent: what is on the disk when, what a killed write leaves, and one line for people."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from ganvas import files
from ganvas.errors import InputError


def test_nothing_has_the_name_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content first, then the name, then the folder that holds the name: else a crash leaves an empty file."""
    path = tmp_path / "new" / "a.txt"
    events: list[tuple[str, bool]] = []
    written: list[int] = []

    def sync(synced: Path) -> None:
        events.append(("content" if synced.name.endswith(".tmp.txt") else synced.name, path.exists()))

    def write(temporary: Path) -> None:
        assert temporary.parent == path.parent  # a rename works on one disk only
        temporary.write_text("whole")
        written.append(temporary.stat().st_ino)

    monkeypatch.setattr(files, "sync", sync)
    files.write_atomic(path, write)
    assert events == [("content", False), ("new", True)]
    assert path.read_text() == "whole"
    assert written == [path.stat().st_ino]  # renamed: a copy can be half done
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("odd"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "before")

    def fail(temporary: Path) -> None:
        temporary.write_text("ha")
        raise error

    with pytest.raises(type(error)):
        files.write_atomic(path, fail)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_sync_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("x")
    reached: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fsync", lambda handle: reached.append((os.fstat(handle).st_dev, os.fstat(handle).st_ino)))
    for path in (tmp_path / "a", tmp_path):
        files.sync(path)
        assert reached.pop() == (path.stat().st_dev, path.stat().st_ino)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_line(tmp_path: Path, number: int) -> None:
    def full(temporary: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(InputError, match=r"no space left to write .*a\.txt; free some space"):
        files.write_atomic(tmp_path / "a.txt", full)
    assert list(tmp_path.iterdir()) == []


def test_whatever_else_the_disk_says_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*file/a\.txt: (Not a directory|File exists)"):
        files.write_text(tmp_path / "file" / "a.txt", "x")


def test_tensors_and_facts_round_trip(tmp_path: Path) -> None:
    from safetensors import safe_open

    files.save_tensors({"w": torch.arange(3.0)}, tmp_path / "a.safetensors", {"step": "7"})
    with safe_open(tmp_path / "a.safetensors", "pt") as stored:
        torch.testing.assert_close(stored.get_tensor("w"), torch.arange(3.0), rtol=0, atol=0)
        assert stored.metadata() == {"step": "7"}
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what matters
        files.save_tensors({"w": torch.arange(3.0)}, tmp_path / "gone" / "a.safetensors")
    assert caught.value.errno == errno.ENOENT


def test_what_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    files.must_be_writable(tmp_path / "new" / "deep" / "a.txt")
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match="it is a folder; expected the name of a file"):
        files.must_be_writable(tmp_path)
    with pytest.raises(InputError, match="file is not a folder"):
        files.must_be_writable(tmp_path / "file" / "a.txt")


def test_a_folder_is_emptied_and_what_was_made_for_it_goes(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    made = files.to_be_made(folder)
    assert made == [folder, tmp_path / "a"]
    (folder / "c").mkdir(parents=True)
    (folder / "c" / "d").write_text("x")
    (folder / "e").write_text("x")
    files.remove_contents(folder, [])
    assert list(folder.iterdir()) == []
    files.remove_contents(folder, made)
    assert list(tmp_path.iterdir()) == []


def test_strays_of_a_killed_write_are_dropped(tmp_path: Path) -> None:
    kept = [tmp_path / "a.txt", tmp_path / ".hidden", tmp_path / "b.tmp"]
    strays = [tmp_path / ".a.txt.17.tmp.txt", tmp_path / "deep" / ".b.safetensors.4.tmp.safetensors"]
    for path in (*kept, *strays):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    files.drop_strays(tmp_path)
    assert [path.exists() for path in kept] == [True] * 3
    assert [path.exists() for path in strays] == [False] * 2


def test_json_round_trips_and_damage_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"name": "Fréchet", "n": [1, 2.5, None]})
    assert files.read_json(path) == {"name": "Fréchet", "n": [1, 2.5, None]}
    assert "Fréchet" in path.read_text(encoding="utf-8")  # for people to read
    with pytest.raises(InputError, match=r"none\.json is missing"):
        files.read_json(tmp_path / "none.json")
    for damage in (b"{", b"\xff\xfe{}"):
        path.write_bytes(damage)
        with pytest.raises(InputError, match=r"a\.json is damaged"):
            files.read_json(path)
