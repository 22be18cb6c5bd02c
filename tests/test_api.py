"""From Python: `ganvas.load`, `gan.sample`, the helpers; a recipe takes from the data what its preset leaves open."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganvas
from ganvas import api, devices
from ganvas.cli import main
from ganvas.data import peek
from ganvas.engine.log import Screen
from ganvas.gan import GAN, evaluating
from tests import tiny
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


def test_a_bare_name_fits_its_latents_to_the_size() -> None:
    made = api.recipe("biggan", peek("digits"), 16)
    assert (made.preset, made.config.resolution, made.config.dim_z) == ("biggan-digits", 16, 30)
    made.on_meta()
    with pytest.raises(ganvas.InputError, match="dim_z=32 cannot be cut into 3 equal parts at 16 pixels"):
        api.recipe("biggan-digits", peek("digits"), 16).on_meta()


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
    outcome = api.train(recipe, Settings(data="ring8"), tmp_path / "run", Screen())
    assert (outcome.images_seen, outcome.stopped) == (64, None)
    with pytest.raises(ganvas.InputError, match="already exists and is not empty"):
        api.train(recipe, Settings(data="ring8"), tmp_path / "run")
    assert ganvas.load(tmp_path / "run", "cpu").sample(1).shape == (1, 2)


def test_train_evaluate_check_and_go_on_from_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"G_width": 4, "D_width": 4, "dim_z": 4, "n_critic": 1}
    run = ganvas.train(
        "wgan-gp-digits", data="digits", out=tmp_path / "run", images=np.int64(32), batch=torch.tensor(8), seed=3,
        device="cpu", progress=False, **sizes,
    )  # fmt: skip
    assert (run.folder, run.images_seen, run.stopped, run.collapsed) == (tmp_path / "run", 32, None, False)
    assert capsys.readouterr() == ("", "")
    assert run.load("cpu").sample(2).shape == (2, 1, 16, 16)
    assert ganvas.resume(run.folder, images=48, device="cpu", progress=False).images_seen == 48
    scores = ganvas.evaluate(run.folder, "digits", metrics=["fid"], n=100, device="cpu")
    assert list(scores) == ["FD-own"]
    assert scores["FD-own"] == scores.records[0].value > 0
    assert "100 samples against 1,797 of digits" in repr(scores)
    with pytest.raises(KeyError, match="FID; there are FD-own"):
        scores["FID"]
    scores.save(tmp_path / "s.json")
    assert (tmp_path / "s.json").exists()
    report = ganvas.check("digits", sheet=tmp_path / "sheet.png")
    assert report.classes["7"] == 179
    assert (tmp_path / "sheet.png").exists()
    assert main(["train", "wgan-gp-digits", "--set", *(f"{k}={v}" for k, v in sizes.items()), "--images", "32",
                 "--batch", "8", "--seed", "3", "--device", "cpu", "--out", str(tmp_path / "typed")]) == 0  # fmt: skip
    assert run.load("cpu").config == ganvas.load(tmp_path / "typed", "cpu").config.model_copy(update={"images": 48})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"preset": "nosuch"}, "unknown preset 'nosuch'"),
        ({"data": ""}, "data='' given, expected digits, a toy, or a path"),
        ({"data": "mnist"}, "ganvas fetch mnist"),
        ({"G_chh": 3}, "unknown key G_chh"),
        ({"budget": "soon"}, "budget='soon' given, expected seconds, or a time as '45m', '8h' or '2d'"),
        ({"images": 2.5}, "images=2.5 given, expected a whole number"),
        ({"precision": "fp16"}, "precision='fp16' given, expected fp32 or bf16"),
        ({"device": "nosuch"}, "device 'nosuch' cannot be used here (no device of that name computes here)"),
        ({"settings": {"on_collapse": "cry"}}, "on_collapse='cry' given, expected 'warn', 'stop' or 'rollback'"),
        ({"settings": {"nonsense": 1}}, "nonsense=1 given, which is no field of it"),
        ({"settings": {"seed": 1}}, "settings seed given, which are arguments of train"),
    ],
)
def test_what_is_wrong_with_train_is_one_line(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ganvas.InputError) as error:
        ganvas.train(**{"preset": "wgan-gp-digits", "out": tmp_path / "run", "progress": False, **values})
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_precision_that_a_device_lacks_does_nothing_and_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.amp, "is_autocast_available", lambda kind: False)
    with pytest.raises(ganvas.InputError, match="precision bf16 does nothing on cpu"):
        devices.must_compute(torch.device("cpu"), "bf16")
    devices.must_compute(torch.device("cpu"), "fp32")


def test_papers_is_a_package_and_can_be_called_every_time() -> None:
    script = (
        "import ganvas\n"
        "a = ganvas.papers()\n"
        "import ganvas.papers\n"
        "from ganvas.papers import PAPERS\n"
        "from ganvas import papers\n"
        "assert ganvas.papers() == a == papers()\n"
        "assert {row['paper'] for row in a} <= set(PAPERS) and a[0]['parameters']\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert set(ganvas.__all__) <= set(dir(ganvas))


@pytest.mark.parametrize(
    "name", ["wgan", "wgan-gp-acgan", "sagan", "biggan", "biggan-deep", "adcgan", "unetgan-selfmod"]
)
@pytest.mark.parametrize("kind", ["half", "bfloat16", "double"])
def test_other_floats_sample_what_floats_do(name: str, kind: str) -> None:
    gan = tiny.build(name).eval()
    plain = gan.sample(3)
    other = getattr(gan, kind)().sample(3)
    assert other.dtype == torch.float32
    assert next(gan.parameters()).dtype == getattr(
        torch, {"half": "float16"}.get(kind, kind.replace("double", "float64"))
    )
    torch.testing.assert_close(other, plain, atol=0.05 if kind == "bfloat16" else 0.01, rtol=0.0)


def test_threads_get_their_images_of_a_model_that_trains() -> None:
    gan = tiny.build("biggan").train()
    gan.G.eval()
    modes = [module.training for module in gan.modules()]
    state = {key: value.clone() for key, value in gan.state_dict().items()}
    wanted = [gan.sample(2, seed=seed) for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda seed: gan.sample(2, seed=seed), range(24)))
    assert all(torch.equal(a, b) for a, b in zip(wanted, found))
    assert [module.training for module in gan.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in gan.state_dict().items())


def test_overlapping_blocks_give_the_modes_back_at_the_last_end() -> None:
    net = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout()).train()
    first, second = evaluating(net), evaluating(net[0])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (net.training, net[0].training, net[1].training) == (True, False, True)
    second.__exit__(None, None, None)
    assert all(module.training for module in net.modules())


def test_numbers_of_numpy_and_torch_are_classes_and_seeds() -> None:
    gan = tiny.build("biggan")
    wanted = gan.sample(3, seed=5, classes=[2, 0, 1])
    for classes in (np.array([2, 0, 1]), torch.tensor([2, 0, 1]), [np.int64(2), torch.tensor(0), 1]):
        assert torch.equal(gan.sample(np.int32(3), seed=np.int64(5), classes=classes), wanted)
    assert torch.equal(gan.sample(2, classes=torch.tensor(1)), gan.sample(2, classes=1))
    assert torch.equal(gan.sample(2, classes=np.int64(1)), gan.sample(2, classes=[1, 1]))
    legs = gan.interpolate(range(3), classes=1, steps=2)
    assert torch.equal(gan.interpolate(np.arange(3), classes=np.uint8(1), steps=torch.tensor(2)), legs)
    for bad in ({"seed": 1.5}, {"classes": 1.5}, {"n": "3"}, {"truncation_form": "nonsense"}):
        with pytest.raises(ganvas.InputError, match=r"given, expected (a whole number|one of resample, scale, clamp)"):
            gan.sample(**bad)
    with pytest.raises(ganvas.InputError, match="truncation_form='x' given"):
        tiny.build("logan").sample(1, truncation_form="x")


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(0, 3, 4, 4),
        torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
        np.zeros((3, 4, 4)),
        torch.zeros(2, 2, 4, 4),
        torch.zeros(3),
    ],
)
def test_what_is_no_sample_makes_no_picture(x: Any) -> None:
    for draw in (ganvas.to_pil, ganvas.to_uint8):
        with pytest.raises(ganvas.InputError, match=r"given, (expected float|which has 2 channels)") as error:
            draw(x)
        assert "\n" not in str(error.value)


def test_no_device_is_auto(model: Path) -> None:
    assert ganvas.load(model, device=None).device == api.choose_device("auto")
