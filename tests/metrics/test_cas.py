"""Classification accuracy score, over features and over images, both ways round."""

import pytest
import torch

from ganvas.errors import InputError
from ganvas.metrics.cas import classification_accuracy_score


def blobs(count: int, spread: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features [count, 2] of three classes around the corners of a triangle."""
    rng = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 3
    corners = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    return corners[y] + spread * torch.randn(count, 2, generator=rng), y


def test_features() -> None:
    real, y = blobs(300, 0.5, 0)
    good, labels = blobs(300, 0.5, 1)
    found = classification_accuracy_score(good, labels, real, y)
    assert min(found) > 0.97
    assert found == classification_accuracy_score(good, labels, real, y)
    wrong = classification_accuracy_score(good, (labels + 1) % 3, real, y)
    assert max(wrong) < 0.05


def test_a_model_without_variety_is_seen_by_the_score_but_not_by_the_inverse() -> None:
    """Each class is one narrow cloud at the edge of its own; the real classifier still knows it."""
    real, y = blobs(600, 1.2, 0)
    rng = torch.Generator().manual_seed(2)
    place = torch.tensor([[-2.0, -2.0], [3.0, -3.5], [-3.5, 2.5]])[y] + 0.05 * torch.randn(600, 2, generator=rng)
    found = classification_accuracy_score(place, y, real, y)
    assert found.inverse > 0.99
    assert found.score < found.inverse - 0.05


def test_images_and_the_seed() -> None:
    rng = torch.Generator().manual_seed(3)
    y = torch.arange(120) % 2
    x = torch.randint(0, 60, (120, 1, 8, 8), dtype=torch.uint8, generator=rng)
    x[y == 1, :, :4] += 120  # bright above
    x[y == 0, :, 4:] += 120  # bright below
    first = classification_accuracy_score(x[:60], y[:60], x[60:], y[60:], seed=1, steps=12)
    assert min(first) > 0.95
    assert classification_accuracy_score(x[:60], y[:60], x[60:], y[60:], seed=1, steps=12) == first
    with pytest.raises(InputError, match="must be alike"):
        classification_accuracy_score(x, y, x[..., :4], y)
