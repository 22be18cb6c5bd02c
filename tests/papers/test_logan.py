"""LOGAN: the numbers of its formulas, both players through the step, its masks, its samples, its presets."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from ganvas import api, rng
from ganvas.config import configure
from ganvas.engine.step import freeze_all_but
from ganvas.errors import InputError
from ganvas.gan import Batch, Given, Request, evaluating
from ganvas.metrics.compare import describe
from ganvas.metrics.protocol import Score, differences
from ganvas.ops.norm import Statistics
from ganvas.ops.spectral import SNConv2d, SNEmbedding, SNLinear
from ganvas.papers.logan import LOGAN, Config, Latents
from ganvas.scoring.samples import Samples
from tests import tiny

SN = SNConv2d | SNLinear | SNEmbedding

# ---- numbers of the formulas, in float64


def recipe(n: int) -> Tensor:
    """n numbers in [-0.5, 0.5) that any machine can write down again."""
    i = torch.arange(n, dtype=torch.int64)
    modulus = 2**31
    return (((i * i % modulus) * 1103515245 + i * 1664525 + 1013904223) % modulus).double() / modulus - 0.5


class G(nn.Module):
    """tanh(z A^T)"""

    def __init__(self) -> None:
        super().__init__()
        self.A = nn.Parameter((2 * recipe(12)).view(3, 4))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return torch.tanh(z @ self.A.t())


class D(nn.Module):
    """LeakyReLU(x B^T) v"""

    def __init__(self) -> None:
        super().__init__()
        self.B, self.v = nn.Parameter((2 * recipe(15)).view(5, 3)), nn.Parameter(2 * recipe(5))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return (F.leaky_relu(x @ self.B.t(), 0.2) @ self.v)[:, None]


Z, X = (2 * recipe(8)).view(2, 4), Batch((2 * recipe(6)).view(2, 3))


def small(**values: Any) -> LOGAN:
    """LOGAN with the two formulas as its players."""
    base = {"net": "sngan", "resolution": 8, "G_ch": 1, "D_ch": 1, "dim_z": 4, "ortho": 0.0, "fraction": 1.0}
    gan = LOGAN(configure(Config, {**base, **values}, given=()))
    gan.G, gan.D = G(), D()
    return gan


def drawn(gan: LOGAN, z: Tensor = Z) -> Latents:
    return Latents(z, None, mask=gan.draw(Batch(z), rng.generator("mask")).mask.double())


def norms(gan: LOGAN) -> list[float]:
    """Of dL_D / dB, dL_D / dv and dL_G / dA."""
    of_D = torch.autograd.grad(gan.D_loss(X, drawn(gan)).total, [gan.D.B, gan.D.v])
    of_G = torch.autograd.grad(gan.G_loss(X, drawn(gan)).total, [gan.G.A])
    return [g.norm().item() for g in (*of_D, *of_G)]


IMAGENET = {"alpha": 0.9, "beta": 5.0, "movement": 300.0}
CIFAR = {"alpha": 0.9, "beta": 0.1, "movement": 0.1}
CASES: dict[str, tuple[dict[str, Any], list[float], list[float], list[float]]] = {
    # settings; f(z'); L_D, L_G; |dL_D/dB|, |dL_D/dv|, |dL_G/dA|
    "gradient": (
        {"rule": "gradient", "alpha": 0.9, "movement": 0.0},
        [0.4311141746, -0.5347988110], [1.964622719, 0.051842318], [0.938565739, 1.074972466, 0.252243666],
    ),
    "natural, ImageNet": (
        IMAGENET, [0.3912755319, -0.6433471528], [2.860919677, 1.096526261], [3.382354796, 3.942699285, 1.297787129]
    ),
    "natural, CIFAR": (
        CIFAR, [0.5217764474, 0.2413221728], [2.600229853, -0.179333804], [1.166677800, 0.904740112, 0.559287079]
    ),
    "natural, half of the elements": (
        {**IMAGENET, "fraction": 0.5},
        [0.3801237825, -0.6587956049], [2.161106996, 0.423313782], [2.031769559, 2.350767315, 0.739162605],
    ),
}  # fmt: skip
CUT = [1.367447281, 1.646665307, 0.305570365]  # the gradients of the CIFAR case with the step detached


@pytest.mark.parametrize("name", CASES)
def test_losses_and_gradients_of_both_players(name: str) -> None:
    values, scores, totals, gradients = CASES[name]
    gan = small(**values)
    z, _, before = gan.improve(drawn(gan), 1, graph=True)
    assert gan.D(gan.G(z)).flatten().tolist() == pytest.approx(scores, abs=2e-9)
    assert before.item() == pytest.approx((0.3755113016 - 0.6639055199) / 2, abs=2e-9)
    found = [gan.D_loss(X, drawn(gan)).total.item(), gan.G_loss(X, drawn(gan)).total.item()]
    assert found == pytest.approx(totals, abs=2e-9)
    assert norms(gan) == pytest.approx(gradients, abs=2e-9)


def test_what_is_logged() -> None:
    gan = small(**CIFAR)
    logs = gan.D_loss(X, drawn(gan)).logs
    moved = (2.0246267335 + 2.0196833924) / 2
    gain = (0.5217764474 + 0.2413221728) / 2 - (0.3755113016 - 0.6639055199) / 2
    assert logs["D/moved"].item() == pytest.approx(moved, abs=2e-9)
    assert logs["D/gain"].item() == pytest.approx(gain, abs=2e-9)
    assert logs["D/fake"].item() == pytest.approx((0.5217764474 + 0.2413221728) / 2, abs=2e-9)
    assert logs["D/real"].item() == pytest.approx(gan.D(X.x).mean().item(), abs=1e-12)


@pytest.mark.parametrize(("detach", "cut"), [("none", ""), ("D", "D"), ("G", "G"), ("both", "DG")])
def test_the_ablation_cuts_one_players_second_derivatives_or_both(detach: str, cut: str) -> None:
    alive, found = CASES["natural, CIFAR"][3], norms(small(**CIFAR, detach=detach))
    assert found[:2] == pytest.approx((CUT if "D" in cut else alive)[:2], abs=2e-9)
    assert found[2:] == pytest.approx((CUT if "G" in cut else alive)[2:], abs=2e-9)
    values = [small(**CIFAR, detach=d).D_loss(X, drawn(small())).total.item() for d in (detach, "none")]
    assert values[0] == values[1]  # the loss itself is the same number


def test_the_default_is_not_detached() -> None:
    assert Config().detach == "none"
    assert all(row.values.get("detach", "none") == "none" for row in api.presets().values())


@pytest.mark.parametrize("who", ["both", "D", "G"])
def test_who_pays_for_the_step(who: str) -> None:
    free, gan = small(**{**CIFAR, "movement": 0.0}), small(**{**CIFAR, "cost_on": who})
    for player, loss in (("D", "D_loss"), ("G", "G_loss")):
        more = getattr(gan, loss)(X, drawn(gan)).total - getattr(free, loss)(X, drawn(free)).total
        assert more.item() == pytest.approx(0.202215506 if who in (player, "both") else 0.0, abs=2e-9)


def test_the_baseline_is_a_hinge_gan_on_the_same_latents() -> None:
    gan = small(rule="none")
    loss = gan.D_loss(X, drawn(gan))
    fake, real = gan.D(gan.G(Z)), gan.D(X.x)
    assert_close(loss.total, (1 - real).relu().mean() + (1 + fake).relu().mean())
    assert_close(gan.G_loss(X, drawn(gan)).total, -fake.mean())
    assert loss.logs.keys() == {"D/real", "D/fake"}


# ---- several steps


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_n_steps_are_n_steps(steps: int) -> None:
    """Against a loop written out here; and G and D are called once a step, and once more on what came out."""
    gan = small(**{**CIFAR, "alpha": 0.05, "steps": steps})
    z, total = Z.clone(), torch.zeros_like(Z)
    for _ in range(steps):
        z = z.detach().requires_grad_()
        (g,) = torch.autograd.grad(gan.D(gan.G(z)).sum(), z)
        step = 0.05 * g / (0.1 + (g * g).sum(1, keepdim=True))
        z, total = (z + step).clamp(-1, 1), total + step
    found, moved, _ = gan.improve(drawn(gan), steps, graph=True)
    assert_close(found, z, rtol=1e-12, atol=1e-12)
    assert moved.item() == pytest.approx((total * total).sum(1).mean().item(), abs=1e-12)
    calls: list[str] = []
    for name in ("G", "D"):
        getattr(gan, name).register_forward_hook(lambda *_, name=name: calls.append(name))
    for loss in (gan.D_loss, gan.G_loss):
        calls.clear()
        assert loss(X, drawn(gan)).total.isfinite()
        assert (calls.count("G"), calls.count("D")) == (steps + 1, steps + 1)  # real and fake share the last of D


@pytest.mark.parametrize("steps", [0, 10])
def test_samples_take_as_many_steps_as_they_say(steps: int) -> None:
    gan = small(sampling_steps=steps)
    calls: list[str] = []
    for name in ("G", "D"):
        getattr(gan, name).register_forward_hook(lambda *_, name=name: calls.append(name))
    with torch.no_grad():
        gan.decode(Latents(Z, None, mask=torch.ones_like(Z)))
    assert (calls.count("G"), calls.count("D")) == (steps + 1, steps)


# ---- gradients of the real networks


def settled(name: str, **values: Any) -> LOGAN:
    """A tiny form in float64 whose power iterations have arrived and store nothing, batch norm still in training."""
    gan = tiny.build(name, **values).double().train()
    real, start = double(tiny.batch(gan)), draws(gan)
    with torch.no_grad():
        for _ in range(200):
            gan.D(real.x, real.given.y), gan.generate(start.z, start.y)
    for layer in gan.modules():
        if isinstance(layer, SN):
            layer.training = False
    return gan


def double(real: Batch) -> Batch:
    return Batch(real.x.double(), real.given)


def draws(gan: LOGAN) -> Latents:
    found = gan.draw(tiny.batch(gan), rng.generator("draws"))
    return Latents(found.z.double(), found.y, mask=found.mask.double())


@pytest.mark.parametrize("player", ["D", "G"])
@pytest.mark.parametrize(
    ("name", "values"),
    [("logan", {"fraction": 0.8}), ("logan-gd", {}), ("logan-sngan", {}), ("logan-sngan", {"mask": "sample"})],
)
def test_gradients_are_those_of_finite_differences(name: str, values: dict[str, Any], player: str) -> None:
    """Of either player's loss along a random direction of all its weights, second derivatives included."""
    gan = settled(name, **values)
    freeze_all_but(gan, player)
    loss = gan.D_loss if player == "D" else gan.G_loss
    real, drawn = double(tiny.batch(gan)), draws(gan)
    weights = list(getattr(gan, player).parameters())
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in weights]
    gradient = torch.autograd.grad(loss(real, drawn).total, weights, allow_unused=True)
    slope = sum((g * d).sum() for g, d in zip(gradient, direction) if g is not None)
    values_at, h = [], 1e-7
    for sign in (1, -1):
        with torch.no_grad():
            for p, d in zip(weights, direction):
                p.add_(d, alpha=sign * h)
        values_at.append(loss(real, drawn).total.detach())
        with torch.no_grad():
            for p, d in zip(weights, direction):
                p.sub_(d, alpha=sign * h)
    numeric = (values_at[0] - values_at[1]) / (2 * h)
    assert_close(slope, numeric, rtol=1e-5, atol=1e-6)
    object.__setattr__(gan, "config", gan.config.model_copy(update={"detach": "both"}))
    cut = torch.autograd.grad(loss(real, drawn).total, weights, allow_unused=True)
    first_order = sum((g * d).sum() for g, d in zip(cut, direction) if g is not None)
    assert abs(first_order - numeric) > 2e-4 * abs(numeric)  # far beyond the tolerance: they are there


