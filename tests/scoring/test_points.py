"""Scores of points by formula: modes that count, class by class distances, what cannot be had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganvas import data as datasets
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.metrics.protocol import Protocol
from ganvas.metrics.sliced_wasserstein import sliced_wasserstein
from ganvas.scoring.points import score_points, wasserstein_1d
from tests import tiny

RING = torch.from_numpy(datasets.toy_modes("ring8"))


def toy(**values: Any) -> GAN:
    return tiny.build("wgan", resolution=0, channels=2, G_net="toy", D_net="toy", **values)


def on_modes(counts: list[int], away: int = 0) -> Tensor:
    """So many points on each mode of the ring, and some far from all."""
    return torch.cat([RING.repeat_interleave(torch.tensor(counts), 0), torch.full((away, 2), 50.0)]).float()


@pytest.mark.parametrize(("few", "covered"), [(3, 7), (4, 8)])
def test_a_mode_counts_with_one_in_five_hundred_samples(
    few: int, covered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = on_modes([200] * 7 + [few], away=600 - few)
    monkeypatch.setattr(GAN, "sample", lambda *_, **__: x)
    found = {s.name: s for s in score_points(toy(), datasets.load("ring8"), ["modes"], 2000, 0, Protocol())}
    assert list(found) == ["modes", "high-quality", "mode-KL"]
    assert found["modes"].value == covered
    assert found["high-quality"].value == pytest.approx((1400 + few) / 2000)
    assert found["modes"].protocol.settings == {"within_std": 3.0, "at_least": 4}


def test_few_samples_need_one_on_a_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GAN, "sample", lambda *_, **__: on_modes([1] * 6 + [0, 0]))
    score = score_points(toy(), datasets.load("ring8"), ["modes"], 6, 0, Protocol())[0]
    assert score.value == 6
    assert score.protocol.settings["at_least"] == 1


def test_samples_are_those_of_the_seed_at_the_truncation_of_the_record() -> None:
    gan, ring = toy(), datasets.load("ring8")
    record = Protocol(truncation=0.5, truncation_form="scale")
    (score,) = score_points(gan, ring, ["sliced"], 50, 7, record)
    x = gan.sample(50, seed=7, truncation=0.5, truncation_form="scale")
    assert score.value == pytest.approx(sliced_wasserstein(x, torch.from_numpy(np.array(ring.x))), rel=1e-6)
    p = score.protocol
    assert (p.reference, p.split, p.sample_count, p.reference_count) == ("ring8", "train", 50, 100_000)
    assert p.reference_hash == ring.fingerprint


def test_each_class_has_its_distance_and_the_mean_is_over_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of class k are the class's own points moved by k: so far apart are they."""
    line = datasets.load("mog1d")
    assert line.y is not None
    own = {k: torch.from_numpy(line.x[line.y == k]) for k in range(3)}
    monkeypatch.setattr(GAN, "sample", lambda self, n, seed, k=None, *_, **__: own[k or 0] + 0.25 * (k or 0))
    gan = tiny.build("wgan-gp-acgan")  # a model with classes
    found = score_points(gan, line, ["wasserstein"], 100, 0, Protocol())
    assert [s.name for s in found] == ["Wasserstein-0", "Wasserstein-1", "Wasserstein-2", "Wasserstein-classes"]
    assert [s.value for s in found] == pytest.approx([0.0, 0.25, 0.5, 0.25], abs=1e-5)


def test_the_distance_on_a_line_is_the_area_between_quantiles() -> None:
    a = torch.linspace(0, 1, 1001)
    assert wasserstein_1d(a, a + 0.3) == pytest.approx(0.3, abs=1e-6)
    assert wasserstein_1d(a, 2 * a) == pytest.approx(0.5, abs=1e-3)
    assert wasserstein_1d(a, a.flip(0)[:500]) > 0.2


def test_what_the_reference_has_not() -> None:
    with pytest.raises(InputError, match="swissroll has nothing that modes could measure; use --metrics sliced"):
        score_points(toy(), datasets.load("swissroll"), ["modes"], 8, 0, Protocol())
