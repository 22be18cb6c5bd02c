"""Distances block by block: by hand, against full matrices, and equal points at distance 0 exactly."""

import numpy as np
import pytest
import torch

from ganvas.metrics import distances
from ganvas.metrics.distances import blocks, mean_pairwise, nearest, rough, within


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


def knots(spread: float, seed: int, count: int = 60) -> torch.Tensor:
    """Points in knots of this width, thousands apart: float32 sees the knots, and within them little or nothing."""
    rng = torch.Generator().manual_seed(seed)
    place = torch.randint(3, (count, 1), generator=rng) * 2000.0 + torch.randint(2, (count, 1), generator=rng) * 0.5
    x = place + spread * torch.randn(count, 7, generator=rng, dtype=torch.float64)
    x[1] = x[0]
    return x


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("spread", [1e-3, 0.3, 20.0, 500.0])
def test_rough_squares_decide_nothing_that_they_cannot_see(
    monkeypatch: pytest.MonkeyPatch, spread: float, share: float
) -> None:
    """Neighbours and what lies within a limit, by full matrices of differences; whoever decides what is left open."""
    monkeypatch.setattr(distances, "OPEN", share)
    monkeypatch.setattr(distances, "BLOCK", 500)
    monkeypatch.setattr(distances, "COLUMNS", 16)
    monkeypatch.setattr(distances, "PAIRS", 10)
    x, y = knots(spread, 0), knots(spread, 1, 50)
    whole = np.square(x.numpy()[:, None] - y.numpy()).sum(2)
    found, which = nearest(x, y, 4)
    np.testing.assert_allclose(found, np.sqrt(np.sort(whole)[:, :4]), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(np.take_along_axis(whole, which.numpy(), 1), found.square(), rtol=1e-7, atol=1e-12)
    own, mine = nearest(x, x, 1, leave_one_out=True)
    assert (mine[:, 0] != torch.arange(60)).all()
    assert own[0] == own[1] == 0
    for limit in (found[:, -1:].square() * 1.05, found[0, 0].square().expand(50) * 0.95):
        for rows, squared, error in rough(x, y):
            assert np.abs(squared.numpy() - whole[rows]).max() <= error
            bound = limit[rows] if limit.ndim == 2 else limit
            inside = within(x[rows], y, squared, error, bound)
            np.testing.assert_array_equal(inside, whole[rows] <= bound.numpy())


def test_numbers_that_float32_cannot_square() -> None:
    x = points(30, 4)
    found, which = nearest(x * 1e25, x * 1e25, 2, leave_one_out=True)
    small, same = nearest(x, x, 2, leave_one_out=True)
    assert torch.equal(which, same)
    torch.testing.assert_close(found, small * 1e25, rtol=1e-5, atol=0)
    x[3] = torch.nan
    assert nearest(x, x[:20], 2)[0][3].isnan().all()


def test_products_that_the_caller_has_made_coarse_are_not_used() -> None:
    x = points(200, 3)
    try:
        torch.set_float32_matmul_precision("medium")
        kinds = {squared.dtype for _, squared, _ in rough(x, x)}
    finally:
        torch.set_float32_matmul_precision("highest")
    assert kinds == {torch.float64}
    with torch.autocast("cpu", torch.bfloat16):
        squared, error = next(rough(x, x))[1:]
    whole = np.square(x.double().numpy()[:, None] - x.double().numpy()).sum(2)
    assert np.abs(squared.numpy() - whole).max() <= error


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
