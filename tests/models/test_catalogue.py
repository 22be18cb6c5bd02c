"""Published weights by name: the table, downloads from a server on the loopback, `ganvas import --from-catalogue`."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import ganvas
from ganvas import downloads
from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.models import catalogue, folder, importing
from ganvas.models.catalogue import Entry, File
from ganvas.pretrained import FORMATS
from tests.file_server import Server
from tests.pretrained import hub_recipe

CONTENT = bytes(range(256)) * 300
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def tarred(members: dict[str, bytes]) -> bytes:
    """A .tar.gz of these files, in which a link and a folder stand too."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        link = tarfile.TarInfo("experiment/G_ema_best0.pth")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name, raw in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return buffer.getvalue()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    with Server({"a.bin": CONTENT}) as made:
        yield made


def entry(server: Server, **file: Any) -> Entry:
    values = {"name": "a.bin", "address": f"{server.address}/x/a.bin", "most_mb": 1, **file}
    return Entry("one", "biggan-deep-hub", "biggan", "weights", "CC-BY-NC-4.0", "FID 3", (File(**values),))


# ---- the table
@pytest.mark.parametrize("name", catalogue.entries())
def test_entries_are_complete(name: str) -> None:
    found = catalogue.entry(name)
    assert found.format in FORMATS
    assert all((found.about, found.licence, found.published, found.paper))
    assert bool(found.files) != bool(found.page)
    assert found.page.startswith("https://") or all(file.address.startswith("https://") for file in found.files)
    assert all(0 < file.most_mb <= 2000 for file in found.files)
    assert found.files or found.recalled in ((), ("page",))
    said = "\n".join(found.lines())
    assert found.licence in said
    assert found.page or "SHA-256 not known" in said or len(found.files[0].sha256 or "") == 64


def test_what_is_taken_is_bounded_by_what_a_generator_has() -> None:
    """G_ema of IC-GAN at 64 pixels has 36,655,876 numbers, at 256 pixels with classes 92,299,908."""
    for name, numbers in (("icgan-imagenet-64", 36_655_876), ("cc-icgan-imagenet-256", 92_299_908)):
        (file,) = catalogue.entry(name).files
        assert numbers * 4 < file.most_mb * 2**20 < numbers * 12


