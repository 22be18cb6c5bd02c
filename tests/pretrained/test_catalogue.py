"""The list of published weights, and what is refused without a checksum."""

from __future__ import annotations

import hashlib
import importlib
import urllib.error

import pytest

from ganvas.errors import InputError
from ganvas.pretrained import FORMATS
from ganvas.pretrained.catalogue import CATALOGUE, Entry, download, entry, expected_sha256

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def fake(url, path):
    path.write_bytes(CONTENT)


@pytest.mark.parametrize("name", CATALOGUE)
def test_entries_are_complete(name):
    found = CATALOGUE[name]
    assert found.url.startswith("https://")
    assert found.published
    assert found.licence
    assert hasattr(importlib.import_module(f"ganvas.pretrained.{found.format}"), "convert")
    assert found.format.replace("_", "-") in FORMATS  # under which name `ganvas import` takes it


def test_unknown_name():
    with pytest.raises(InputError, match="known: biggan-128, biggan-256"):
        entry("biggan-1024")


def test_no_checksum_no_download(tmp_path):
    with pytest.raises(InputError, match="give the one you trust with --sha256"):
        download("biggan-deep-128", tmp_path / "a.bin", retrieve=fake)
    assert not list(tmp_path.iterdir())


def test_checked_download(tmp_path):
    path = download("biggan-deep-128", tmp_path / "a.bin", SHA256.upper(), retrieve=fake)
    assert path.read_bytes() == CONTENT


def test_another_file_is_not_kept(tmp_path):
    with pytest.raises(InputError, match="it was not kept"):
        download("biggan-deep-128", tmp_path / "a.bin", "0" * 64, retrieve=fake)
    assert not list(tmp_path.iterdir())


def test_no_network(tmp_path):
    def offline(url, path):
        raise urllib.error.URLError("no route")

    with pytest.raises(InputError, match="cannot be fetched: no route"):
        download("biggan-deep-128", tmp_path / "a.bin", SHA256, retrieve=offline)


def test_pages_are_for_people(tmp_path):
    with pytest.raises(InputError, match="open https://drive"):
        download("biggan-pytorch-128", tmp_path / "a.pth", SHA256, retrieve=fake)


def test_checksums(monkeypatch):
    known = Entry("https://x", "biggan_hub", "biggan", "", "", "", sha256=SHA256)
    monkeypatch.setitem(CATALOGUE, "x", known)
    assert expected_sha256("x") == SHA256
    with pytest.raises(InputError, match="not the known one"):
        expected_sha256("x", "0" * 64)
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        expected_sha256("biggan-deep-128", "abc")
