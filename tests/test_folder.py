"""The model folder: what is written is read back, nothing in it runs, and what is damaged says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import ganvas
from ganvas import folder
from ganvas.errors import InputError
from ganvas.folder import Description
from tests import tiny

FULL = Description(
    paper="wgan",
    preset="wgan-digits",
    config={"resolution": 8, "channels": 1, "num_classes": 2},
    class_names=["ant", "naïve"],
    preprocessing={"fit": "crop"},
    data={"name": "ants", "count": 7, "fingerprint": "0123456789abcdef"},
    training={"seed": 3, "precision": "fp32"},
    notes=["imported from elsewhere"],
)


def test_the_description_round_trips(tmp_path: Path) -> None:
    folder.write_description(tmp_path, FULL)
    assert folder.read(tmp_path) == FULL
    assert "naïve" in (tmp_path / "config.json").read_text(encoding="utf-8")


def test_a_description_from_the_future_minor_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**FULL.model_dump(), "something_new": 1}))
    assert folder.read(tmp_path) == FULL


def test_weights_round_trip_with_their_facts(tmp_path: Path) -> None:
    tensors = {
        "G.w": torch.arange(6.0).view(2, 3).t(),
        "G.n": torch.tensor(3),
        "D.b": torch.ones(2, requires_grad=True),
    }
    folder.write_weights(tmp_path, tensors, {"images_seen": "12"})
    read = folder.read_weights(tmp_path)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[k], v) for k, v in tensors.items())
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata()["images_seen"] == "12"


def test_the_config_rebuilds_the_same_model(tmp_path: Path) -> None:
    gan = tiny.build("wgan-gp-acgan")
    config = gan.config.model_dump()
    folder.write_description(tmp_path, Description(paper="wgan", config=config, class_names=["ant", "bee", "cat"]))
    folder.write_weights(tmp_path, gan.state_dict(), {})
    again = ganvas.load(tmp_path, "cpu")
    assert again.config == gan.config
    assert again.class_names == ["ant", "bee", "cat"]
    assert torch.equal(again.sample(5, seed=2, classes=1), gan.sample(5, seed=2, classes=1))
    assert torch.equal(again.sample(5, seed=2, classes="bee"), gan.sample(5, seed=2, classes=1))
    several = again.sample(3, seed=2, classes=["cat", 0, "1"])
    torch.testing.assert_close(several[2:], again.sample(1, seed=4, classes="bee"), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="2 classes for 3 images"):
        again.sample(3, classes=["cat", 0])


def test_the_card_says_what_the_folder_holds(tmp_path: Path) -> None:
    folder.write_card(tmp_path, FULL, "WGAN (2017)", {"G": 1234, "D": 56}, "After 99 images")
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    for expected in (
        "# wgan-digits", "WGAN (2017)", "samples.png", "ganvas sample .", "8x8, 1 channels", "ant, naïve", "G 1,234",
        "ants (7 images, fingerprint 0123456789ab)", "Seed 3", "After 99 images", "imported from elsewhere",
        "| resolution | 8 |",
    ):  # fmt: skip
        assert expected in card


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read"),
        ("[1]", "does not describe a model"),
        ("{}", "does not describe a model"),
        ('{"paper": 3, "config": {}}', "does not describe a model"),
        ('{"paper": "wgan", "config": [], "format": 1}', "does not describe a model"),
        ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "cannot be read"),
    ],
)
def test_a_damaged_description_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=says) as error:
        folder.read(tmp_path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_one_line(keep: int, tmp_path: Path) -> None:
    folder.write_weights(tmp_path, {"w": torch.ones(100)}, {})
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="is damaged") as error:
        folder.read_weights(tmp_path)
    assert len(str(error.value).splitlines()) == 1


def test_a_pickle_by_another_name_is_refused_and_does_not_run(tmp_path: Path) -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "it ran",)

    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="is damaged"):
        folder.read_weights(tmp_path)
    assert not (tmp_path / "it ran").exists()


def test_weights_of_another_shape_are_one_line(tmp_path: Path) -> None:
    gan = tiny.build("wgan")
    folder.write_description(tmp_path, Description(paper="wgan", config=gan.config.model_dump() | {"G_width": 8}))
    folder.write_weights(tmp_path, gan.state_dict(), {})
    with pytest.raises(InputError, match=r"weights and config.json do not belong together") as error:
        ganvas.load(tmp_path, "cpu")
    assert len(str(error.value).splitlines()) == 1
