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


def test_a_missing_class_is_named() -> None:
    x, y = torch.randn(20, 3), torch.arange(20) % 2
    with pytest.raises(InputError, match=r"class \[1\]"):
        intra_class_frechet(x, y * 0, x, y)
