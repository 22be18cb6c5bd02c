"""BigGAN: orthogonal regularisation in both readings, its step schedule, what goes into G, generators without a D."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganvas import rng
from ganvas.config import configure
from ganvas.engine.step import freeze_all_but, iterate, step
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import Batch, Drawn, Given, Request
from ganvas.ops.norm import Statistics
from ganvas.ops.orthogonal import add_orthogonal_gradient, orthogonal_gradient, regularised
from ganvas.papers.biggan import BigGAN, Config
from ganvas.presets import presets
from tests import tiny
from tests.nets import biggan_recipe as recipe
from tests.papers.test_laws import go
from tests.papers.test_sagan import Scores

CPU = torch.device("cpu")
FIXTURE = Path(__file__).parents[1] / "nets" / "fixtures" / "biggan.npz"


def G_gradients(accumulate: int = 1, **values: Any) -> dict[str, Tensor]:
    """What the engine's G step leaves in .grad, always from the same weights and the same draws."""
    gan = tiny.build("biggan", accumulate=accumulate, batch=4, G_lr=0.0, init="xavier", **values)
    state = new_state(gan, CPU)
    phase = next(phase for phase in gan.phases() if phase.player == "G")
    freeze_all_but(gan, "G")
    step(gan, phase, tiny.batch(gan), state.optimisers["G"], lambda: rng.generator(0), nullcontext, {})
    return {name: p.grad.clone() for name, p in gan.G.named_parameters()}


@pytest.mark.parametrize("accumulate", [1, 2, 4])
@pytest.mark.parametrize("form", ["paper", "code"])
def test_what_regularisation_adds_to_the_gradient(form: str, accumulate: int) -> None:
    """Exactly ops.orthogonal's formula, once a step however many parts the batch has, and nothing to the embedding."""
    strength = 0.3
    without = G_gradients(accumulate, ortho=0.0)
    with_it = G_gradients(accumulate, ortho=strength, ortho_form=form)
    gan = tiny.build("biggan", init="xavier")  # not orthogonal to begin with
    touched = {id(p) for p in regularised(gan.G)}
    for name, parameter in gan.G.named_parameters():
        added = with_it[name] - without[name]
        if id(parameter) in touched:
            torch.testing.assert_close(added, orthogonal_gradient(parameter, strength, form), rtol=1e-4, atol=2e-5)
        else:
            assert torch.equal(with_it[name], without[name]), name
    untouched = [name for name, p in gan.G.named_parameters() if id(p) not in touched]
    assert "shared.weight" in untouched
    assert all(name == "shared.weight" or name.endswith(("bias", "gain", "gamma")) for name in untouched)


def test_the_code_adds_half_of_the_papers_gradient() -> None:
    none, paper = G_gradients(ortho=0.0), G_gradients(ortho=0.3, ortho_form="paper")
    code = G_gradients(ortho=0.3, ortho_form="code")
    name = "blocks.0.0.conv1.weight"
    assert (paper[name] - none[name]).norm() > 0.01
    torch.testing.assert_close(code[name] - none[name], (paper[name] - none[name]) / 2, rtol=1e-4, atol=2e-5)


def test_a_loss_with_regularisation_is_the_loss_and_then_the_gradient() -> None:
    """The penalty in the loss, against the authors' way of adding to .grad after backward."""
    gan = tiny.build("biggan", ortho=0.3, ortho_form="code", init="xavier")
    other = copy.deepcopy(gan)
    object.__setattr__(other, "config", other.config.model_copy(update={"ortho": 0.0}))
    real = tiny.batch(gan)
    drawn = gan.draw(real, rng.generator("test"))
    gan.G_loss(real, drawn).total.backward()
    other.G_loss(real, drawn).total.backward()
    add_orthogonal_gradient(regularised(other.G), 0.3, "code")
    for (name, p), q in zip(gan.G.named_parameters(), other.G.parameters()):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=2e-5, msg=name)