# ---- what the step is


@pytest.mark.parametrize("name", ["logan", "logan-gd", "logan-sngan"])
def test_latents_stay_in_the_box_and_their_score_rises(name: str) -> None:
    gan = tiny.build(name, alpha=0.1, fraction=1.0, mask="element_fixed", steps=1)
    start = gan.draw(tiny.batch(gan, 64), rng.generator("z"))
    with evaluating(gan):
        z, moved, before = gan.improve(start, 5, graph=False)
        after = gan.D(gan.generate(z, start.y), start.y).mean()
        assert_close(before, gan.D(gan.generate(start.z, start.y), start.y).mean().detach())
    assert z.abs().max() <= 1
    assert moved > 0
    assert after > before
    assert not z.requires_grad


def test_a_long_step_ends_at_the_wall() -> None:
    gan = small(rule="gradient", alpha=100.0)
    z, moved, _ = gan.improve(drawn(gan), 1, graph=True)
    assert z.abs().max() == 1
    assert moved > 100  # the cost is that of the step, not of what the wall left of it


@pytest.mark.parametrize(("beta", "bound"), [(5.0, 0.201), (0.1, 1.423)])
def test_no_natural_step_is_longer_than_its_bound(beta: float, bound: float) -> None:
    gan = tiny.build("logan", alpha=0.9, beta=beta, fraction=1.0)
    with torch.no_grad():
        for p in gan.D.parameters():
            p.mul_(30)  # biases grow: a steep D
    start = gan.draw(tiny.batch(gan, 64), rng.generator("z"))
    lengths = (gan.improve(start, 1, graph=True)[0] - start.z).norm(dim=1)
    assert 0 < lengths.max() <= 0.9 / (2 * beta**0.5) + 1e-6
    assert pytest.approx(bound, abs=5e-4) == 0.9 / (2 * beta**0.5)


