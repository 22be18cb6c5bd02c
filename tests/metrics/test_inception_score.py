"""Inception Score: known values, torchmetrics, splits."""

import pytest
import torch
from torch import nn
from torchmetrics.image.inception import InceptionScore as Oracle

from ganvas.errors import InputError
from ganvas.metrics.inception_score import BLOCK, inception_score


def test_known_values() -> None:
    sure = torch.eye(5).repeat(4, 1)
    torch.testing.assert_close(inception_score(probabilities=sure, splits=1).value, 5.0)  # sure and even: K
    torch.testing.assert_close(inception_score(torch.zeros(20, 5), splits=4).value, 1.0)  # never sure: 1
    same = torch.eye(5)[:1].repeat(20, 1)
    torch.testing.assert_close(inception_score(probabilities=same, splits=2).value, 1.0)  # one class only: 1


class Logits(nn.Module):
    """Twelve logits of a 2 x 2 picture."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).float() / 50


def test_agrees_with_torchmetrics() -> None:
    x = torch.randint(0, 256, (101, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    oracle = Oracle(feature=Logits(), splits=1)
    oracle.update(x)
    found = inception_score(x.flatten(1).float() / 50, splits=1)
    torch.testing.assert_close(found.value, oracle.compute()[0].item(), rtol=1e-4, atol=0)


def test_splits_are_equal_runs_and_order_does_not_matter() -> None:
    logits = torch.randn(103, 7, generator=torch.Generator().manual_seed(1)) * 2
    parts = [inception_score(logits[103 * i // 4 : 103 * (i + 1) // 4], splits=1).value for i in range(4)]
    given = inception_score(logits, splits=4, seed=None)
    torch.testing.assert_close(given.values.tolist(), parts)
    torch.testing.assert_close(given.spread, torch.tensor(parts, dtype=torch.float64).std(correction=0).item())
    shuffled = inception_score(logits, splits=4)
    torch.testing.assert_close(inception_score(logits.flip(0), splits=4), shuffled)
    assert shuffled.value != given.value
    with pytest.raises(InputError, match="in 104 splits"):
        inception_score(logits, splits=104)


def test_it_is_the_mean_divergence_to_the_mean_distribution() -> None:
    """Blocks and their rest, classes that are impossible, and probabilities instead of logits."""
    logits = torch.randn(BLOCK + 5, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 3
    logits[3, :2] = -torch.inf
    p = logits.softmax(1)
    divergence = torch.where(p > 0, p * (p.log() - p.mean(0).log()), 0.0).sum(1).mean()
    for found in (inception_score(logits, splits=1), inception_score(probabilities=p, splits=1)):
        torch.testing.assert_close(found.value, divergence.exp().item(), rtol=1e-12, atol=0)


def test_a_constant_beside_the_logits_changes_nothing() -> None:
    logits = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    shifted = logits.double() + 2000.0 * torch.arange(40)[:, None] - 40_000.0
    assert inception_score(shifted, splits=2).value == pytest.approx(inception_score(logits.double(), splits=2).value)
