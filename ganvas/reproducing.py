"""Trains a model that ships anew, exactly as it was trained, and puts the two beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ganvas import api
from ganvas.engine.log import Screen
from ganvas.engine.run import Settings
from ganvas.metrics.protocol import Score
from ganvas.models import folder as model_folder
from ganvas.models import zoo
from ganvas.recipes import Recipe, peek, recipe
from ganvas.scoring.subject import evaluate


@dataclass(frozen=True)
class Reproduction:
    """The scores of the model that ships and of the one trained anew, in the same order; how many weights are equal."""

    shipped: list[Score]
    anew: list[Score]
    equal: int  # tensors, to half precision
    tensors: int


def recipe_of(how: zoo.Made) -> Recipe:
    """The recipe that a shipped model was trained with."""
    return recipe(how.preset, peek(how.preset, how.data), None, how.values)


def score(model: Path, how: zoo.Made) -> list[Score]:
    """A model's scores by the protocol of those that ship."""
    pairs = how.metrics.startswith(("ssim", "psnr", "mse"))
    options = {} if pairs else {"n": how.n, "sets": how.sets}
    return evaluate(model, how.data, metrics=how.metrics, **options)[1]  # type: ignore[arg-type]


def train(how: zoo.Made, out: Path, device: str, screen: Screen | None = None) -> float:
    """Trains such a model into a new folder.  -> seconds.  Raises KeyboardInterrupt where it was stopped"""
    settings = Settings(data=how.data, seed=how.seed, device=str(api.choose_device(device)))
    outcome = api.train(recipe_of(how), settings, out, screen)
    if outcome.stopped is not None:
        raise KeyboardInterrupt
    return outcome.seconds


def reproduce(name: str, out: Path, device: str = "cpu", screen: Screen | None = None) -> Reproduction:
    """Trains the model that ships under this name anew into the new folder `out`, and compares.

    Equal weights to half precision are to be expected on the same kind of processor with the same torch; elsewhere
    scores within their spread.  Raises InputError for an unknown name and where `out` is not new.
    """
    folder = zoo.shipped(name)
    how = zoo.made(folder)
    train(how, out, device, screen)
    before, now = model_folder.read_weights(folder), model_folder.halved(model_folder.read_weights(out))
    equal = sum(torch.equal(value, now[key]) for key, value in before.items() if key in now)
    return Reproduction(zoo.scores(folder), score(out, how), equal, len(before))