def test_masks() -> None:
    moved = {}
    for mask in ("element_fixed", "element_random", "sample"):
        gan = tiny.build("logan-sngan", mask=mask, fraction=0.5, dim_z=8)
        start = gan.draw(tiny.batch(gan, 200), rng.generator("z"))
        other = gan.draw(tiny.batch(gan, 200), rng.generator("another z"))
        assert torch.equal(start.mask, other.mask) == (mask == "element_fixed")
        z, _, _ = gan.improve(start, 1, graph=False)
        moved[mask] = z != start.z
        assert 0.4 < moved[mask].double().mean() < 0.6
    assert torch.equal(moved["element_fixed"].any(0), torch.arange(8) < 4)
    assert moved["element_random"].any(0).all()
    assert moved["element_random"].any(1).double().mean() > 0.9
    assert torch.equal(moved["sample"].all(1), moved["sample"].any(1))


def test_a_mask_comes_before_the_norm() -> None:
    """The Fisher matrix is that of what may move: the denominator holds the gradient of the first half alone."""
    gan = small(**IMAGENET, fraction=0.5)
    z, _, _ = gan.improve(drawn(gan), 1, graph=True)
    square = torch.tensor(0.0279743453, dtype=torch.float64)  # |g|^2 of the second sample, which no wall cuts
    assert_close((z - Z)[1].norm(), 0.9 * square.sqrt() / (5.0 + square), rtol=1e-8, atol=0)
    assert torch.equal(z[:, 2:], Z[:, 2:])


