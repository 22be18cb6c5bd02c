"""k-means against scikit-learn, and the rows nearest to its centres."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from ganvas.data import kmeans
from ganvas.data.nearest import as_array


def clouds(each: int = 40, num: int = 6) -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    middles = torch.randn(num, 5, generator=rng) * 8
    return (middles[:, None] + torch.randn(num, each, 5, generator=rng)).flatten(0, 1)


def test_one_iteration_is_scikit_learns() -> None:
    x = clouds()
    start = x[torch.randperm(len(x), generator=kmeans.rng.generator("centres", 6))[:6]]
    theirs = KMeans(6, init=start.numpy(), n_init=1, max_iter=1, algorithm="lloyd").fit(x.numpy())
    ours = kmeans.k_means(x, 6, 1)
    np.testing.assert_allclose(np.sort(ours, 0), np.sort(theirs.cluster_centers_, 0), rtol=1e-4, atol=1e-4)


def test_it_ends_as_low_as_scikit_learn() -> None:
    x = clouds()
    ours = kmeans.k_means(x, 30, 100)
    theirs = KMeans(30, init="random", n_init=5, random_state=0).fit(x.numpy())
    assert kmeans.assigned(x, ours)[1].sum() < 1.2 * theirs.inertia_


def test_a_centre_without_rows_moves_to_the_farthest() -> None:
    """All three centres start at one place; the two other points must get one each."""
    x = torch.full((5, 2), 5.0)
    start = torch.randperm(5, generator=kmeans.rng.generator("centres", 3))[:3].tolist()
    x[[i for i in range(5) if i not in start]] = torch.tensor([[9.0, 9.0], [9.0, 1.0]])
    assert kmeans.assigned(x, kmeans.k_means(x, 3, 10))[1].max() == 0


def test_the_chosen_rows_are_the_nearest_to_the_centres_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans, "BLOCK", 50)
    x = clouds()
    chosen = kmeans.representatives(as_array(x.numpy()), len(x), 6, 50, 256)
    centres = kmeans.k_means(x, 6, 50)
    assert chosen.tolist() == sorted(set(torch.cdist(centres, x).argmin(1).tolist()))


def test_a_small_set_is_taken_whole() -> None:
    x = clouds(2, 3)
    assert kmeans.representatives(as_array(x.numpy()), 6, 6, 10, 256).tolist() == list(range(6))
