from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest

from ganvas.data import cache, load
from ganvas.data.cache import cache_directory, opened
from ganvas.errors import InputError

from .make import class_folder


def entries(root: Path) -> list[Path]:
    """What is in a cache beside the locks."""
    return [path for path in root.iterdir() if path.name != cache.LOCKS]


def build_counting(folder: Path) -> dict[str, Any]:
    """Eight bytes, and a trace of the process that wrote them."""
    (folder / "x.raw").write_bytes(bytes(range(8)))
    (folder / "y.raw").write_bytes(np.arange(2, dtype="<i8").tobytes())
    return {"shape": [2, 1, 2, 2], "by": os.getpid(), "at": time.monotonic_ns()}


def test_an_entry_is_built_once_and_mapped(tmp_path: Path) -> None:
    first = opened(["a"], build_counting, tmp_path)
    again = opened(["a"], build_counting, tmp_path)
    assert first.meta == again.meta
    assert not again.x.flags.writeable
    assert isinstance(again.x, np.memmap)
    np.testing.assert_array_equal(again.x.ravel(), range(8))
    np.testing.assert_array_equal(again.y, [0, 1])
    assert opened(["b"], build_counting, tmp_path).meta != first.meta
    assert len(entries(tmp_path)) == 2  # no temporary folders stay


def test_an_entry_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a crash leaves a name in front of nothing. The name is the built folder's own: a copy can be half done."""
    synced: list[str] = []
    built: list[int] = []

    def sync(path: Path) -> None:
        named = any((folder / "meta.json").exists() for folder in entries(tmp_path) if folder.suffix != ".tmp")
        synced.append(f"{path.name}{' afterwards' if named else ''}")

    def build(folder: Path) -> dict[str, Any]:
        built.append(folder.stat().st_ino)
        return build_counting(folder)

    monkeypatch.setattr(cache, "_sync", sync)
    opened(["a"], build, tmp_path)
    assert sorted(synced[:-1]) == ["meta.json", "x.raw", "y.raw"]
    assert synced[-1] == f"{tmp_path.name} afterwards"
    (folder,) = entries(tmp_path)
    assert built == [folder.stat().st_ino]


def break_entry(folder: Path, how: str) -> None:
    x, meta = folder / "x.raw", folder / "meta.json"
    if how == "cut":
        x.write_bytes(x.read_bytes()[:-1])
    elif how == "flipped":
        x.write_bytes(bytes(8))
    elif how == "gone":
        x.unlink()
    elif how == "labels":
        (folder / "y.raw").write_bytes(bytes(8))
    elif how == "meta":
        meta.write_text(meta.read_text()[:-5])
    elif how == "no meta":
        meta.unlink()
    elif how == "other meta":
        meta.write_text("[]")


@pytest.mark.parametrize("how", ["cut", "flipped", "gone", "labels", "meta", "no meta", "other meta"])
def test_a_damaged_entry_is_rebuilt(tmp_path: Path, how: str) -> None:
    first = opened(["a"], build_counting, tmp_path)
    (folder,) = entries(tmp_path)
    break_entry(folder, how)
    again = opened(["a"], build_counting, tmp_path)
    assert again.meta["at"] > first.meta["at"]
    np.testing.assert_array_equal(again.x.ravel(), range(8))


def test_damage_in_a_big_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_SPOT_BYTES", 64)

    def big(folder: Path) -> dict[str, Any]:
        (folder / "x.raw").write_bytes(bytes(64 * 64))
        return {"shape": [64, 1, 8, 8], "at": time.monotonic_ns()}

    first = opened(["a"], big, tmp_path)
    (folder,) = entries(tmp_path)
    with (folder / "x.raw").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    assert opened(["a"], big, tmp_path).meta["at"] > first.meta["at"]


def slow(folder: Path) -> dict[str, Any]:
    time.sleep(0.3)
    return build_counting(folder)


def open_slowly(root: Path, barrier: Any, answers: Any) -> None:
    barrier.wait()
    answers.put(opened(["a"], slow, root).meta["by"])


@pytest.mark.parametrize("locks", [True, False])
def test_two_processes_at_once(tmp_path: Path, locks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With locks one builds and the other waits; without, both build and the first rename stays."""
    if not locks:
        import fcntl

        def refuse(*_: Any) -> None:
            raise OSError(errno.ENOLCK, "no locks here")

        monkeypatch.setattr(fcntl, "flock", refuse)
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(2), context.Queue()
    both = [context.Process(target=open_slowly, args=(tmp_path, barrier, answers)) for _ in range(2)]
    for process in both:
        process.start()
    builders = {answers.get(timeout=30) for _ in both}
    for process in both:
        process.join(30)
        assert process.exitcode == 0
    assert len(builders) == 1
    assert len(entries(tmp_path)) == 1


def hang(folder: Path) -> dict[str, Any]:
    (folder / "x.raw").write_bytes(b"half")
    (folder.parent / "started").touch()
    time.sleep(60)
    raise AssertionError("was not killed")


def test_killed_while_building_leaves_no_half_entry(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=opened, args=(["a"], hang, tmp_path))
    process.start()
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    (tmp_path / "started").unlink()
    assert not any((folder / "meta.json").exists() for folder in entries(tmp_path))
    np.testing.assert_array_equal(opened(["a"], build_counting, tmp_path).x.ravel(), range(8))
    assert len(entries(tmp_path)) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("odd")])
def test_an_error_while_building_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "x.raw").write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        opened(["a"], fail, tmp_path)
    assert entries(tmp_path) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of a file makes the kernel refuse a write in the middle, as a full disk does."""
    import resource

    class_folder(tmp_path / "set", ("a", "b"), each=40)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, old[1]))
        with pytest.raises(InputError, match=r"the cache .* cannot be written \(File too large\)") as caught:
            load(tmp_path / "set", cache=tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, before)
    assert "\n" not in str(caught.value)
    assert entries(tmp_path / "cache") == []

    def full(folder: Path) -> dict[str, Any]:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"disk that holds the cache .* is full; free some space or point"):
        opened(["a"], full, tmp_path / "cache")
    assert len(load(tmp_path / "set", cache=tmp_path / "cache")) == 80


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot be written .*; point GANVAS_CACHE"):
        opened(["a"], build_counting, tmp_path / "file")


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANVAS_CACHE", "/some/where")
    assert cache_directory() == Path("/some/where")
    monkeypatch.delenv("GANVAS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_directory() == Path(platformdirs.user_cache_dir("ganvas", appauthor=False))
    if sys.platform == "linux":
        assert cache_directory() == Path("/x/ganvas")