def test_the_prior_is_uniform() -> None:
    gan = tiny.build("logan-sngan", dim_z=64)
    for z in (gan.draw(tiny.batch(gan, 64), rng.generator("z")).z, gan.code(Request(list(range(64)))).z):
        assert -1 <= z.min() < -0.99
        assert 0.99 < z.max() <= 1
        assert z.std().item() == pytest.approx(3**-0.5, abs=0.02)
        assert z.mean().item() == pytest.approx(0.0, abs=0.03)


# ---- statistics and precision


@pytest.mark.parametrize("phase", ["D_loss", "G_loss"])
def test_stored_statistics_are_those_of_the_second_pass(phase: str) -> None:
    gan = tiny.build("logan-sngan", steps=3).train()
    start, twin = gan.draw(tiny.batch(gan), rng.generator("z")), copy.deepcopy(gan)
    z, _, _ = twin.improve(start, 3, graph=False)
    untouched = gan.state_dict()
    assert all(torch.equal(value, untouched[key]) for key, value in twin.state_dict().items())
    twin.G(z)
    getattr(gan, phase)(tiny.batch(gan), start)
    for layer, expected in zip(gan.G.modules(), twin.G.modules()):
        if isinstance(layer, Statistics):
            assert_close(layer.stored_mean, expected.stored_mean)
            assert_close(layer.stored_var, expected.stored_var)