def test_unknown_name() -> None:
    with pytest.raises(InputError, match="no published weights named 'biggan-1024'; known: biggan-128, biggan-256"):
        catalogue.entry("biggan-1024")


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--catalogue"]) == 0
    said = capsys.readouterr().out
    assert "icgan-imagenet-256: IC-GAN on BigGAN" in said
    assert "    licence: CC-BY-NC-4.0: not for commercial use" in said
    assert main(["models", "--catalogue", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(catalogue.entries())


# ---- downloads
def test_a_file_of_a_known_checksum(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = entry(server, sha256=SHA256)
    for _ in range(2):
        (path,) = catalogue.fetch(found, tmp_path / "w", report=lambda *at: seen.append(at))
        assert path.read_bytes() == CONTENT
    assert len(server.asked) == 1  # what is there and whole is kept
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert catalogue.notes(found, tmp_path / "w") == [f"{server.address}/x/a.bin, SHA-256 {SHA256}"]


def test_a_damaged_file_that_lies_there_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT[:-1] + b"x")
    (path,) = catalogue.fetch(entry(server, sha256=SHA256), tmp_path)
    assert path.read_bytes() == CONTENT


def test_another_file_is_not_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the published file") as caught:
        catalogue.fetch(entry(server, sha256="0" * 64), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_without_a_checksum_the_length_is_what_is_checked(server: Server, tmp_path: Path) -> None:
    found = entry(server)
    server.die_after = 40_000
    (path,) = catalogue.fetch(found, tmp_path)  # dies once, is asked for the rest
    assert path.read_bytes() == CONTENT
    assert [ask for _, ask in server.asked] == [None, "bytes=40000-"]
    (note,) = catalogue.notes(found, tmp_path)
    assert SHA256 in note
    assert "the published one is not known" in note


def test_halves_of_unlike_files_are_never_joined(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(b"y" * 1000)
    (path,) = catalogue.fetch(entry(server), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [("a.bin", None)]


@pytest.mark.parametrize("sha256", [None, SHA256])
def test_a_file_that_is_too_large_is_cut_off(server: Server, tmp_path: Path, sha256: str | None) -> None:
    server.served["a.bin"] = bytes(3 << 20)
    with pytest.raises(InputError, match="larger than the 1,048,576 bytes that it may have"):
        catalogue.fetch(entry(server, sha256=sha256), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_mirror_takes_the_place_of_the_owner(server: Server, tmp_path: Path) -> None:
    found = entry(server, address="http://owner.invalid/a.bin", sha256=SHA256)
    (path,) = catalogue.fetch(found, tmp_path, mirror=f"{server.address}/")
    assert path.read_bytes() == CONTENT
    with pytest.raises(InputError, match="starts with http"):
        catalogue.fetch(found, tmp_path, mirror="file:///etc")


def test_pages_are_for_people(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"open https://drive\.google\.com.*, then ganvas import biggan-pytorch FILE"):
        catalogue.fetch(catalogue.entry("biggan-pytorch-128"), tmp_path)


# ---- checksums that a person trusts
def test_checksums(server: Server) -> None:
    found = entry(server)
    assert catalogue.with_sums(found, [SHA256.upper()]).files[0].sha256 == SHA256
    for given, says in (
        (["abc"], "expected 64 hexadecimal digits"),
        ([SHA256, SHA256], r"given 2 times, expected one for each of a\.bin"),
    ):
        with pytest.raises(InputError, match=says):
            catalogue.with_sums(found, given)
    with pytest.raises(InputError, match=f"is not the known one of a.bin, {SHA256}"):
        catalogue.with_sums(entry(server, sha256=SHA256), ["0" * 64])


# ---- archives
def archive(server: Server, raw: bytes, **file: Any) -> Entry:
    server.served["a.tar.gz"] = raw
    values = {"name": "G.pth", "member": "G_ema_best0.pth", "address": f"{server.address}/a.tar.gz", **file}
    return entry(server, **values)


def test_the_wanted_file_is_taken_out_and_no_other(server: Server, tmp_path: Path) -> None:
    raw = tarred({"../../../evil": b"x", "e/state_dict_best0.pth": b"pickle", "e/G_ema_best0.pth": CONTENT})
    (path,) = catalogue.fetch(archive(server, raw), tmp_path / "w")
    assert path == tmp_path / "w" / "G.pth"
    assert path.read_bytes() == CONTENT
    assert {p.name for p in tmp_path.rglob("*")} == {"w", "a.tar.gz", "G.pth"}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (tarred({"e/D.pth": b"x"}), r"a\.tar\.gz holds no G_ema_best0\.pth"),
        (tarred({"e/big": bytes(2 << 20), "G_ema_best0.pth": b"x"}), "unpacks to more than 1,048,576 bytes"),
        (tarred({"e/G_ema_best0.pth": bytes(2 << 20)}), "unpacks to more than 1,048,576 bytes"),
        (b"<html>no such file</html>", r"a\.tar\.gz is damaged"),
        (tarred({"e/G_ema_best0.pth": CONTENT * 3})[:900], r"a\.tar\.gz is damaged"),
    ],
    ids=["other", "bomb beside", "bomb", "page", "half"],
)
def test_odd_archives_are_one_line(server: Server, tmp_path: Path, raw: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        catalogue.fetch(archive(server, raw), tmp_path / "w")
    assert "\n" not in str(caught.value)
    assert {p.name for p in tmp_path.rglob("*")} == {"w", "a.tar.gz"}


# ---- the command
@pytest.fixture
def published(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A tiny BigGAN-deep of the hub's format, the only entry of the table."""
    torch.save(hub_recipe.deep_state(), tmp_path / "w.bin")
    server.served["w.bin"] = (tmp_path / "w.bin").read_bytes()
    server.served["c.json"] = json.dumps(hub_recipe.DEEP_CONFIG).encode()
    files = (
        File("pytorch_model.bin", f"{server.address}/w.bin", 8),
        File("config.json", f"{server.address}/c.json", 1, hashlib.sha256(server.served["c.json"]).hexdigest()),
    )
    found = replace(entry(server), name="deep", files=files)
    monkeypatch.setattr(catalogue, "entries", lambda: {"deep": found})
    monkeypatch.setattr(importing.grid, "save", lambda *_: None)  # the picture takes longer than all the rest
    monkeypatch.setattr(importing.grid, "drawn", lambda *_: None)
    monkeypatch.setattr(ganvas.gan.GAN, "sheet", lambda *_: None)
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    return found


COMMAND = ["import", "--from-catalogue", "deep", "--out"]


def test_published_weights_become_a_model_folder(
    published: Entry, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, str(tmp_path / "m"), "--accept-licence"]) == 0
    said = capsys.readouterr().err
    for line in ("licence: CC-BY-NC-4.0", "published: FID 3", "pytorch_model.bin SHA-256 not known"):
        assert line in said
    description = folder.read(tmp_path / "m")
    assert description.licence == "CC-BY-NC-4.0"
    sums = [hashlib.sha256(server.served[name]).hexdigest() for name in ("w.bin", "c.json")]
    assert description.notes[1].startswith(f"{server.address}/w.bin, SHA-256 {sums[0]} (of what was fetched")
    assert description.notes[2] == f"{server.address}/c.json, SHA-256 {sums[1]}"
    assert 'license: "cc-by-nc-4.0"' in (tmp_path / "m" / "README.md").read_text()
    assert ganvas.load(tmp_path / "m", "cpu").sample(1, classes=2).shape == (1, 3, 128, 128)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("\n", 2), ("no\n", 2), ("", 2)])
def test_the_licence_is_asked_for_before_anything_is_fetched(
    published: Entry, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], answer: str, status: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main([*COMMAND, str(tmp_path / "m")]) == status
    said = capsys.readouterr().err
    assert said.index("licence: CC-BY-NC-4.0") < said.index("[y/N]")
    assert bool(server.asked) == (status == 0)
    assert ("the licence was not accepted; nothing was fetched" in said) == (status == 2)


def test_where_nobody_can_be_asked_the_option_is_named(
    published: Entry, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main([*COMMAND, str(tmp_path / "m")]) == 2
    assert "add --accept-licence once you have read it" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    assert main([*COMMAND, str(tmp_path / "full"), "--accept-licence"]) == 2
    assert not server.asked


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["import", "--out", "m"], "FORMAT and FILE expected, or --from-catalogue NAME"),
        (["import", "icgan", "--out", "m"], "FORMAT and FILE expected, or --from-catalogue NAME"),
        (["import", "icgan", "a.pth", "--out", "m", "--accept-licence"], "--accept-licence given without"),
        (
            ["import", "icgan", "a.pth", "--from-catalogue", "cyclegan", "--out", "m"],
            "icgan given with --from-catalogue",
        ),
        (["import", "--from-catalogue", "nothing", "--out", "m"], "no published weights named 'nothing'"),
        (["import", "--from-catalogue", "cyclegan", "--out", "m"], "open https://github.com/junyanz/"),
    ],
)
def test_wrong_requests_are_one_line(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())
