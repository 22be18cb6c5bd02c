"""Which samples, reference and splits `evaluate` hands on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganvas.models import folder as model_folder
from ganvas.models.folder import Description
from ganvas.scoring import samples, subject
from tests import tiny


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Eight pixels, grey, trained with cropped pictures."""
    gan = tiny.build("sagan-plain")
    training = {"seed": 0, "fit": "pad", "max_unreadable": 0.25}
    description = Description(paper="sagan", config=gan.config.counting(), training=training)
    (tmp_path / "model").mkdir()
    model_folder.write(gan, tmp_path / "model", description, {"ema": "True"}, "untrained")
    return tmp_path / "model"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What scoring was asked for, in place of doing it."""
    found: dict[str, Any] = {}

    def score_gan(gan: Any, against: Any, names: Any, network: Any, which: samples.Samples, sets: int) -> list[Any]:
        found.update(against=against, names=names, which=which, sets=sets)
        return []

    def feature_network(name: str, learned: Any, *_: Any) -> None:
        found.update(learned=learned)

    monkeypatch.setattr(samples, "score_gan", score_gan)
    monkeypatch.setattr(samples, "feature_network", feature_network)
    return found


def test_as_many_samples_as_the_reference_has_and_fifty_thousand_at_most(
    model: Path, asked: dict[str, Any], tmp_path: Path
) -> None:
    assert subject.evaluate(model, "digits", metrics="fid") == ("model", [])
    assert asked["which"] == samples.Samples(1797, 0, None, "resample", 0, True)
    points = tiny.build("wgan", resolution=0, channels=2, G_net="toy", D_net="toy")
    (tmp_path / "points").mkdir()
    made = Description(paper="wgan", config=points.config.counting())
    model_folder.write(points, tmp_path / "points", made, {}, "untrained")
    subject.evaluate(tmp_path / "points", "ring8", metrics="sliced")
    assert (asked["which"].n, asked["which"].ema) == (50_000, None)


def test_what_was_asked_for_is_handed_on(model: Path, asked: dict[str, Any]) -> None:
    options: dict[str, Any] = {"n": 7, "seed": 3, "sets": 2, "intervals": 30, "standing": 4}
    subject.evaluate(model, "digits", metrics="fid,kid", truncation=0.5, truncation_form="clamp", **options)
    assert asked["which"] == samples.Samples(7, 3, 0.5, "clamp", 4, True)
    assert (asked["sets"], asked["names"]) == (2, ["fid", "kid"])
    assert asked["against"].settings.intervals == 30


def test_the_reference_is_decoded_as_the_training_images_were(
    model: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    load, decoded = subject.datasets.load, []
    monkeypatch.setattr(subject.datasets, "load", lambda data, **how: decoded.append(how) or load(data, **how))
    subject.evaluate(model, "digits", metrics="fid")
    assert decoded == [
        {"split": "train", "classes": True, "resolution": 8, "channels": 1, "fit": "pad", "max_unreadable": 0.25}
    ]


def test_a_runs_best_bears_the_runs_name(tmp_path: Path) -> None:
    assert subject._subject(tmp_path / "run" / "best") == "run/best"
    assert subject._subject(tmp_path / "run") == "run"
