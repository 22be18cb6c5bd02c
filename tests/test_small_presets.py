"""Small presets for own photos: networks that fit, and what a bare name picks where time is short."""

from __future__ import annotations

import pytest

from ganvas.presets import presets, small
from ganvas.recipes import Recipe, as_meant, rehearse

PHOTOS = [name for name, row in presets().items() if row.data.startswith("own photos")]


@pytest.mark.parametrize("name", PHOTOS)
def test_a_small_preset_has_networks_that_fit(name: str) -> None:
    row = presets()[name]
    recipe = Recipe(row.paper, name, as_meant(row))
    rehearse(recipe)
    assert sum(recipe.on_meta().parameter_counts().values()) < 6e6
    assert recipe.config.ema_ramp


def test_a_bare_name_has_a_small_form() -> None:
    assert [small("biggan", size, False) for size in (16, 32, 200)] == [
        "biggan-digits", "biggan-32-small", "biggan-64-small",
    ]  # fmt: skip
    assert small("wgan", 0, True) == "wgan-toy-small"
    assert small("biggan-deep", 64, False) == "biggan-deep-64"  # no small form: the one that fits
    assert small("sagan-128", 64, False) == "sagan-128"
