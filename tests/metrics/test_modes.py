"""Mode counts on a case by hand."""

import math

import pytest
import torch

from ganvas.errors import InputError
from ganvas.metrics.modes import mode_coverage

MODES = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def test_by_hand() -> None:
    points = torch.tensor([[0.0, 0.29], [0.0, -0.31], [10.0, 0.1], [10.1, 0.0], [0.35, 10.0], [5.0, 5.0]])
    found = mode_coverage(points, MODES, std=0.1)
    assert found.counts.tolist() == [1, 2, 0, 0]
    assert found.covered == 2
    assert found.high_quality == 0.5
    torch.testing.assert_close(found.divergence, math.log(4 / 3) / 3 + 2 / 3 * math.log(8 / 3))
    assert mode_coverage(points, MODES, std=0.1, within=4).counts.tolist() == [2, 2, 1, 0]
    assert mode_coverage(points, MODES, std=0.1, at_least=2).covered == 1


def test_the_perfect_model_and_the_empty_one() -> None:
    rng = torch.Generator().manual_seed(0)
    points = MODES.repeat(2000, 1) + 0.1 * torch.randn(8000, 2, generator=rng)
    found = mode_coverage(points, MODES, std=0.1)
    assert found.covered == 4
    torch.testing.assert_close(found.high_quality, 1 - math.exp(-4.5), atol=0.003, rtol=0)  # Rayleigh, in the plane
    assert found.divergence < 1e-4
    assert math.isnan(mode_coverage(points + 3, MODES, std=0.1).divergence)
    with pytest.raises(InputError, match="mode count"):
        mode_coverage(points[:, :1], MODES, std=0.1)
