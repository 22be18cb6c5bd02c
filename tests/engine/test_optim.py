"""Rules, schedules and TensorFlow's RMSProp by formula; the state of every optimiser survives its flat form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ganvas.engine import optim
from ganvas.gan import Rule
from tests import tiny

OPTIMIZERS = ["adam", "rmsprop", "rmsprop_tf1"]


def rule(kind: str, lr: float, eps: float = 1e-8) -> Rule:
    return Rule(kind, lr, (0.5, 0.9), eps)


def slope(weight: Tensor, x: Tensor) -> None:
    weight.grad = 2.0 * weight.detach() * x


@pytest.mark.parametrize(
    ("schedule", "share", "factor"),
    [
        ("constant", 0.0, 1.0),
        ("constant", 0.9, 1.0),
        ("linear", 0.0, 1.0),
        ("linear", 0.25, 0.75),
        ("linear", 1.0, 0.0),
        ("linear", 1.5, 0.0),
        ("cosine", 0.0, 1.0),
        ("cosine", 1 / 3, 0.75),
        ("cosine", 0.5, 0.5),
        ("cosine", 1.0, 0.0),
        ("cosine", 2.0, 0.0),
    ],
)
def test_schedules_by_formula(schedule: str, share: float, factor: float) -> None:
    gan = tiny.build("wgan", lr_schedule=schedule, images=3000, G_lr=4e-3, D_lr=1e-3)
    weight = nn.Parameter(torch.ones(2))
    for player, rate in (("G", 4e-3), ("D", 1e-3)):
        gan.images_seen = 0
        optimiser = optim.build(gan.rule(player), [weight])
        assert optimiser.param_groups[0]["lr"] == rate
        gan.images_seen = round(share * 3000)
        optim.follow(optimiser, gan.rule(player))
        assert optimiser.param_groups[0]["lr"] == pytest.approx(rate * factor, abs=1e-12)


def test_a_rule_is_the_configs() -> None:
    gan = tiny.build("wgan-gp", G_lr=3e-3, D_lr=2e-3, beta1=0.25, beta2=0.75, eps=1e-5)
    assert gan.rule("G") == Rule("adam", 3e-3, (0.25, 0.75), 1e-5)
    assert gan.rule("D") == Rule("adam", 2e-3, (0.25, 0.75), 1e-5)


@pytest.mark.parametrize(
    ("kind", "optimiser", "fields"),
    [
        ("adam", torch.optim.Adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-8}),
        ("rmsprop", torch.optim.RMSprop, {"lr": 0.1, "eps": 1e-8, "alpha": 0.99}),
        ("rmsprop_tf1", optim.RMSpropTF1, {"lr": 0.1, "eps": 1e-8, "alpha": 0.9}),
    ],
)
def test_an_optimiser_is_built_by_its_rule_and_follows_it(
    kind: str, optimiser: type[torch.optim.Optimizer], fields: dict[str, object]
) -> None:
    built = optim.build(rule(kind, 0.1), [nn.Parameter(torch.ones(2))])
    assert type(built) is optimiser
    (group,) = built.param_groups
    assert {key: group[key] for key in fields} == fields
    optim.follow(built, Rule(kind, 0.2, (0.0, 0.99), 1e-3))
    changed = {"lr": 0.2, "betas": (0.0, 0.99), "eps": 1e-3}
    assert {key: group[key] for key in fields} == {key: changed.get(key, value) for key, value in fields.items()}
    assert ("betas" in group) == (kind == "adam")


def test_tensorflows_rmsprop_by_formula() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = optim.build(rule("rmsprop_tf1", 0.1, 1e-3), [weight])
    w, m = [1.0, -2.0], [1.0, 1.0]
    for _ in range(3):
        slope(weight, torch.tensor([0.3, 0.7]))
        optimiser.step()
        g = [2.0 * w[0] * 0.3, 2.0 * w[1] * 0.7]
        m = [0.9 * a + 0.1 * b * b for a, b in zip(m, g)]
        w = [a - 0.1 * b / math.sqrt(c + 1e-3) for a, b, c in zip(w, g, m)]
    torch.testing.assert_close(weight.detach(), torch.tensor(w))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_flat_state_goes_on_bit_for_bit(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    xs = torch.rand(6, 3, 2, generator=rng)
    whole = nn.Parameter(torch.ones(3, 2))
    through = optim.build(rule(name, 0.05), [whole])
    for x in xs:
        slope(whole, x)
        through.step()

    weight = nn.Parameter(torch.ones(3, 2))
    first = optim.build(rule(name, 0.05), [weight])
    for x in xs[:3]:
        slope(weight, x)
        first.step()
    flat = {key: value.clone() for key, value in optim.flat_state(first).items()}
    assert flat
    assert all(isinstance(value, Tensor) for value in flat.values())
    second = optim.build(rule(name, 0.05), [weight])
    optim.load_flat_state(second, flat)
    for x in xs[3:]:
        slope(weight, x)
        second.step()
    assert torch.equal(weight, whole)
    last = optim.flat_state(through)
    assert all(torch.equal(value, last[key]) for key, value in optim.flat_state(second).items())
    assert optim.flat_state(second).keys() == last.keys()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_player_has_its_own_rate(name: str) -> None:
    gan = tiny.build("wgan-gp", optimizer=name, G_lr=0.0, D_lr=0.1)
    for player, moves in (("G", False), ("D", True)):
        weight = nn.Parameter(torch.ones(2))
        optimiser = optim.build(gan.rule(player), [weight])
        slope(weight, torch.ones(2))
        optimiser.step()
        assert torch.equal(weight, torch.ones(2)) != moves
