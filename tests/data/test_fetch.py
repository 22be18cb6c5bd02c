"""Against a server on the loopback: it knows ranges, or not; dies midway, or lies."""

from __future__ import annotations

import errno
import hashlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganvas import downloads
from ganvas.data import fetch
from ganvas.errors import InputError

from ..file_server import Server
from .make import noise

module = sys.modules[fetch.__module__]  # the function of the same name hides it
FILES = {"a.bin": noise(700_000).tobytes(), "b.bin": noise(5_000, seed=1).tobytes()}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    published = tuple(
        module.Published(
            name, len(raw), hashlib.md5(raw, usedforsecurity=False).hexdigest(), hashlib.sha256(raw).hexdigest()
        )
        for name, raw in FILES.items()
    )
    with Server(dict(FILES)) as server:
        monkeypatch.setitem(module.SETS, "tiny", module._Set((f"http://127.0.0.1:{server.server_port}/x",), published))
        monkeypatch.setattr(downloads, "PAUSE", 0.0)
        monkeypatch.setenv("no_proxy", "*")
        yield server


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_arrive_whole_and_only_once(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    paths = fetch("tiny", tmp_path / "new", progress=lambda *at: seen.append(at))
    assert paths == [tmp_path / "new" / name for name in FILES]
    assert contents(tmp_path / "new") == FILES
    assert seen == sorted(seen)
    assert seen[-1] == (705_000, 705_000)
    fetch("tiny", tmp_path / "new")
    assert len(server.asked) == 2


@pytest.mark.parametrize("ranges", [True, False])
def test_a_partial_download_is_resumed(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges = ranges
    (tmp_path / "a.bin.part").write_bytes(FILES["a.bin"][:300_000])
    fetch("tiny", tmp_path)
    assert server.asked[0] == ("a.bin", "bytes=300000-")
    assert contents(tmp_path) == FILES


def test_a_server_that_dies_midway_is_asked_for_the_rest(server: Server, tmp_path: Path) -> None:
    server.die_after = 250_000
    fetch("tiny", tmp_path)
    assert [ask for name, ask in server.asked if name == "a.bin"] == [None, "bytes=250000-", "bytes=500000-"]
    assert contents(tmp_path) == FILES


def test_what_arrived_is_kept_for_the_next_time(server: Server, tmp_path: Path) -> None:
    server.die_after = 100_000
    with pytest.raises(InputError, match="connection ended after 400000 of 700000 bytes") as caught:
        fetch("tiny", tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "a.bin.part").stat().st_size == 400_000
    server.die_after = None
    fetch("tiny", tmp_path)
    assert contents(tmp_path) == FILES


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.failures = 2
    fetch("tiny", tmp_path)
    assert contents(tmp_path) == FILES


def test_a_file_that_is_not_the_published_one(server: Server, tmp_path: Path) -> None:
    server.served["a.bin"] = bytes(700_000)
    with pytest.raises(InputError, match="not the published file"):
        fetch("tiny", tmp_path)
    assert contents(tmp_path) == {}
    assert len(server.asked) == 1


def test_a_damaged_part_is_thrown_away(server: Server, tmp_path: Path) -> None:
    for part in (bytes(300_000), bytes(700_000), bytes(800_000)):
        (tmp_path / "a.bin.part").write_bytes(part)
        fetch("tiny", tmp_path)
        assert contents(tmp_path) == FILES
        (tmp_path / "a.bin").unlink()


def test_a_damaged_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(700_000))
    (tmp_path / "b.bin").write_bytes(b"short")
    fetch("tiny", tmp_path)
    assert contents(tmp_path) == FILES


def test_an_answer_without_end_is_cut_off(server: Server, tmp_path: Path) -> None:
    server.served["b.bin"] = bytes(3_000_000)
    with pytest.raises(InputError, match="could not be fetched"):
        fetch("tiny", tmp_path)


def test_the_next_address_is_tried(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = module.SETS["tiny"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        bases = (f"http://127.0.0.1:{closed.getsockname()[1]}", *good.addresses)
        monkeypatch.setitem(module.SETS, "tiny", module._Set(bases, good.files))
        fetch("tiny", tmp_path)
    assert contents(tmp_path) == FILES


def test_a_mirror_takes_the_place_of_the_owner(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = module.SETS["tiny"].files
    monkeypatch.setitem(module.SETS, "tiny", module._Set(("http://owner.invalid",), files))
    fetch("tiny", tmp_path, mirror=f"http://127.0.0.1:{server.server_port}/")
    assert contents(tmp_path) == FILES
    with pytest.raises(InputError, match="starts with http"):
        fetch("tiny", tmp_path, mirror="file:///etc")


def test_refusals_are_one_line_and_not_repeated(server: Server, tmp_path: Path) -> None:
    server.status = 403
    with pytest.raises(InputError, match="the server says 403 Forbidden") as caught:
        fetch("tiny", tmp_path)
    assert "name a mirror" in str(caught.value)
    assert len(server.asked) == 1


def test_no_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(InputError, match=r"Name or service not known.*check the network") as caught:
        fetch("mnist", tmp_path)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == {}


def test_a_silent_server_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT", 0.1)
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(InputError, match="timed out"):
            fetch("mnist", tmp_path, mirror=f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_a_full_disk_is_one_line(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads, "resume", full)
    with pytest.raises(InputError, match="cannot be written: the disk is full"):
        fetch("tiny", tmp_path)


def test_unknown_names_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of mnist, fashion-mnist, cifar10, cifar100"):
        fetch("imagenet", tmp_path)


def test_the_table_is_well_formed() -> None:
    for chosen in module.SETS.values():
        assert all(address.startswith("http") and not address.endswith("/") for address in chosen.addresses)
        for file in chosen.files:
            assert (len(file.md5), len(file.sha256)) == (32, 64)
            assert file.size_bytes > 4000
