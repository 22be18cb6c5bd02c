"""Model folders, weights, checkpoints, scores and presets, given damaged files: an answer or one line."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ganvas
from ganvas.errors import InputError
from ganvas.features.files import load_state, load_tensors, save_tensors
from ganvas.files import read_json
from ganvas.metrics.protocol import Protocol, Score, read_scores, write_scores
from ganvas.models import folder
from ganvas.models.folder import Description
from ganvas.presets import read_preset
from ganvas.pretrained.foreign import read_foreign
from ganvas.pretrained.safe_pickle import read_pickle
from tests import tiny
from tests.damage import Edit, damaged, fuzzed

STATE = {"a.weight": torch.ones(3, 2), "b": torch.zeros(4, dtype=torch.float64), "n": torch.tensor(3)}


def model(root: Path) -> Path:
    """A whole model folder."""
    gan = tiny.build("biggan")
    description = Description(paper="biggan", config=gan.config.counting(), class_names=["ant", "bee", "cat"])
    folder.write(gan, root / "model", description, {"images_seen": "3"}, "")
    return root / "model"


def config(root: Path) -> tuple[Path, Callable[[], Any]]:
    path = model(root)
    return path / "config.json", lambda: ganvas.load(path, "cpu")


def weights(root: Path) -> tuple[Path, Callable[[], Any]]:
    path = model(root)
    return path / "model.safetensors", lambda: ganvas.load(path, "cpu")


def foreign(name: str, **options: Any) -> Callable[[Path], tuple[Path, Callable[[], Any]]]:
    def make(root: Path) -> tuple[Path, Callable[[], Any]]:
        path = root / name
        if name.endswith(".npz"):
            np.savez(path, **{key: value.numpy() for key, value in STATE.items()})
        elif name.endswith(".safetensors"):
            save_file(STATE, path)
        else:
            torch.save(STATE, path, **options)
        return path, lambda: (read_foreign(path), None if name.endswith(".npz") else load_state(path))

    return make


def network(root: Path) -> tuple[Path, Callable[[], Any]]:
    (root / "n.pkl").write_bytes(pickle.dumps({"G": [np.ones(3), {"a": (1, 2.0, "x")}]}, protocol=4))
    return root / "n.pkl", lambda: read_pickle(root / "n.pkl")


def scores(root: Path) -> tuple[Path, Callable[[], Any]]:
    write_scores(root / "s.json", "a", [Score(name="FD-own", value=1.5, protocol=Protocol(seeds=(1,)))])
    return root / "s.json", lambda: read_scores(root / "s.json")


def preset(root: Path) -> tuple[Path, Callable[[], Any]]:
    (root / "m.toml").write_text('base = "biggan-digits"\nabout = "wide"\nG_ch = 32\nG_attention = [8]\n')
    return root / "m.toml", lambda: read_preset(root / "m.toml")


def kept(root: Path) -> tuple[Path, Callable[[], Any]]:
    save_tensors(root / "k.safetensors", STATE, {"a": 1})
    return root / "k.json", lambda: load_tensors(root / "k.safetensors")


def plain(root: Path) -> tuple[Path, Callable[[], Any]]:
    (root / "j.json").write_text(json.dumps({"a": [1, 2.5, {"b": None}]}))
    return root / "j.json", lambda: read_json(root / "j.json")


MADE = {
    "config": config,
    "weights": weights,
    "pth": foreign("a.pth"),
    "legacy": foreign("a.pth", _use_new_zipfile_serialization=False),
    "npz": foreign("a.npz"),
    "safetensors": foreign("a.safetensors"),
    "pickle": network,
    "scores": scores,
    "preset": preset,
    "kept": kept,
    "json": plain,
}


@pytest.mark.parametrize("name", MADE)
def test_damage_is_one_line(name: str, tmp_path: Path) -> None:
    victim, read = MADE[name](tmp_path)
    whole = victim.read_bytes()
    read()

    @fuzzed(40)
    def one(edits: list[Edit]) -> None:
        victim.write_bytes(damaged(whole, edits))
        with contextlib.suppress(InputError):
            read()

    one()


@fuzzed(60)
def test_damaged_legacy_weights_in_their_first_bytes(tmp_path: Path, edits: list[Edit]) -> None:
    """The format before zip is a row of pickles: most of it is instructions."""
    path = tmp_path / "a.pth"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(damaged(path.read_bytes(), edits))
    with contextlib.suppress(InputError):
        read_foreign(path)


@pytest.mark.parametrize("junk", [b"", b"\x80\x02", b"\x80\x02}q\x00(X\x05" + b"z" * 500, b"PK\x03\x04" * 9, b"hello"])
def test_weights_of_junk_are_one_line(junk: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(junk)
    with pytest.raises(InputError, match=r"a\.pth cannot be read: |a\.pth holds") as error:
        read_foreign(tmp_path / "a.pth")
    assert len(str(error.value)) < 300


def test_every_flipped_byte_of_the_weights_is_noticed(tmp_path: Path) -> None:
    """One flip in every 997th byte of the numbers: the hash in the header tells."""
    path = model(tmp_path) / "model.safetensors"
    whole = path.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    for at in range(start, len(whole), 997):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(InputError, match="is damaged: its numbers are not those that were written"):
            ganvas.load(path.parent, "cpu")
