"""Which preset and size a bare name means for data, and what the data decide."""

from __future__ import annotations

from typing import Any

import pytest

from ganvas import recipes
from ganvas.data import Kind
from ganvas.errors import InputError


def photos(native: tuple[int, int] | None, channels: int = 3, classes: int = 5) -> Kind:
    return Kind("folder", "photos", 100, native, channels, classes, [f"{k}" for k in range(classes)], ["train"])


@pytest.mark.parametrize(
    ("native", "resolution", "preset"),
    [
        ((8, 8), None, "biggan-digits"),
        ((8, 60), None, "biggan-64"),  # the longer side, whichever it is
        ((60, 8), None, "biggan-64"),
        (None, None, "biggan-64"),  # pictures of several sizes
        ((8, 8), 128, "biggan-128"),
    ],
)
def test_a_bare_name_goes_by_the_longer_side(native: Any, resolution: int | None, preset: str) -> None:
    made = recipes.recipe("biggan", photos(native), resolution)
    assert made.preset == preset
    assert (made.config.channels, made.config.num_classes) == (3, 5)
    assert resolution is None or made.config.resolution == resolution


def test_what_was_asked_for_wins_over_preset_and_data() -> None:
    asked = {"channels": 1, "batch": 16, "num_classes": 3, "G_lr": 0.5, "resolution": 32}
    config = recipes.recipe("biggan-64", photos((64, 64)), 128, asked).config
    assert {name: getattr(config, name) for name in asked} == asked
    plain = recipes.recipe("biggan-64", photos((64, 64)), None, {"conditional": False}).config
    assert plain.num_classes == 0


def test_the_sides_of_a_paper_that_knows_square_images_alone() -> None:
    with pytest.raises(InputError, match="biggan-64 makes square images, 128x64 pixels asked for; give one number"):
        recipes.recipe("biggan-64", photos((64, 64)), (64, 128))
    assert recipes.recipe("biggan-64", photos((64, 64)), (32, 32)).config.resolution == 32
