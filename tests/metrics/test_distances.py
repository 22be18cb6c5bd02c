"""Distances block by block: by hand, against full matrices, and equal points at distance 0 exactly."""

import numpy as np
import pytest
import torch

from ganvas.metrics import distances
from ganvas.metrics.distances import blocks, mean_pairwise, nearest


def points(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)) * 3 + 40


@pytest.mark.parametrize("block", [1 << 23, 70])
def test_blocks_are_the_whole_matrix(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(distances, "BLOCK", block)
    monkeypatch.setattr(distances, "COLUMNS", 8)
    x, y = points(17, 0), points(30, 1)
    whole = np.linalg.norm(x.double().numpy()[:, None] - y.double().numpy(), axis=2)
    rows = [(part, found) for part, found in blocks(x, y)]
    assert len(rows) == (1 if block > 1000 else 9)
    for part, found in rows:
        np.testing.assert_allclose(found, whole[part], rtol=1e-9)


def test_the_mean_is_over_pairs_of_different_rows() -> None:
    """A triangle with sides 3, 4, 5; with itself a row would be at distance 0 and pull the mean down."""
    torch.testing.assert_close(mean_pairwise(torch.tensor([[0.0, 0], [3, 0], [0, 4]])), 4.0, rtol=1e-12, atol=0)
    torch.testing.assert_close(mean_pairwise(torch.tensor([[0.0], [2.0]])), 2.0, rtol=1e-12, atol=0)


def test_neighbours_come_nearest_first_and_are_never_oneself() -> None:
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    found, which = nearest(x, x, k=2, leave_one_out=True)
    assert which.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    torch.testing.assert_close(found, torch.tensor([[1.0, 3], [1, 2], [2, 3], [4, 6]], dtype=torch.float64))
    y = points(20, 2) * 1e3
    assert (nearest(y, y)[0] == 0).all()
    assert nearest(y, y)[1].flatten().tolist() == list(range(20))
