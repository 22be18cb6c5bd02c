"""Sliced Wasserstein distance by formula, and for sets of different sizes by repetition."""

import pytest
import torch
from scipy.stats import wasserstein_distance

from ganvas.errors import InputError
from ganvas.metrics.sliced_wasserstein import sliced_wasserstein


def test_in_one_dimension_it_is_scipys() -> None:
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 1, generator=rng), torch.randn(37, 1, generator=rng) * 2 + 1
    expected = wasserstein_distance(x[:, 0].numpy(), y[:, 0].numpy())
    torch.testing.assert_close(sliced_wasserstein(x, y, projections=3, p=1), expected, rtol=1e-6, atol=0)


def test_a_shift_is_its_length_over_root_d() -> None:
    """E <v, theta>^2 = |v|^2 / D for theta uniform on the sphere."""
    x = torch.randn(64, 10, generator=torch.Generator().manual_seed(1))
    found = sliced_wasserstein(x, x + 1, projections=20_000)
    torch.testing.assert_close(found, 1.0, atol=0.02, rtol=0)  # |v| = sqrt 10, D = 10


def test_sizes_order_and_seed() -> None:
    rng = torch.Generator().manual_seed(2)
    x, y = torch.rand(12, 3, 4, 4, generator=rng), torch.rand(8, 3, 4, 4, generator=rng)
    found = sliced_wasserstein(x, y)
    torch.testing.assert_close(sliced_wasserstein(x.repeat(2, 1, 1, 1), y.repeat(3, 1, 1, 1)), found)
    torch.testing.assert_close(sliced_wasserstein(y.flip(0), x), found)
    assert sliced_wasserstein(x, x.flip(0)) < 1e-12
    assert sliced_wasserstein(x, y, seed=1) != found
    with pytest.raises(InputError, match="sliced Wasserstein"):
        sliced_wasserstein(x, y[:, :1])
