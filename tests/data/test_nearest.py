"""Neighbours: exact, without the row itself, ties by number, the same whatever the blocks."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from ganvas.data import nearest
from ganvas.errors import InputError


def unit(count: int, dim: int, seed: int = 0) -> Tensor:
    x = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(x, dim=1)


def of(x: Tensor, k: int, start: int = 0, stop: int | None = None) -> tuple[Tensor, Tensor]:
    rows = nearest.as_array(x.numpy())
    return nearest.nearest(rows, len(x), start, len(x) if stop is None else stop, k)


def test_they_are_scikit_learns_by_angle_and_by_distance() -> None:
    x = unit(300, 16)
    found, similar = of(x, 7)
    for metric in ("cosine", "euclidean"):
        theirs = NearestNeighbors(n_neighbors=8, metric=metric, algorithm="brute").fit(x.numpy())
        distances, rows = theirs.kneighbors(x.numpy())
        assert (rows[:, 0] == np.arange(300)).all()
        assert [set(row) for row in found.tolist()] == [set(row) for row in rows[:, 1:].tolist()]
    np.testing.assert_allclose(nearest.radii(similar), distances[:, -1], rtol=1e-5)
    assert (similar.diff(dim=1) <= 0).all()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = unit(100, 8)
    whole = of(x, 5)[0]
    monkeypatch.setattr(nearest, "COLUMNS", 7)
    assert torch.equal(of(x, 5)[0], whole)
    assert torch.equal(of(x, 5, 40, 60)[0], whole[40:60])


@pytest.mark.parametrize("columns", [3, 100])
def test_duplicates_are_neighbours_and_ties_go_to_the_lower_row(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More equal vectors than neighbours: each row still has k, never itself, the lowest ones."""
    monkeypatch.setattr(nearest, "COLUMNS", columns)
    x = torch.tensor([[1.0, 0.0]]).repeat(8, 1)
    x = torch.cat([x, torch.tensor([[0.0, 1.0]])])
    found, _ = of(x, 3)
    assert found.tolist() == [
        [1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2],
    ]  # fmt: skip


@pytest.mark.parametrize("many", [0, 8])
def test_sorted_and_repeated_vectors_find_what_a_search_of_all_finds(
    many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later columns that are nearer than all before, or as near: by searching each block, and by what is nearer."""
    x = unit(80, 6)
    x = torch.cat([x[(x @ x[0]).argsort()], x[:30]])  # ever nearer to one of them, then repeated
    similar = x @ x.T
    similar.fill_diagonal_(-torch.inf)
    values, rows = similar.sort(dim=1, descending=True, stable=True)
    monkeypatch.setattr(nearest, "COLUMNS", 16)
    monkeypatch.setattr(nearest, "MANY", many)
    found, near = of(x, 4)
    torch.testing.assert_close(near, values[:, :4], rtol=0, atol=1e-6)
    clear = (values[:, :4] - values[:, 1:5]).abs().amin(1) > 1e-5  # equal but for rounding: no order to ask for
    assert clear.sum() > 20
    assert torch.equal(found[clear], rows[clear, :4])


@pytest.mark.parametrize("k", [0, 9, 10])
def test_as_many_neighbours_as_there_are_others(k: int) -> None:
    with pytest.raises(InputError, match=f"k={k} neighbours asked for of 9 images; expected 1 to 8"):
        nearest.checked_k(k, 9)
    assert nearest.checked_k(8, 9) == 8


def test_faiss_finds_the_same_sets() -> None:
    x = unit(500, 24)
    theirs, similar = nearest.Faiss(nearest.as_array(x.numpy()), 500)(100, 400, 20)
    ours, exact = of(x, 20, 100, 400)
    assert [set(row) for row in theirs.tolist()] == [set(row) for row in ours.tolist()]
    torch.testing.assert_close(similar, exact)


def test_faiss_leaves_out_the_row_itself_even_among_duplicates() -> None:
    """Of equal similarities it may take others than torch, never the row itself, and always k."""
    x = torch.tensor([[1.0, 0.0]]).repeat(9, 1)
    found, similar = nearest.Faiss(nearest.as_array(x.numpy()), 9)(0, 9, 3)
    assert found.shape == (9, 3)
    assert all(i not in row and len(set(row)) == 3 for i, row in enumerate(found.tolist()))
    assert (similar == 1).all()


def test_without_faiss_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"pip install 'ganvas\[faiss\]', or search with torch"):
        nearest.Faiss(nearest.as_array(unit(3, 4).numpy()), 3)