@pytest.mark.parametrize("phase", ["D_loss", "G_loss"])
def test_power_iterations_are_as_many_as_the_baselines(phase: str) -> None:
    gan, plain = tiny.build("logan"), tiny.build("logan-baseline")
    plain.load_state_dict(gan.state_dict())
    for one in (gan, plain):
        getattr(one, phase)(tiny.batch(one), one.draw(tiny.batch(one), rng.generator("z")))
    vectors = [{k: v for k, v in one.state_dict().items() if k.endswith("u0")} for one in (gan, plain)]
    assert vectors[0]
    assert all(torch.equal(v, vectors[1][k]) for k, v in vectors[0].items())


def test_the_step_is_taken_in_full_precision() -> None:
    gan = tiny.build("logan")
    start = gan.draw(tiny.batch(gan), rng.generator("z"))
    expected = gan.improve(start, 1, graph=True)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gan.improve(start, 1, graph=True)[0], expected)
        gan.D_loss(tiny.batch(gan), start).total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in gan.parameters())


def test_real_and_fake_share_a_pass_and_keep_their_classes() -> None:
    gan = tiny.build("logan", rule="none").eval()
    real, drawn = tiny.batch(gan), gan.draw(tiny.batch(gan), rng.generator("z"))
    assert drawn.y.tolist() != real.given.y.tolist()
    logs = gan.D_loss(real, drawn).logs
    assert_close(logs["D/real"], gan.scores(real).mean())
    assert_close(logs["D/fake"], gan.scores(Batch(gan.generate(drawn.z, drawn.y), Given(drawn.y))).mean())


# ---- sampling


@pytest.mark.parametrize("name", ["logan", "logan-sngan"])
def test_steps_at_sampling_change_images_and_are_recorded(name: str) -> None:
    """The images are those of z' by hand, of classes as well as of none; D scores them higher."""
    gan = tiny.build(name, sampling_steps=0, mask="element_fixed")
    other = tiny.build(name, sampling_steps=10, mask="element_fixed", alpha=0.05)
    other.load_state_dict(gan.state_dict())
    plain, stepped = gan.sample(6), other.sample(6)
    assert not torch.allclose(plain, stepped)
    y = other.given(range(6)).y
    with evaluating(other):
        start = Latents(rng.uniform(range(6), 4), y, mask=torch.tensor([1.0, 1, 0, 0]).expand(6, -1))
        by_hand = other.generate(other.improve(start, 10, graph=False)[0], y)
        assert_close(stepped, by_hand.detach(), rtol=1e-4, atol=1e-5)
        assert other.scores(Batch(stepped, Given(y))).mean() > other.scores(Batch(plain, Given(y))).mean()
    records = [Samples(6).record(one) for one in (gan, other)]
    assert differences(*records) == ["sampling"]
    assert records[1].sampling == {"latent_steps": 10}
    assert "latent_steps 10" in describe(Score(name="FD-own", value=1.0, protocol=records[1]))


def test_a_gan_without_such_steps_records_nothing() -> None:
    for name in tiny.TINY:
        steps = Samples(2).record(tiny.build(name)).sampling.get("latent_steps")
        assert steps == (2 if name == "logan-sngan" else None)


def test_masks_at_sampling_belong_to_seeds() -> None:
    gan = tiny.build("logan-sngan", dim_z=16)
    together, alone = gan.code(Request([3, 4, 5])), gan.code(Request([4]))
    assert torch.equal(together.mask[1:2], alone.mask)
    assert not torch.equal(together.mask[0], together.mask[1])


def test_truncation_multiplies() -> None:
    gan = tiny.build("logan")
    whole, half = (gan.code(Request([0, 1], truncation=s)) for s in (None, 0.5))
    assert torch.equal(half.z, 0.5 * whole.z)
    assert torch.equal(gan.code(Request([0, 1], truncation=0.02, truncation_form="scale")).z, 0.02 * whole.z)
    assert Samples(2, truncation=0.5).record(gan).sampling == {"truncation": "multiplies"}
    assert not torch.allclose(gan.sample(2), gan.sample(2, truncation=0.5))
    for truncation, form in ((0.0, "scale"), (1.5, "scale"), (-0.5, "scale"), (0.5, "clamp")):
        with pytest.raises(InputError, match="above 0, at most 1, no clamp"):
            gan.sample(2, truncation=truncation, truncation_form=form)  # type: ignore[arg-type]


