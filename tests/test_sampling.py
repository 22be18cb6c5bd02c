"""Sampling: three forms of truncation, interpolation, standing statistics, classes, and the files they end up in."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganvas import rng, sampling
from ganvas.cli import main
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import GAN, Given, Request, evaluating
from ganvas.models import folder as model_folder
from ganvas.models.folder import Description
from ganvas.ops.norm import Statistics, collected_statistics
from ganvas.ops.pixels import to_float
from tests import tiny
from tests.papers.test_laws import go

FORMS: dict[str, float] = {"resample": 1.0, "scale": 2.0, "clamp": 1.0}  # form -> largest |z| over the truncation
NAMES = ["7", "tench", "0"]  # two that look like numbers, neither its own index


def trained(name: str, **values: Any) -> GAN:
    """A tiny GAN after three iterations, so that nothing is as initialised."""
    gan = tiny.build(name, **values)
    go(new_state(gan, torch.device("cpu")), 3, tiny.images(gan))
    gan.class_names = list(NAMES) if gan.config.num_classes else []
    return gan.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def gan() -> GAN:
    return trained("biggan")


@pytest.fixture(scope="module")
def model(gan: GAN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a model folder."""
    return write(gan, "biggan", tmp_path_factory.mktemp("model"))


def write(gan: GAN, paper: str, folder: Path) -> Path:
    model_folder.write_weights(folder, gan.model_state(), {})
    description = Description(paper=paper, config=gan.config.model_dump(), class_names=gan.class_names)
    model_folder.write_description(folder, description)
    return folder


def sample(model: Path, *args: object) -> int:
    return main(["sample", str(model), "--device", "cpu", *map(str, args)])


def floats(path: Path) -> Tensor:
    with np.load(path) as file:
        return torch.from_numpy(file["x"])