def test_the_penalty_is_logged_and_the_objective_is_hinge() -> None:
    gan = tiny.build("biggan", ortho=0.3, init="xavier")
    gan.D = Scores([1.0, 2.0, 3.0, -4.0])
    real = tiny.batch(gan)
    loss = gan.G_loss(real, gan.draw(real, rng.generator("test")))
    torch.testing.assert_close(loss.total, torch.tensor(-0.5) + loss.logs["G/ortho"])
    assert loss.logs["G/ortho"] > 0
    gan = tiny.build("biggan", ortho=0.0)
    gan.D = Scores([1.0, 2.0, 3.0, -4.0])
    assert set(gan.G_loss(real, gan.draw(real, rng.generator("test"))).logs) == set()


def test_steps_and_time_scales_of_the_paper() -> None:
    values = {"resolution": 8, "num_classes": 3, "G_ch": 4, "D_ch": 4, "G_attention": (), "D_attention": ()}
    gan = BigGAN(configure(Config, values))
    assert [(phase.player, phase.repeat) for phase in gan.phases()] == [("D", 2), ("G", 1)]
    groups = {name: o.param_groups[0] for name, o in new_state(gan, CPU).optimisers.items()}
    assert (groups["G"]["lr"], groups["D"]["lr"]) == (5e-5, 2e-4)
    assert groups["D"]["betas"] == (0.0, 0.999)


def test_images_are_counted_over_D_steps_and_parts() -> None:
    state = new_state(tiny.build("biggan", D_steps=3, accumulate=2), CPU)
    go(state, 2, tiny.images(state.gan))
    assert state.gan.images_seen == 2 * 3 * 4