def test_mixtures_lie_on_the_straight_line() -> None:
    gan = tiny.build("logan", sampling_steps=1)
    a, b = gan.code(Request([0], Given(torch.tensor([0])))), gan.code(Request([1], Given(torch.tensor([2]))))
    mixed = gan.mix(a, b, 0.25)
    assert_close(mixed.z, 0.75 * a.z + 0.25 * b.z)
    assert mixed.y.tolist() == [[0.75, 0.0, 0.25]]
    walk = gan.interpolate([0, 1], classes=[0, 2], steps=4)
    with evaluating(gan), torch.no_grad():
        assert_close(walk[1:2], gan.decode(mixed), rtol=1e-4, atol=1e-5)
    assert mixed.z.abs().max() <= 1


# ---- networks and presets


@pytest.mark.parametrize(("name", "players"), [("logan", "GD"), ("logan-sngan", "D")])
def test_leaky_everywhere(name: str, players: str) -> None:
    gan = tiny.build(name, slope=0.3)
    for player in players:
        found = [m for m in getattr(gan, player).modules() if isinstance(m, nn.ReLU | nn.LeakyReLU)]
        assert found
        assert all(isinstance(m, nn.LeakyReLU) and m.negative_slope == 0.3 for m in found)


def counts(preset: str, **values: Any) -> dict[str, int]:
    row = api.presets()[preset]
    given = {"num_classes": row.classes if row.values.get("conditional", True) else 0, **row.values, **values}
    with torch.device("meta"):
        return LOGAN(configure(Config, given, given=())).parameter_counts()


def test_counts() -> None:
    for preset in ("logan-128", "logan-128-gd", "logan-128-baseline"):
        assert counts(preset, rgb="bgpt") == {"G": 59_714_436, "D": 34_590_210}
        assert counts(preset) == {"G": 59_714_436 + (128 - 3) * (128 * 9 + 1), "D": 34_590_210}
    assert counts("logan-128", rgb="bgpt", dim_z=128)["G"] == 50_244_484
    assert counts("logan-cifar10") == {"G": 3_812_355, "D": 2_935_873}


_128 = {
    "net": "biggan-deep", "dim_z": 256, "slope": 0.2, "batch": 2048, "G_lr": 5e-5, "D_lr": 2e-4, "beta1": 0.0,
    "beta2": 0.999, "D_steps": 2, "ema": 0.9999, "sn_eps": 1e-4, "bn_eps": 1e-4, "steps": 1, "sampling_steps": 0,
    "fraction": 0.5, "mask": "element_fixed", "movement": 300.0, "cost_on": "both", "conditional": True,
}  # fmt: skip
SAID = {
    "logan-128": _128 | {"rule": "natural", "alpha": 0.9, "beta": 5.0},
    "logan-128-gd": _128 | {"rule": "gradient", "alpha": 1e-4},
    "logan-128-baseline": {k: v for k, v in _128.items() if k in ("net", "dim_z", "slope", "batch")} | {"rule": "none"},
    "logan-cifar10": {
        "rule": "natural", "alpha": 0.9, "beta": 0.1, "movement": 0.1, "fraction": 0.8, "steps": 1,
        "sampling_steps": 10, "net": "sngan", "conditional": False, "dim_z": 128, "G_ch": 64, "D_ch": 64,
        "slope": 0.1, "batch": 64,
        "G_lr": 2e-4, "D_lr": 2e-4, "beta1": 0.5, "beta2": 0.999, "D_steps": 1, "ema": 0.0, "images": 200_000 * 64,
        "resolution": 32,
    },
}  # fmt: skip


@pytest.mark.parametrize("preset", SAID)
def test_presets_say_what_the_paper_says(preset: str) -> None:
    config = configure(Config, api.presets()[preset].values, given=())
    for field, value in SAID[preset].items():
        assert getattr(config, field) == value, field
    assert "paper" in api.presets()[preset].published


def test_what_cannot_be() -> None:
    for values, why in (
        ({"net": "sngan", "num_classes": 3}, "has no classes"),
        ({"fraction": 0.0}, "fraction"),
        ({"fraction": 1.5}, "fraction"),
        ({"beta": 0.0}, "beta"),
        ({"steps": 0}, "steps"),
        ({"rule": "none", "alpha": 0.5}, "only with rule="),
        ({"rule": "gradient", "beta": 0.5}, "only with rule=natural"),
    ):
        with pytest.raises(InputError, match=why):
            configure(Config, values)
