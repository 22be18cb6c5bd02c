"""Intra-class Fréchet distance: with masks, class by class."""

import pytest
import torch

from ganvas.errors import InputError
from ganvas.metrics.frechet import frechet_from_features
from ganvas.metrics.intra import intra_class_frechet


def test_classes_are_masked() -> None:
    """Labels swapped: the whole sets agree, so a metric without masks would see nothing."""
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    y = torch.arange(200) % 2
    x = x + 10.0 * y[:, None]
    assert frechet_from_features(x, x) < 1e-8
    right, swapped = intra_class_frechet(x, y, x, y), intra_class_frechet(x, 1 - y, x, y)
    assert right.value < 1e-8
    assert 250 < swapped.value < 350  # 3 coordinates x 10^2
    assert set(swapped.per_class) == {0, 1}
    for c in (0, 1):
        expected = frechet_from_features(x[y == 1 - c], x[y == c])
        torch.testing.assert_close(swapped.per_class[c], expected)
    torch.testing.assert_close(swapped.value, sum(swapped.per_class.values()) / 2)


def test_value_and_spread_are_those_of_the_classes() -> None:
    """Points moved by 1, 2 and 4: distances 1, 4 and 16, mean 7, variance (36 + 9 + 81) / 3, not / 2."""
    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.arange(30) % 3
    moved = x + torch.stack([2.0**y, torch.zeros(30)], 1)
    found = intra_class_frechet(moved, y, x, y)
    torch.testing.assert_close(found.value, 7.0, rtol=1e-9, atol=0)
    torch.testing.assert_close(found.spread, 42**0.5, rtol=1e-9, atol=0)


def test_a_missing_class_is_named() -> None:
    x, y = torch.randn(20, 3, generator=torch.Generator().manual_seed(2)), torch.arange(20) % 2
    with pytest.raises(InputError, match=r"class \[1\]"):
        intra_class_frechet(x, y * 0, x, y)