def test_ten_iterations_of_the_cifar_recipe_end_where_the_authors_code_ends() -> None:
    """The preset through the engine, from the weights, data and noise that BigGAN-PyTorch was given (tests/nets)."""
    small = {"G_ch": 4, "D_ch": 4, "dim_z": 8, "D_wide": False, "sn_eps": 1e-6, "bn_eps": 1e-4, "batch": recipe.BATCH}
    values = {**presets()["biggan-cifar10"].values, **small, "num_classes": recipe.CLASSES}
    gan = BigGAN(configure(Config, values)).double()
    recipe.fill(gan.G, "G")
    recipe.fill(gan.D, "D")
    state = new_state(gan, CPU)
    tensors = {
        f"{i}.{k}": recipe.batch(f"{i}.{k}", 4, 32, 8, recipe.CLASSES) for i in range(10) for k in (*range(4), "G")
    }
    losses = []
    for i in range(10):
        where: list[str] = []

        def real(k: int, i: int = i) -> Batch:
            x, y = tensors[f"{i}.{k}"][:2]
            return Batch(x, Given(y=y))

        def draws(phase: str, k: int, i: int = i, where: list[str] = where) -> torch.Generator:
            where.append(f"{i}.G" if phase == "G" else f"{i}.{k}")
            return rng.generator("unused")

        gan.draw = lambda *_, where=where: Drawn(*tensors[where[-1]][2:])
        logs, _ = iterate(gan, real, state.optimisers, draws)
        losses.append(logs["G/loss"].double())
    with np.load(FIXTURE, allow_pickle=False) as file:
        theirs = {key: torch.from_numpy(file[key]) for key in ("ten.losses", "ten.state")}
    torch.testing.assert_close(torch.stack(losses), theirs["ten.losses"][:, 1], rtol=1e-5, atol=1e-5)
    ours = [recipe.fingerprints(player.state_dict()) for player in (gan.G, gan.D)]
    torch.testing.assert_close(torch.from_numpy(np.concatenate(ours)), theirs["ten.state"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["biggan", "biggan-tables", "biggan-plain", "biggan-deep"])
def test_samples_are_the_generators_own(name: str) -> None:
    """gan.sample is G(z, G.shared(y)) of the seeds' latents and classes, in evaluation mode."""
    gan = tiny.build(name)
    go(new_state(gan, CPU), 2, tiny.images(gan))
    seeds = [7, 8, 9]
    z = rng.noise(seeds, gan.config.dim_z)
    y = rng.labels(seeds, 3) if gan.config.num_classes else None
    x = gan.sample(3, seed=7)
    assert gan.training
    gan.eval()
    with torch.no_grad():
        torch.testing.assert_close(x, gan.G(z, gan.G.shared(y)))
    if y is not None:
        torch.testing.assert_close(x, gan.sample(3, seed=7, classes=y.tolist()))


def test_a_generator_without_D_samples_and_is_not_trained() -> None:
    gan = tiny.build("biggan", G_only=True)
    assert gan.D is None
    assert set(gan.players()) == {"G"}
    assert gan.sample(2).shape == (2, 1, 8, 8)
    with pytest.raises(InputError, match="generator only"):
        gan.phases()


def test_statistics_by_truncation_are_in_place_for_each_sample() -> None:
    gan = tiny.build("biggan", G_only=True, statistics=51)
    for name, rows in gan.hub.named_buffers():
        rows.copy_(torch.arange(51.0)[:, None].expand_as(rows) / 100 + (1 if name.endswith("var") else 0))
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    for truncation, row in {None: 50.0, 1.0: 50.0, 0.14: 7.0, 0.58: 29.0, 0.94: 47.0, 0.405: 20.25, 0.02: 1.0}.items():
        found = gan.hub.at(1.0 if truncation is None else truncation)
        mean, var = found["output_layer.0.stored_mean"], found["output_layer.0.stored_var"]
        torch.testing.assert_close(mean, torch.full_like(mean, row / 100), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(var, mean + 1, rtol=1e-6, atol=1e-5)
        by_hand = copy.deepcopy(gan.G).eval()
        by_hand.load_state_dict({**by_hand.state_dict(), **found})
        code = gan.code(Request([3], gan.given([3]), truncation))
        torch.testing.assert_close(gan.sample(1, seed=3, truncation=truncation), by_hand(code.z, code.c))
        by_hand.load_state_dict({**by_hand.state_dict(), **gan.hub.at(0.3)})
        assert not torch.allclose(gan.sample(1, seed=3, truncation=truncation), by_hand(code.z, code.c), atol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in gan.state_dict().items())
    with pytest.raises(InputError, match="statistics for 0 to 1"):
        gan.sample(1, truncation=2.0)


@pytest.mark.parametrize(
    "values",
    [{"D_steps": 0}, {"ortho": -1.0}, {"dim_z": 121}, {"resolution": 48}, {"G_attention": (3,)}, {"shared_dim": 0}],
)
def test_impossible_settings_are_one_line(values: dict[str, Any]) -> None:
    with torch.device("meta"), pytest.raises(InputError) as error:
        BigGAN(configure(Config, {"num_classes": 10, **values}))
    assert "\n" not in str(error.value)


def test_epsilons_reach_every_layer() -> None:
    gan = tiny.build("biggan", sn_eps=0.03, bn_eps=0.02, final_bn_eps=0.04)
    normed = {name: m.eps for name, m in gan.G.named_modules() if isinstance(m, Statistics)}
    assert normed.pop("output_layer.0") == 0.04
    assert len(normed) == 2
    assert set(normed.values()) == {0.02}
    for player in (gan.G, gan.D):
        assert {m.sn_eps for m in player.modules() if hasattr(m, "sn_eps")} == {0.03}


@pytest.mark.parametrize("player", ["G", "D"])
def test_initialisers_reach_both_players(player: str) -> None:
    plain, narrow, biased = (tiny.build("biggan", **v) for v in ({}, {"init": "N02"}, {"bias_init": "torch"}))
    weights = {name: p for name, p in getattr(narrow, player).named_parameters() if p.dim() == 4 and p.numel() > 30}
    assert weights
    for name, p in weights.items():
        assert 0.01 < p.std() < 0.03, name
        assert getattr(plain, player).get_parameter(name).std() > 0.05, name
    biases = [name for name, _ in getattr(plain, player).named_parameters() if name.endswith("linear.bias")]
    assert biases
    for name in biases:
        assert not getattr(plain, player).get_parameter(name).any()
        assert getattr(biased, player).get_parameter(name).any()
