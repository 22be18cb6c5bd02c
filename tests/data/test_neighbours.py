from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest

from ganvas.data import neighbours
from ganvas.data.neighbours import groups, near_pairs

from .make import noise


def brute(thumbs: np.ndarray) -> set[tuple[int, int]]:
    x = thumbs.astype(np.float64)
    std = x.std(axis=1)
    limit = np.minimum(6.0, 0.05 * np.minimum(std[:, None], std))  # grey levels, share of the contrast
    distance = np.sqrt(np.square(x[:, None] - x).mean(-1))
    return {(i, j) for i, j in np.argwhere(distance <= limit).tolist() if i < j}


def smooth(count: int, seed: int) -> np.ndarray:
    """Thumbnails with few degrees of freedom, as pictures have, and slightly changed copies of some."""
    rng = np.random.RandomState(seed)
    x = rng.randn(count, 6) @ rng.randn(6, 192) * 25 + 128
    copies = x[rng.randint(0, count, count // 4)] + rng.randn(count // 4, 1) * 3 + rng.randn(count // 4, 192)
    return np.clip(np.concatenate([x, copies]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("pairs", [1, 100, 10**6])
def test_no_pair_is_missed_and_none_invented(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However finely the set is cut, and if it is not."""
    monkeypatch.setattr(neighbours, "_PAIRS", pairs)
    monkeypatch.setattr(neighbours, "_BLOCK", 32)
    monkeypatch.setattr(neighbours, "_WINDOW", 50)
    for seed in range(3):
        thumbs = smooth(160, seed)
        found = {tuple(pair) for pair in near_pairs(thumbs).tolist()}
        assert found == brute(thumbs)
        assert 10 < len(found) < 100


@pytest.mark.parametrize("pairs", [1, 200])
def test_every_pair_within_reach_is_compared_once(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of points in a plane, each with a reach of its own, some equal."""
    monkeypatch.setattr(neighbours, "_PAIRS", pairs)
    rng = np.random.RandomState(0)
    flat = rng.rand(400, 2) * [100, 60]
    flat[:20] = flat[20]
    reach = rng.rand(400) * 3
    compared = [
        tuple(sorted(pair)) for a, b in neighbours._near(flat, reach) for pair in product(a.tolist(), b.tolist())
    ]
    times = Counter(pair for pair in compared if pair[0] != pair[1])
    gap = np.abs(flat[:, None] - flat).max(axis=2)
    within = {(i, j) for i, j in np.argwhere(gap <= np.minimum(reach[:, None], reach)).tolist() if i < j}
    assert len(within) > 190 + 50
    assert within <= set(times)
    twice = {(i, j) for a, b in neighbours._near(flat, reach) if a is b for i, j in product(a.tolist(), a.tolist())}
    assert all(count == 1 + (pair in twice) for pair, count in times.items())
    assert len(times) < 400 * 399 / 2 / 3


def test_four_times_as_many_pictures_are_not_sixteen_times_the_work() -> None:
    def compared(count: int) -> int:
        flat = np.random.RandomState(1).randn(count, 16) * np.geomspace(400, 20, 16)
        return sum(len(a) * len(b) for a, b in neighbours._near(flat, np.full(count, 25.0)))

    assert compared(16_000) < 8 * compared(4_000)


def test_where_a_copy_ends() -> None:
    """Six grey levels apart on average, and less where the contrast is low."""
    harsh = np.zeros((1, 192), np.uint8)
    harsh[:, 96:] = 247  # a contrast of 123.5, of which a twentieth is more than six levels
    six, more = harsh + np.uint8(6), harsh + np.uint8(6)
    more[:, ::16] += 1
    assert len(near_pairs(np.concatenate([harsh, six]))) == 1
    assert len(near_pairs(np.concatenate([harsh, more]))) == 0
    pale = np.full((1, 192), 100, np.uint8)
    pale[:, 96:] = 180  # a contrast of 40
    assert len(near_pairs(np.concatenate([pale, pale + np.uint8(2)]))) == 1
    assert len(near_pairs(np.concatenate([pale, pale + np.uint8(3)]))) == 0


def test_noise_has_no_pairs_and_little_has_none() -> None:
    assert near_pairs(noise(500, 192)).shape == (0, 2)
    assert near_pairs(noise(1, 192)).shape == (0, 2)


def test_a_thousand_equal_frames_are_one_group_and_not_half_a_million_pairs() -> None:
    thumbs = np.repeat(noise(1, 192), 1000, axis=0)
    thumbs[:, 0] = np.arange(1000) % 3
    pairs = near_pairs(thumbs)
    assert len(pairs) <= 1000 * 64
    assert [len(group) for group in groups(pairs, 1000)] == [1000]


def test_groups_are_connected_and_ordered() -> None:
    assert groups(np.array([[5, 7], [0, 2], [2, 4]]), 9) == [[0, 2, 4], [5, 7]]
    assert groups(np.empty((0, 2), dtype=np.int64), 9) == []
