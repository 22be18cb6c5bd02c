"""From Python: `ganvas.load`, `gan.sample`, the helpers; a recipe takes from the data what its preset leaves open."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import api
from ganvas.data import peek
from ganvas.engine.log import Screen
from ganvas.gan import GAN
from tests.engine import running


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of a run whose folder and data are gone."""
    base = tmp_path_factory.mktemp("model")
    (base / "data").mkdir()
    for i in range(6):
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(base / "data" / f"{i}.png")
    recipe = [
        "wgan-32",
        "--resolution",
        "8",
        "--set",
        "G_width=2",
        "D_width=2",
        "batch=4",
        "dim_z=4",
        "long_first=0",
        "long_every=0",
    ]
    data = ["--data", str(base / "data"), "--images", "60"]
    assert running.train(base / "run", *data, recipe=recipe) == 0
    shutil.copytree(base / "run", base / "elsewhere" / "model", ignore=shutil.ignore_patterns("checkpoints", "best"))
    shutil.rmtree(base / "run")
    shutil.rmtree(base / "data")
    return base / "elsewhere" / "model"


def test_a_folder_samples_elsewhere_without_run_and_data(model: Path) -> None:
    gan = ganvas.load(model, device="cpu")
    assert isinstance(gan, GAN)
    assert isinstance(gan.G, torch.nn.Module)
    assert not gan.training
    images = gan.sample(n=16, seed=0)
    assert images.shape == (16, 3, 8, 8)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1.0
    assert images.std() > 0.0
    assert torch.equal(images, ganvas.load(str(model), "cpu").sample(n=16, seed=0))


def test_points_are_pairs(tmp_path: Path) -> None:
    assert running.train(tmp_path / "toy", "--images", "64") == 0
    x = ganvas.load(tmp_path / "toy", "cpu").sample(n=16, seed=0)
    assert x.shape == (16, 2)
    assert ganvas.to_pil(x).mode == "RGB"


def test_the_helpers_round_and_lay_out() -> None:
    x = torch.tensor([-1.0, 0.0, 1.0, 2.0, 0.5 / 127.5])[:, None, None, None].expand(5, 3, 2, 4)
    array = ganvas.to_uint8(x)
    assert array.shape == (5, 2, 4, 3)
    assert array.dtype == np.uint8
    assert array[:, 0, 0, 0].tolist() == [0, 128, 255, 255, 128]
    assert ganvas.to_pil(x[2]).size == (4, 2)
    assert ganvas.to_pil(x[2]).getpixel((0, 0)) == (255, 255, 255)
    assert ganvas.to_pil(x[:, :1]).mode == "L"
    assert ganvas.to_pil(x).size[0] > 4 * 2


def test_everything_public_is_there() -> None:
    assert {name for name in ganvas.__all__ if getattr(ganvas, name) is None} == set()
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        getattr(ganvas, "non" + "sense")


@pytest.mark.parametrize("preset", ["wgan-gp-cifar10-acgan", "wgan-gp-cifar10"])
def test_resolution_channels_and_classes_come_from_the_data(preset: str) -> None:
    config = api.recipe(preset, peek("digits")).config
    assert config.channels == 1
    assert config.num_classes == (10 if preset.endswith("acgan") else 0)
    assert config.resolution == 32
    assert api.recipe(preset, peek("digits"), None, {"channels": 3}).config.channels == 3


def test_the_preset_that_fits_goes_by_the_resolution_that_was_asked_for() -> None:
    kind = peek("digits")
    assert api.recipe("wgan", kind).preset == "wgan-digits"
    assert api.recipe("wgan", kind, 64).preset == "wgan-64"
    assert api.recipe("wgan", kind, None, {"resolution": 64}).preset == "wgan-64"


def test_the_weights_are_a_function_of_the_seed_and_leave_the_global_one_alone() -> None:
    recipe = api.recipe("wgan-gp-toy", peek("ring8"), None, {"G_width": 4, "D_width": 4})
    before = torch.get_rng_state()
    first, again, other = (recipe.build(seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(v, again[k]) for k, v in first.items())
    assert any(not torch.equal(v, other[k]) for k, v in first.items())


def test_counting_needs_no_memory() -> None:
    gan = api.recipe("wgan-gp-64", peek("digits"), 64, {"channels": 3}).on_meta()
    assert all(p.is_meta for p in gan.parameters())
    assert gan.parameter_counts() == {"G": 8_540_483, "D": 7_491_841}


def test_settings_that_fit_no_network_are_found_before_anything_is_made() -> None:
    recipe = api.recipe("wgan-gp-digits", peek("digits"), None, {"D_net": "toy"})
    with pytest.raises(ganvas.InputError, match="toy networks make points, these data are images"):
        api.rehearse(recipe)


def test_training_rehearses_before_it_reads_or_makes_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails in a loss alone is found then, not after an hour of decoding."""
    from ganvas.engine.run import Settings

    def fail(self: Any, real: Any, drawn: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr("ganvas.papers.wgan.WGAN.generator_loss", fail)
    recipe = api.recipe("wgan-gp-digits", peek("digits"))
    monkeypatch.setattr(api, "load_data", lambda *_: pytest.fail("the data were read"))
    with pytest.raises(ganvas.InputError, match=r"has no networks that fit these settings \(shapes do not fit\)"):
        api.train(recipe, Settings(data="digits"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_train_from_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ganvas.engine.run import Settings

    recipe = api.recipe(
        "wgan-gp-toy-small", peek("ring8"), None, {"G_width": 8, "D_width": 8, "batch": 32, "images": 64}
    )
    outcome = ganvas.train(recipe, Settings(data="ring8"), tmp_path / "run", Screen())
    assert (outcome.images_seen, outcome.stopped) == (64, None)
    with pytest.raises(ganvas.InputError, match="already exists and is not empty"):
        ganvas.train(recipe, Settings(data="ring8"), tmp_path / "run")
    assert ganvas.load(tmp_path / "run", "cpu").sample(1).shape == (1, 2)
