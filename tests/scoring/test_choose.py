"""What chooses the best of a run: which samples, against what, and which entry decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ganvas.gan import GAN
from ganvas.metrics.protocol import Protocol, Score
from ganvas.metrics.sliced_wasserstein import sliced_wasserstein
from ganvas.ops.pixels import to_float
from ganvas.scoring import choose
from ganvas.scoring.samples import Reference, Samples
from tests import tiny
from tests.scoring.test_samples import data


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Reference, list[str], Samples]]:
    """What `score_gan` was asked for; it answers with two scores, of which the second is the metric's own."""
    found: list[tuple[Reference, list[str], Samples]] = []

    def score_gan(gan: GAN, against: Reference, names: list[str], network: Any, samples: Samples) -> list[Score]:
        found.append((against, names, samples))
        record = Protocol(reference_hash="abc")
        return [Score(name=name, value=1.0, protocol=record) for name in ("other", "FD-own", "recall-own")]

    monkeypatch.setattr(choose, "score_gan", score_gan)
    monkeypatch.setattr(choose, "feature_network", lambda *_, **__: None)
    return found


@pytest.mark.parametrize(("n", "samples"), [(10_000, 40), (25, 25)])
def test_as_many_samples_as_real_images_from_seeds_of_their_own(n: int, samples: int, asked: list[Any]) -> None:
    gan, images = tiny.build("sagan"), data()
    score = choose.scorer("fid", images, n, num_classes=3)
    score(gan)
    ((against, names, which),) = asked
    assert (which.n, which.seed) == (samples, 1_000_000)
    assert names == ["fid"]
    assert against.images is images


def test_the_metrics_own_score_decides_and_the_reference_is_hashed_once(asked: list[Any]) -> None:
    gan = tiny.build("sagan")
    fid, recall = (choose.scorer(name, data(), 25, num_classes=3) for name in ("fid", "recall"))
    assert next(iter(fid(gan))) == "FD-own"
    assert next(iter(recall(gan))) == "recall-own"
    assert asked[1][1] == ["prdc"]
    fid(gan)
    assert [against.fingerprint for against, _, _ in asked] == [None, None, "abc"]


def test_sliced_compares_a_thousand_samples_with_as_many_real_images() -> None:
    gan, images = tiny.build("sagan"), data(m=40)
    real = to_float(torch.from_numpy(np.array(images.x))).flatten(1)
    found = choose.scorer("sliced", images, 10)(gan)
    fake = gan.sample(40, seed=choose.SAMPLED).flatten(1)
    assert found == {"sliced_wasserstein": pytest.approx(sliced_wasserstein(fake, real), rel=1e-4)}
    asked: list[tuple[int, int]] = []
    many = data(m=1200)
    gan.sample = lambda n, seed: asked.append((n, seed)) or torch.zeros(n, 64)  # type: ignore[method-assign, assignment]
    choose.scorer("sliced", many, 10)(gan)
    assert asked == [(1000, choose.SAMPLED)]
