from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ganvas.data import load, peek, toy_modes, toy_std
from ganvas.data.toys import TOYS, toy_points
from ganvas.errors import InputError


@pytest.mark.parametrize(("name", "count", "radius"), [("ring8", 8, 2 / 1.414), ("grid25", 25, 4 * 2**0.5 / 2.828)])
def test_points_lie_around_their_modes(name: str, count: int, radius: float) -> None:
    modes, std = toy_modes(name), toy_std(name)
    assert modes is not None
    assert std is not None
    assert modes.shape == (count, 2)
    np.testing.assert_allclose(np.linalg.norm(modes, axis=1).max(), radius, rtol=1e-6)
    x = load(name).x
    assert x.shape == (100_000, 2)
    assert x.dtype == np.float32
    gap = x[:, None] - modes
    nearest = np.square(gap).sum(-1).argmin(1)
    np.testing.assert_array_equal(np.bincount(nearest), [100_000 // count] * count)
    np.testing.assert_allclose(gap[np.arange(len(x)), nearest].std(axis=0), std, rtol=0.02)


def test_the_swiss_roll_has_its_radii_and_noise() -> None:
    x = load("swissroll").x * 7.5
    assert toy_modes("swissroll") is None
    assert toy_std("swissroll") is None
    radius = np.linalg.norm(x, axis=1)
    assert 1.5 * np.pi - 1.5 < radius.min() < 1.5 * np.pi
    assert 4.5 * np.pi < radius.max() < 4.5 * np.pi + 1.5
    t = np.unwrap(np.sort(np.arctan2(x[:, 1], x[:, 0])))
    assert t.max() - t.min() > 6  # goes all the way round
    # off the spiral r = t (mod 2 pi) by the noise, 0.25 across it
    turns = (radius - np.arctan2(x[:, 1], x[:, 0])) / (2 * np.pi)
    np.testing.assert_allclose(np.std(2 * np.pi * (turns - np.rint(turns))), 0.25, rtol=0.1)


def test_the_points_never_change() -> None:
    """The stream of RandomState is frozen; a change of these hashes changes every published toy result."""
    hashes = {
        name: hashlib.sha256(np.round(toy_points(name, count=64)[0], 4).tobytes()).hexdigest()[:12] for name in TOYS
    }
    assert hashes == {
        "ring8": "ec542c78c298",
        "grid25": "6990301fcf9d",
        "swissroll": "4c39f71a1c44",
        "mog1d": "aa0299492018",
    }


def test_the_test_split_is_another_draw() -> None:
    assert not np.array_equal(load("ring8").x, load("ring8", split="test").x)
    assert load("ring8").fingerprint != load("ring8", split="test").fingerprint
    with pytest.raises(InputError, match="no split 'fall'"):
        load("ring8", split="fall")


def test_a_toy_is_a_toy() -> None:
    toy = load("grid25")
    assert toy.is_points
    assert toy.y is None
    assert toy.arrays.keys() == {"x"}
    kind = peek("grid25")
    assert (kind.kind, kind.count, kind.native, kind.channels, kind.num_classes) == ("toy", 100_000, None, 2, 0)


def test_numbers_in_three_classes() -> None:
    toy = load("mog1d")
    assert toy.y is not None
    assert (toy.x.shape, toy.class_names) == ((100_000, 1), ["0", "1", "2"])
    for k in range(3):
        some = toy.x[toy.y == k, 0]
        assert abs(len(some) - 100_000 / 3) < 1
        np.testing.assert_allclose(some.mean(), 3 * k, atol=0.05)
        np.testing.assert_allclose(some.std(), k + 1, rtol=0.02)
    kind = peek("mog1d")
    assert (kind.kind, kind.channels, kind.num_classes) == ("toy", 1, 3)
    assert peek("mog1d", classes=False).num_classes == 0
    assert load("mog1d", classes=False).y is None
