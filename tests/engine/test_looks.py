"""What a look at a run passes on to the verdict."""

from __future__ import annotations

import pytest
import torch

from ganvas.engine import health
from ganvas.gan import GAN
from tests import tiny


@pytest.mark.parametrize(("images_seen", "said"), [(0, False), (20, False), (24, True), (48, True)])
def test_late_in_a_run_twins_are_named(images_seen: int, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the half of it on, though nothing was ever learned."""
    gan = tiny.build("wgan")
    gan.images_seen = images_seen
    monkeypatch.setattr(GAN, "sample", lambda self, n, **_: torch.zeros(n, 1, 8, 8))
    verdict = health.look(gan, tiny.batch(gan, 16), {}, peak=0.0)
    assert not verdict.collapsed
    assert ("never did they differ much" in verdict.sentence) == said


def test_a_fall_is_measured_from_the_peak_that_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = tiny.build("wgan")
    real = tiny.batch(gan, 16)
    monkeypatch.setattr(GAN, "sample", lambda self, n, **_: 0.3 * real.x.flip(0))
    assert health.look(gan, real, {}, peak=1.0).collapsed
    assert not health.look(gan, real, {}, peak=0.5).collapsed


def test_samples_of_a_look_are_not_those_that_people_ask_for() -> None:
    """Nor those that choose the best: a look would praise what was picked for its looks."""
    from ganvas.scoring import choose

    least, most = sorted((health.FIRST, choose.SAMPLED))
    assert least >= 1_000_000
    assert most - least >= 50_000
