"""The model folder: what is written is read back, nothing in it runs, and what is damaged says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

import ganvas
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.models import folder
from ganvas.models.folder import Description
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


def test_a_card_has_no_empty_classes(tmp_path: Path) -> None:
    gan = tiny.build("biggan")
    for names, line in (([], None), (["", " "], None), (["ant", "b\nc"], "- Classes: ant, b\\nc")):
        folder.write_card(gan, tmp_path, Description(paper="biggan", config={}, class_names=names), "")
        text = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert [row for row in text.splitlines() if "Classes" in row] == ([line] if line else [])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda t: t.fill_(torch.nan), "holds numbers that are not finite, which make no images"),
        (lambda t: t.fill_(torch.inf), "holds numbers that are not finite, which make no images"),
        (lambda t: t.to(torch.int64), "is of type I64, expected floats"),
        (lambda t: t[:1].clone(), "weights and config.json do not belong together: G."),
    ],
)
def test_weights_that_make_no_images_say_so(damage: Any, says: str, tmp_path: Path) -> None:
    gan = tiny.build("biggan")
    folder.write(gan, tmp_path, Description(paper="biggan", config=gan.config.counting()), {}, "")
    state = gan.model_state()
    name = next(key for key in state if key.endswith("weight"))
    folder.write_weights(tmp_path, {**state, name: damage(state[name].clone())}, {})
    with pytest.raises(InputError, match=says) as error:
        ganvas.load(tmp_path, "cpu")
    assert "\n" not in str(error.value)


def test_weights_in_half_precision_are_read(tmp_path: Path) -> None:
    gan = tiny.build("biggan")
    folder.write(gan, tmp_path, Description(paper="biggan", config=gan.config.counting()), {}, "")
    halves = {k: v.half() if v.is_floating_point() else v for k, v in gan.model_state().items()}
    folder.write_weights(tmp_path, halves, {})
    torch.testing.assert_close(ganvas.load(tmp_path, "cpu").sample(2), gan.sample(2), atol=0.01, rtol=0)


@pytest.mark.parametrize("names", [["ant"], ["a", "b", "c", "d"]])
def test_names_for_another_number_of_classes_are_one_line(names: list[str], tmp_path: Path) -> None:
    gan = tiny.build("biggan")
    folder.write(gan, tmp_path, Description(paper="biggan", config=gan.config.counting(), class_names=names), {}, "")
    with pytest.raises(InputError, match=f"{len(names)} class_names for 3 classes; expected a name for each, or none"):
        ganvas.load(tmp_path, "cpu")


@pytest.mark.parametrize(
    ("field", "value"),
    [("G_ch", 10**7), ("G_ch", 60_000), ("resolution", 4096), ("dim_z", 10**12), ("num_classes", 10**9)],
)
def test_absurd_sizes_are_refused_before_memory_is_taken(
    field: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = tiny.build("biggan", hier=False)
    folder.write(gan, tmp_path, Description(paper="biggan", config=gan.config.counting()), {}, "")
    folder.write_description(tmp_path, Description(paper="biggan", config={**gan.config.counting(), field: value}))
    monkeypatch.setattr(torch.nn.Module, "to_empty", lambda *_, **__: pytest.fail("memory was taken"))
    with pytest.raises(InputError, match=rf"do not belong together|{field}=|no networks of these sizes") as error:
        ganvas.load(tmp_path, "cpu")
    assert "\n" not in str(error.value)


def test_another_users_weights_are_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gan = tiny.build("wgan")
    folder.write(gan, tmp_path, Description(paper="wgan", config=gan.config.counting()), {}, "")
    opened = Path.open

    def refuse(self: Path, *args: Any, **options: Any) -> Any:
        if self.name == "model.safetensors":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"model\.safetensors cannot be read: permission denied"):
        ganvas.load(tmp_path, "cpu")


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


def test_a_later_format_is_refused_and_the_first_one_read(tmp_path: Path) -> None:
    """The first held every field of the Config, those that do not count among them."""
    assert FULL.format == folder.FORMAT == 2
    (tmp_path / "config.json").write_text(json.dumps({**FULL.model_dump(), "format": 3}))
    with pytest.raises(InputError, match="has format 3, this ganvas reads up to 2; install a newer ganvas"):
        folder.read(tmp_path)
    gan = tiny.build("wgan")
    every = gan.config.model_dump()
    assert set(every) > set(gan.config.counting())
    (tmp_path / "config.json").write_text(json.dumps({"format": 1, "paper": "wgan", "config": every}))
    folder.write_weights(tmp_path, gan.model_state(), {})
    again = ganvas.load(tmp_path, "cpu")
    assert again.config == gan.config
    assert torch.equal(again.sample(3), gan.sample(3))


@pytest.mark.parametrize("name", tiny.TINY)
def test_the_fields_that_count_are_the_config(name: str) -> None:
    config = tiny.build(name).config
    assert folder.config_of(Description(paper=tiny.TINY[name][0], config=json_of(config.counting()))) == config


def json_of(values: dict[str, Any]) -> dict[str, Any]:
    """As they come back from a file."""
    read: dict[str, Any] = json.loads(json.dumps(values))
    return read


def test_what_is_no_config_is_refused() -> None:
    with pytest.raises(InputError, match="unknown key nonsense"):
        folder.config_of(Description(paper="wgan", config={"nonsense": 1}))


def written(gan: GAN, out: Path, class_names: list[str] | None = None) -> Path:
    """The model folder of a tiny WGAN."""
    description = Description(paper="wgan", config=gan.config.counting(), class_names=class_names or [])
    folder.write(gan, out, description, {"images_seen": "12"}, "After 12 images")
    return out


def test_a_folder_is_written_whole_but_for_its_picture(tmp_path: Path) -> None:
    gan = tiny.build("wgan")
    written(gan, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert folder.read_facts(tmp_path) == {"images_seen": "12"}
    assert folder.read(tmp_path).config == json_of(gan.config.counting())
    assert "After 12 images" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_the_memory_of_training_stays_out_of_the_folder(tmp_path: Path) -> None:
    gan = tiny.build("wgan")
    gan.memory.register_buffer("pool", torch.ones(3))
    assert "memory.pool" in gan.state_dict()
    weights = folder.read_weights(written(gan, tmp_path))
    assert weights.keys() == gan.state_dict().keys() - {"memory.pool"}
    other = tiny.build("wgan", seed=1)
    other.memory.register_buffer("pool", torch.full((3,), 2.0))
    other.load_model_state(weights)
    assert torch.equal(other.sample(2), gan.sample(2))
    assert torch.equal(other.memory.get_buffer("pool"), torch.full((3,), 2.0))  # its own, as it was
    with pytest.raises(RuntimeError, match="Missing key"):
        other.load_model_state({k: v for k, v in weights.items() if not k.startswith("G.")})


def test_what_is_loaded_samples_and_does_not_learn(tmp_path: Path) -> None:
    again = ganvas.load(written(tiny.build("wgan"), tmp_path), "cpu")
    assert not any(module.training for module in again.modules())
    assert not any(p.requires_grad for p in again.parameters())


def test_the_config_rebuilds_the_same_model(tmp_path: Path) -> None:
    gan = tiny.build("wgan-gp-acgan")
    written(gan, tmp_path, ["ant", "bee", "cat"])
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
    gan = tiny.build("wgan", G_net="mlp", D_net="mlp", G_width=7)  # 4 x 7 + 7 + 2 (7 x 7 + 7) + 7 x 64 + 64 weights
    folder.write_card(gan, tmp_path, FULL, "After 99 images")
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    for expected in (
        "# wgan-digits", gan.title, "samples.png", "ganvas sample .", "8x8, 1 channels", "ant, naïve", "G 659,",
        "ants (7 images, fingerprint 0123456789ab)", "Seed 3", "After 99 images", "imported from elsewhere",
        "| resolution | 8 |", "| clip | 0.01 |",
    ):  # fmt: skip
        assert expected in card
    assert "| beta1 |" not in card  # it counts with Adam alone


def test_the_card_of_points_speaks_of_coordinates(tmp_path: Path) -> None:
    for channels, text in ((1, "points of 1 coordinate\n"), (2, "points of 2 coordinates\n")):
        gan = tiny.build("wgan", resolution=0, channels=channels, G_net="toy", D_net="toy")
        folder.write_card(gan, tmp_path, Description(paper="wgan", config={}), "")
        assert f"- Output: {text}" in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is damaged"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"paper": "wgan", "config": ' + '{"a":' * 100_000, "is nested too deeply"),
        ("[1]", "does not describe a model: it is no table of fields"),
        ("{}", "does not describe a model: paper is missing"),
        ('{"paper": 3, "config": {}}', "model: paper=3 given, expected a valid string"),
        (
            '{"paper": "wgan", "config": [], "format": 1}',
            r"model: config=\[\] given, expected a valid dictionary",
        ),
        ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "is damaged"),
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
    folder.write_description(tmp_path, Description(paper="wgan", config=gan.config.counting() | {"G_width": 8}))
    folder.write_weights(tmp_path, gan.model_state(), {})
    with pytest.raises(InputError, match=r"weights and config.json do not belong together") as error:
        ganvas.load(tmp_path, "cpu")
    assert len(str(error.value).splitlines()) == 1
