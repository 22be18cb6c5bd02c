"""Memorisation: copies are found, honest samples are not accused."""

import pytest
import torch

from ganvas.errors import InputError
from ganvas.metrics.memorisation import memorisation


def draw(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))


def test_honest_samples() -> None:
    for held_out in (None, draw(1000, 2)):
        found = memorisation(draw(1000, 1), draw(1000, 0), held_out)
        assert abs(found.ratio - 1) < 0.1
        assert abs(found.closer - 0.5) < 0.05
        assert found.duplicates < 0.01


def test_copies() -> None:
    training = draw(500, 0)
    noisy = training[100:200] + 0.001 * draw(100, 3)
    found = memorisation(torch.cat([noisy, draw(300, 1)]), training, draw(500, 2))
    torch.testing.assert_close(found.duplicates, 0.25, atol=0.01, rtol=0)
    assert torch.equal(found.indices[:100], torch.arange(100, 200))
    assert memorisation(noisy, training).ratio < 0.01
    assert memorisation(noisy, training).closer == 1
    exact = memorisation(training[:50], training)
    assert torch.equal(exact.distances, torch.zeros(50, dtype=torch.float64))


def test_the_held_out_set_is_the_measure() -> None:
    far = memorisation(draw(200, 1), draw(400, 0), draw(200, 2) * 3)
    assert far.ratio < 0.7
    assert far.closer > 0.8
    with pytest.raises(InputError, match="expected more"):
        memorisation(draw(0, 1), draw(10, 0))
