"""What is chosen for a given time, machine and data, and how it is said."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganvas import api, budget, costs
from ganvas.cli import main
from ganvas.engine.rehearsal import Clock, Cost

SPEED = 4e6  # seconds of a step are counted as if an image of a network of so many weights took one


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose speed depends on the number of weights alone."""

    def seconds(recipe: api.Recipe) -> float:
        return recipe.config.images * sum(recipe.on_meta().parameter_counts().values()) / SPEED / 50

    monkeypatch.setattr(costs, "cost", lambda recipe, *_: Cost({"steps": Clock(seconds(recipe), 0)}, 2**29, 2**29, 1))
    monkeypatch.setattr(budget, "takes_long", lambda recipe, _: seconds(recipe))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(24):
        path = tmp_path / "photos" / f"{i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


def chosen(name: str, data: Path | str, seconds: float, **overrides: Any) -> budget.Chosen:
    kind = api.peek(name, str(data))
    settings = api.Settings(data=str(data))
    return budget.choose(name, kind, None, overrides, settings, seconds)


def test_more_time_is_more_images_or_more_width(photos: Path, measured: None) -> None:
    found = [chosen("biggan", photos, hours * 3600.0) for hours in (1, 8, 48)]
    widths = [c.recipe.config.G_ch for c in found]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
    for c in found:
        assert c.cost.seconds <= 48 * 3600
        assert c.recipe.config.G_ch == c.recipe.config.D_ch
        rate = 2e-4 * 16 / c.recipe.config.G_ch
        assert c.recipe.config.G_lr == pytest.approx(min(rate, 1e-3), rel=0.05)
        assert c.recipe.config.D_lr == pytest.approx(min(4 * rate, 2e-3), rel=0.05)
        half = np.log(0.5) / np.log(c.recipe.config.ema) * c.recipe.config.batch
        assert half == pytest.approx(0.02 * c.recipe.config.images, rel=0.1)
        assert (c.recipe.config.flip, c.recipe.config.augment) == (True, "diffaugment")


def test_a_narrow_network_with_less_is_kept_before_a_narrower_one(photos: Path, measured: None) -> None:
    """At 32 pixels 300,000 images are enough, and at 8 channels 100,000; below, 4 channels."""
    shown: dict[int, list[int]] = {}
    for hours in (0.01, 0.05, 0.1, 0.2, 0.3):
        c = chosen("biggan", photos, hours * 3600.0, resolution=32)
        shown.setdefault(c.recipe.config.G_ch, []).append(c.recipe.config.images)
    assert all(images >= (300_000 if width > 8 else 100_000) for width in shown if width > 4 for images in shown[width])
    assert 8 in shown
    assert min(shown[8]) < 300_000


def test_the_time_is_kept(photos: Path, measured: None) -> None:
    for hours in (1, 8):
        c = chosen("sagan", photos, hours * 3600.0)
        assert 0.8 * hours * 3600 < c.cost.seconds <= hours * 3600
        assert c.settings.checkpoint_every * c.cost.seconds / c.recipe.config.images <= 1000


def test_what_was_given_stays(photos: Path, measured: None) -> None:
    c = chosen("biggan", photos, 3600.0, G_ch=6, batch=16, G_lr=1e-5, flip=False)
    config = c.recipe.config
    assert (config.G_ch, config.batch, config.G_lr, config.flip) == (6, 16, 1e-5, False)


def test_the_preset_that_is_named_makes_the_same_recipe(photos: Path, measured: None, tmp_path: Path) -> None:
    c = chosen("wgan-gp", photos, 3600.0)
    mine = tmp_path / "mine.toml"
    mine.write_text(c.toml)
    assert tomllib.loads(c.toml)["base"] == c.recipe.preset
    again = api.recipe(str(mine), api.peek(str(mine), str(photos)))
    assert again.config == c.recipe.config


def test_a_bare_name_is_done_within_the_hour_and_names_the_papers(
    photos: Path, measured: None, capsys: Any, tmp_path: Path
) -> None:
    assert main(["train", "biggan", "--data", str(photos), "--device", "cpu", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "`ganvas train biggan-cifar10` trains it all the same" in said.err
    assert "chosen for 40:00 min: biggan-32-small" in said.err
    assert 'base = "biggan-32-small"' in said.err
    assert "preset biggan-32-small of paper biggan" in said.out
    assert main(["train", "biggan-64", "--data", str(photos), "--budget", "2h", "--device", "cpu", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "chosen for 2 h 00 min: biggan-64 with" in said.err


def test_a_time_that_is_none(capsys: Any) -> None:
    assert main(["train", "biggan", "--budget", "soon"]) == 2
    assert "'soon' given, expected a time as 45m, 8h or 2d" in capsys.readouterr().err
    assert main(["train", "--resume", "x", "--budget", "2h"]) == 2
    assert "--budget given with --resume" in capsys.readouterr().err
