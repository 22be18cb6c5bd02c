"""What `ganvas sample` asks of a model: how many, from which seeds, with which classes; and the names of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas import api
from ganvas.cli import main
from ganvas.gan import GAN
from tests import tiny


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the model was asked for, in order."""
    gan, found = tiny.build("sagan"), []

    def sample(self: GAN, n: int, seed: int, *rest: Any) -> torch.Tensor:
        found.append(("sample", n, seed, *rest))
        return torch.zeros(n, 1, 8, 8)

    def interpolate(self: GAN, seeds: range, classes: Any, steps: int, *rest: Any) -> torch.Tensor:
        found.append(("interpolate", list(seeds), classes, steps, *rest))
        return torch.zeros((len(seeds) - 1) * steps, 1, 8, 8)

    monkeypatch.setattr(GAN, "sample", sample)
    monkeypatch.setattr(GAN, "interpolate", interpolate)
    monkeypatch.setattr(GAN, "standing_statistics", lambda self, *given: found.append(("standing", *given)))
    monkeypatch.setattr(api, "load", lambda model, device: gan)
    return found


def run(words: str, out: Path) -> int:
    return main(["sample", "model", *words.split(), "--out", str(out)])


def test_classes_stand_in_equal_shares_one_after_the_other(asked: list[Any], tmp_path: Path) -> None:
    assert run("-n 5 --seed 3 --class 0 2", tmp_path / "x.png") == 0
    assert asked == [("sample", 5, 3, ["0", "0", "0", "2", "2"], None, 64, "resample")]


def test_legs_of_an_interpolation_take_turns_with_classes(asked: list[Any], tmp_path: Path) -> None:
    assert run("-n 3 --seed 4 --interpolate 6 --class 0 2 --truncation 0.5", tmp_path / "x.gif") == 0
    assert asked == [("interpolate", [4, 5, 6, 7], ["0", "2", "0", "2"], 6, 0.5, "resample")]


def test_without_a_number_it_is_sixty_four_or_eight_legs(asked: list[Any], tmp_path: Path) -> None:
    assert run("", tmp_path / "x.png") == 0
    assert run("--interpolate 2", tmp_path / "x.png") == 0
    assert (asked[0][1:4], asked[1][1:4]) == ((64, 0, None), (list(range(9)), None, 2))


def test_statistics_come_before_samples_at_the_same_truncation(asked: list[Any], tmp_path: Path) -> None:
    assert run("-n 2 --standing 7 --batch 5 --truncation 0.4 --truncation-form scale", tmp_path / "x.npz") == 0
    assert asked == [("standing", 7, 5, 0, 0.4, "scale"), ("sample", 2, 0, None, 0.4, 5, "scale")]


def test_each_image_bears_its_seed(asked: list[Any], tmp_path: Path) -> None:
    assert main(["sample", "model", "-n", "2", "--seed", "11", "--each", str(tmp_path / "each")]) == 0
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == ["seed000011.png", "seed000012.png"]