def near(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


# truncation


@pytest.mark.parametrize("threshold", [0.04, 0.5, 1.5])
def test_resampling_keeps_what_is_inside(threshold: float) -> None:
    plain, z = rng.noise(range(200), 50), rng.latents(range(200), 50, threshold)
    inside = plain.abs() <= threshold
    assert torch.equal(z[inside], plain[inside])
    assert not bool((z == plain)[~inside].any())
    assert z.abs().max() <= threshold


@pytest.mark.parametrize("truncation", [0.2, 1.0])
def test_scaling_is_a_multiple_of_a_normal_truncated_at_two(truncation: float) -> None:
    z = rng.latents(range(200), 50, truncation, "scale")
    torch.testing.assert_close(z, truncation * rng.latents(range(200), 50, 2.0))
    assert 1.9 * truncation < z.abs().max() <= 2 * truncation


def test_clamping_moves_what_is_outside_onto_the_threshold() -> None:
    plain, z = rng.noise(range(100), 50), rng.latents(range(100), 50, 0.5, "clamp")
    assert torch.equal(z, plain.clamp(-0.5, 0.5))
    assert ((z.abs() == 0.5).float().mean() - math.erfc(0.5 / math.sqrt(2))).abs() < 0.03


@pytest.mark.parametrize(("form", "threshold"), [("resample", 0.7), ("scale", 0.7)])
def test_spread_is_that_of_the_truncated_normal(form: Any, threshold: float) -> None:
    """Var of a normal truncated at t is 1 - 2 t p(t) / (2 P(t) - 1)."""
    z = rng.latents(range(1000), 50, threshold, form)
    t = threshold if form == "resample" else 2.0
    density = math.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * t * density / math.erf(t / math.sqrt(2))
    expected = variance if form == "resample" else threshold**2 * variance
    assert z.var().item() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("form", FORMS)
def test_seeds_do_not_know_their_batch(form: Any, gan: GAN) -> None:
    z = rng.latents(range(10), 6, 0.3, form)
    assert torch.equal(z[7:8], rng.latents([7], 6, 0.3, form))
    assert z.abs().max() <= 0.3 * FORMS[form]
    together = gan.sample(5, seed=3, truncation=0.3, truncation_form=form)
    near(together, gan.sample(5, seed=3, truncation=0.3, truncation_form=form, batch=2))
    assert not torch.allclose(together, gan.sample(5, seed=3))


@pytest.mark.parametrize("truncation", [0.0, -1.0, float("nan"), float("inf"), 0.001])
def test_impossible_truncations(truncation: float) -> None:
    with pytest.raises(InputError, match="truncation"):
        rng.latents([0], 4, truncation)


# interpolation


def test_great_circle() -> None:
    a, b = rng.noise([1], 64), rng.noise([2], 64)
    near(rng.slerp(a, b, 0.0), a)
    near(rng.slerp(a, b, 1.0), b)
    e, f = torch.eye(3)[:1], torch.eye(3)[1:2]
    near(rng.slerp(e, f, 1 / 3), torch.tensor([[math.cos(math.pi / 6), 0.5, 0.0]]))
    lengths = torch.cat([rng.slerp(a, b, w / 10) for w in range(11)]).norm(dim=1)
    assert lengths.min() > 0.98 * min(a.norm(), b.norm())  # the straight line would dip to 0.7
    for c in (a, -a, 2 * a):  # no plane is given
        assert rng.slerp(a, c, 0.3).isfinite().all()


@pytest.mark.parametrize("name", ["biggan", "biggan-tables", "biggan-plain", "biggan-deep", "sagan", "sagan-plain",
                                  "wgan-gp"])  # fmt: skip
def test_legs_start_at_the_samples_and_join(name: str) -> None:
    gan = trained(name)
    film = gan.interpolate([3, 4, 9], steps=4)
    assert len(film) == 8
    near(film[0:1], gan.sample(1, seed=3))
    near(film[4:5], gan.sample(1, seed=4))
    near(film[:4], gan.interpolate([3, 4], steps=4))
    near(film[4:], gan.interpolate([4, 9], steps=4))
    near(gan.interpolate([3, 4], steps=8)[::2], film[:4])
    # a leg run to its end would be the next sample: the last picture of a long leg is almost it
    near_end = gan.interpolate([3, 4], steps=500)[-1:]
    assert (near_end - film[4:5]).abs().max() < 0.1 * (film[0:1] - film[4:5]).abs().max() + 1e-3


@pytest.mark.parametrize("name", ["biggan", "biggan-tables", "biggan-deep", "sagan", "wgan-gp-acgan"])
def test_classes_are_mixed_on_the_straight_line(name: str) -> None:
    """From class to class at one seed: what stands for the class is the mean half-way, an embedding or a table row."""
    gan = trained(name)
    film = gan.interpolate([5, 5], classes=["7", "0"], steps=2)
    near(film[0:1], gan.sample(1, seed=5, classes="7"))
    a, b = gan.code(_request(5, 0)), gan.code(_request(5, 2))
    near(film[1:2], gan.decode(replace(a, z=rng.noise([5], gan.config.dim_z), c=(a.c + b.c) / 2)))
    assert not torch.allclose(film[0], film[1])


def _request(seed: int, y: int) -> Any:
    return Request([seed], Given(y=torch.tensor([y])))


def test_truncated_interpolation_has_truncated_ends(gan: GAN) -> None:
    film = gan.interpolate([1, 2], steps=3, truncation=0.5, truncation_form="scale")
    near(film[:1], gan.sample(1, seed=1, truncation=0.5, truncation_form="scale"))


@pytest.mark.parametrize(("seeds", "steps"), [([1], 3), ([], 3), ([1, 2], 0)])
def test_too_little_to_interpolate(gan: GAN, seeds: list[int], steps: int) -> None:
    with pytest.raises(InputError, match="expected two seeds or more"):
        gan.interpolate(seeds, steps=steps)


# standing statistics


def statistics(gan: GAN) -> list[Tensor]:
    return [t.clone() for m in gan.modules() if isinstance(m, Statistics) for t in (m.stored_mean, m.stored_var)]


@pytest.mark.parametrize("name", ["biggan", "biggan-deep", "sagan-plain"])
def test_standing_statistics_change_the_stored_ones_and_are_the_same_each_time(name: str) -> None:
    gan = trained(name)
    others = {k: v.clone() for k, v in gan.state_dict().items() if "stored" not in k}
    stored = statistics(gan)
    gan.standing_statistics(3, 4)
    first = statistics(gan)
    assert all(not torch.equal(a, b) for a, b in zip(stored, first))
    gan.standing_statistics(3, 4)
    assert all(torch.equal(a, b) for a, b in zip(first, statistics(gan)))
    gan.standing_statistics(3, 4, truncation=0.3)
    assert all(not torch.equal(a, b) for a, b in zip(first, statistics(gan))), "they belong to a truncation"
    assert all(torch.equal(v, gan.state_dict()[k]) for k, v in others.items())


def test_one_standing_batch_is_the_plain_mean_and_variance() -> None:
    gan = trained("biggan")
    code = gan.code(_many(gan, 8))
    into: list[Tensor] = []
    hook = gan.G.output_layer[0].register_forward_pre_hook(lambda _m, args: into.append(args[0].clone()))
    with evaluating(gan), collected_statistics(gan):
        gan.decode(code)
    hook.remove()
    (x,) = into
    near(gan.G.output_layer[0].stored_mean, x.mean((0, 2, 3)))
    near(gan.G.output_layer[0].stored_var, x.var((0, 2, 3), correction=0))
    first, second = statistics(gan), None
    with evaluating(gan), collected_statistics(gan):
        gan.decode(code)
        gan.decode(code)
    second = statistics(gan)
    for a, b in zip(first, second):
        near(a, b)


def _many(gan: GAN, n: int) -> Any:
    return Request(list(range(n)), gan.given(list(range(n))))


def test_standing_statistics_are_the_mean_over_batches_of_seeds_that_nobody_asks_for() -> None:
    """Of evaluation mode's passes, whatever mode the players are in: spectral norm's vectors stay where they are."""
    gan = trained("biggan").train()
    before = {k: v.clone() for k, v in gan.state_dict().items()}
    sums: list[Tensor] = []
    for k in range(3):
        seeds = list(range(2**40 + 5 + 4 * k, 2**40 + 5 + 4 * k + 4))
        code = gan.code(Request(seeds, gan.given(seeds), 0.5, "scale"))
        with torch.no_grad(), evaluating(gan), collected_statistics(gan):
            gan.decode(code)
        found = statistics(gan)
        sums = [a + b for a, b in zip(sums, found)] if sums else found
    gan.load_state_dict(before)
    gan.standing_statistics(3, 4, seed=5, truncation=0.5, truncation_form="scale")
    for found, total in zip(statistics(gan), sums):
        near(found, total / 3)
    assert all(torch.equal(v, before[k]) for k, v in gan.state_dict().items() if "stored" not in k)
    assert all(module.training for module in gan.modules())


# conditions


def test_an_image_depends_on_its_seed_and_condition_alone(gan: GAN) -> None:
    """Not on how many are asked for, nor on where its batch begins."""
    y = [0, 2, 1, 1, 0, 2, 2]
    alone = torch.cat([gan.sample(1, seed=9 + i, classes=k) for i, k in enumerate(y)])
    near(gan.sample(7, seed=9, classes=y, batch=3), alone)
    near(gan.sample(7, seed=9, given=Given(y=torch.tensor(y)), batch=3), alone)
    drawn = gan.given(list(range(9, 16))).y
    assert drawn is not None
    near(gan.sample(7, seed=9, batch=3), gan.sample(7, seed=9, classes=drawn.tolist()))


def test_players_sample_in_evaluation_mode() -> None:
    gan = trained("biggan")
    rested = gan.sample(4)
    gan.train()
    film = gan.interpolate([0, 1], steps=2)
    near(gan.sample(4), rested)
    near(film[:1], rested[:1])
    assert gan.training


def test_asked_classes_leave_the_rest_of_the_condition(gan: GAN, monkeypatch: pytest.MonkeyPatch) -> None:
    h, source = torch.ones(3, 2), torch.zeros(3, 2)
    monkeypatch.setattr(GAN, "given", lambda self, seeds: Given(torch.zeros(3, dtype=torch.int64), h, source))
    y = torch.tensor([2, 1, 0, 1, 2])
    found = sampling.condition(gan, [4, 5, 6], y, 1)
    assert found.y is not None
    assert found.y.tolist() == [1, 0, 1]
    assert found.h is h
    assert found.source is source
    assert sampling.condition(gan, [4, 5, 6], None, 1).y is not y


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n": 0}, "n=0, batch=64: both must be at least 1"),
        ({"n": 2, "batch": 0}, "n=2, batch=0: both"),
        ({"n": 2, "classes": 0, "given": Given()}, "classes and given were both passed"),
        ({"n": 3, "classes": [0, 1]}, "2 classes for 3 images"),
    ],
)
def test_impossible_requests(gan: GAN, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        gan.sample(**wrong)


def test_samples_beside_real_ones_have_their_seeds_conditions_or_the_real_ones(
    gan: GAN, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tiny.batch(gan, 4)
    seeds = [11, 12, 13, 14]
    drawn = gan.given(seeds).y
    assert drawn is not None
    assert real.given.y is not None
    assert not torch.equal(drawn, real.given.y)
    found = sampling.condition_like(gan, real, seeds).y
    assert found is not None
    assert torch.equal(found, drawn)
    monkeypatch.setattr(type(gan), "seeds_suffice", False)
    assert sampling.condition_like(gan, real, seeds) is real.given


def test_a_paper_without_them_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(trained("wgan-gp"), "wgan", tmp_path / "m")
    assert sample(folder, "-n", 1, "--standing", 2, "--out", tmp_path / "x.png") == 2
    assert "no standing statistics" in capsys.readouterr().err


# classes


def test_classes_by_name_and_index_where_names_look_like_numbers(gan: GAN) -> None:
    by_name = {name: gan.sample(1, seed=2, classes=name) for name in NAMES}
    y = {name: gan.decode(gan.code(_request(2, i))) for i, name in enumerate(NAMES)}
    for name in NAMES:
        near(by_name[name], y[name])
    near(gan.sample(1, seed=2, classes="1"), y["tench"])  # no name, so an index
    near(gan.sample(1, seed=2, classes=1), y["tench"])
    near(gan.sample(1, seed=2, classes=["0"]), y["0"])  # the class called 0 is the third
    for wrong in ("2x", "3", "-1", "", 3, -1):
        with pytest.raises(InputError, match="unknown class"):
            gan.sample(1, classes=wrong)
    with pytest.raises(InputError, match="2 classes for 3 images"):
        gan.sample(3, classes=["7", "0"])


def test_a_class_of_an_unconditional_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gan = trained("biggan-plain")
    with pytest.raises(InputError, match="unconditional"):
        gan.sample(1, classes=0)
    folder = write(gan, "biggan", tmp_path / "m")
    assert sample(folder, "--class", 0, "--out", tmp_path / "x.png") == 2
    assert "unconditional" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


# files


def test_floats(model: Path, gan: GAN, tmp_path: Path) -> None:
    assert sample(model, "-n", 5, "--seed", 2, "--batch", 2, "--out", tmp_path / "x.npz") == 0
    near(floats(tmp_path / "x.npz"), gan.sample(5, seed=2))
    common = ["-n", 4, "--class", "tench", "0", "--truncation", 0.4, "--truncation-form", "clamp"]
    assert sample(model, *common, "--out", tmp_path / "y.npz") == 0
    expected = gan.sample(4, classes=["tench", "tench", "0", "0"], truncation=0.4, truncation_form="clamp")
    near(floats(tmp_path / "y.npz"), expected)


def test_single_files(model: Path, gan: GAN, tmp_path: Path) -> None:
    assert sample(model, "-n", 3, "--seed", 5, "--each", tmp_path / "each") == 0
    x = gan.sample(3, seed=5)
    assert sorted(p.name for p in (tmp_path / "each").iterdir()) == [f"seed{s:06d}.png" for s in (5, 6, 7)]
    for i in range(3):
        with Image.open(tmp_path / "each" / f"seed{5 + i:06d}.png") as image:
            assert image.size == (8, 8)
            pixels = to_float(torch.from_numpy(np.array(image)))
        assert (pixels - x[i, 0]).abs().max() <= 1 / 255 + 1e-4


def test_grids_and_films(model: Path, tmp_path: Path) -> None:
    assert sample(model, "-n", 4, "--out", tmp_path / "x.png") == 0
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (2 * 50 + 2, 2 * 50 + 2)
    film = ["-n", 2, "--interpolate", 3, "--class", "7", "0"]
    assert sample(model, *film, "--out", tmp_path / "x.gif") == 0
    with Image.open(tmp_path / "x.gif") as image:
        assert image.n_frames == 6
    assert sample(model, *film, "--out", tmp_path / "legs.png") == 0
    with Image.open(tmp_path / "legs.png") as image:
        assert image.size == (3 * 50 + 2, 2 * 50 + 2)  # a leg is a row


def test_interpolated_files(model: Path, gan: GAN, tmp_path: Path) -> None:
    args = ["-n", 2, "--interpolate", 3, "--seed", 4, "--class", "tench", "7", "--out", tmp_path / "x.npz"]
    assert sample(model, *args) == 0
    near(floats(tmp_path / "x.npz"), gan.interpolate([4, 5, 6], ["tench", "7", "tench"], 3))


def test_standing_statistics_from_the_command_line(model: Path, tmp_path: Path) -> None:
    weights = (model / "model.safetensors").read_bytes()
    for k in range(2):
        assert sample(model, "-n", 2, "--standing", 3, "--batch", 4, "--out", tmp_path / f"{k}.npz") == 0
    assert sample(model, "-n", 2, "--out", tmp_path / "plain.npz") == 0
    assert torch.equal(floats(tmp_path / "0.npz"), floats(tmp_path / "1.npz"))
    assert not torch.allclose(floats(tmp_path / "0.npz"), floats(tmp_path / "plain.npz"))
    assert (model / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--out", "x.tiff"], "expected a name that ends in"),
        (["--class", "nonsense"], "unknown class 'nonsense'"),
        (["--truncation", "0"], "expected a number above 0"),
        (["--truncation", "x"], "invalid float"),
        (["--truncation-form", "cut"], "invalid choice"),
        (["-n", "0"], "expected a whole number from 1"),
        (["--interpolate", "0"], "expected a whole number from 1"),
        (["--out", "x.png", "--each", "y"], "not allowed with"),
    ],
)
def test_wrong_input_is_one_line(
    args: list[str],
    message: str,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sample(model, *args) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not list(tmp_path.iterdir())
