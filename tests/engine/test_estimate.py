"""Estimates: multiplications to the number where they can be counted by hand, and never NaN or nothing."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas import api
from ganvas.data import peek
from ganvas.engine import estimate as module
from ganvas.engine.estimate import estimate
from tests import tiny

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _fixed_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_speed", lambda device: 1e9)


@pytest.mark.parametrize("name", tiny.TINY)
def test_estimates_are_finite_and_positive(name: str) -> None:
    paper = tiny.TINY[name][0]
    gan = api.Recipe(paper, name, tiny.build(name).config).on_meta()
    cost = estimate(gan, CPU, 1000)
    for value in (cost.flops_per_image, cost.seconds, cost.images_per_second, cost.memory_bytes):
        assert math.isfinite(value)
        assert value > 0
    assert cost.seconds == pytest.approx(1000 / cost.images_per_second)
    assert cost.memory_bytes > 4 * sum(gan.parameter_counts().values())


def test_the_multiplications_of_a_clipped_toy_by_hand() -> None:
    """Linear layers only: 2 a weight and image forward, 4 backward (2 in the first layer, whose input has none)."""
    values = {"G_width": 8, "D_width": 8, "n_critic": 5, "batch": 4}
    gan = api.recipe("wgan-toy-small", peek("ring8"), None, values).on_meta()
    g = sum(p.numel() for p in gan.G.parameters() if p.dim() == 2)
    d = sum(p.numel() for p in gan.D.parameters() if p.dim() == 2)
    first_g, first_d = gan.config.dim_z * 8, 2 * 8
    forward_backward = 6 * d - 2 * first_d
    critic = 2 * g + 2 * forward_backward  # a fake without gradient, D on real and fake
    generator = 6 * g - 2 * first_g + 4 * d  # through D to its input, D itself frozen
    per_iteration = 5 * critic + generator
    assert estimate(gan, CPU, 100).flops_per_image == pytest.approx(per_iteration / 5)


def test_wider_is_dearer() -> None:
    kind = peek("digits")
    recipes = [api.recipe("wgan-gp-digits", kind, None, {"G_width": w, "D_width": 8 * w}) for w in (4, 16)]
    small, large = (estimate(recipe.on_meta(), CPU, 100) for recipe in recipes)
    assert large.flops_per_image > 4 * small.flops_per_image
    assert large.memory_bytes > small.memory_bytes


def test_a_speed_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 1e6 < module._speed(CPU) < 1e16
