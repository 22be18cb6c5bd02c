from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from ganvas.data import check_pairs, load_pairs, peek_pairs
from ganvas.data.made_pairs import luma, sobel
from ganvas.errors import InputError


def test_patches_of_the_photographs_beside_what_is_made_of_them() -> None:
    china, _ = load_sample_images().images
    grey, edges = load_pairs("photo-grey"), load_pairs("photo-edges")
    assert (grey.a.shape, grey.b.shape) == ((553, 1, 64, 64), (553, 3, 64, 64))
    np.testing.assert_array_equal(grey.b, edges.b)
    left = china[:, :256]
    found = {}
    for place in ((320, 0), (320, 192), (128, 96)):  # patches are 16 pixels apart
        patch = (slice(place[0], place[0] + 64), slice(place[1], place[1] + 64))
        (found[place],) = np.flatnonzero((grey.b == left[patch].transpose(2, 0, 1)).all((1, 2, 3)))
        np.testing.assert_array_equal(grey.a[found[place], 0], luma(left)[patch])
        np.testing.assert_array_equal(edges.a[found[place], 0], sobel(luma(left))[patch])
    assert found[128, 96] < found[320, 0] < found[320, 192], "row by row"
    assert grey.paired
    assert grey.names == grey.names_b
    assert grey.fingerprint != edges.fingerprint == load_pairs("photo-edges").fingerprint
    assert not grey.a.flags.writeable


def test_patches_that_show_nothing_are_left_out() -> None:
    """The sky above the temple, and the dark behind the flower, have next to no edges."""
    edges = load_pairs("photo-edges")
    assert edges.a.mean((1, 2, 3)).min() >= 10
    sky = load_sample_images().images[0][:64, :64].transpose(2, 0, 1)
    assert not (edges.b == sky).all((1, 2, 3)).any()


def test_no_pixel_is_in_both_splits() -> None:
    """The test patches are those of the middle fifth, edges included, and training never reaches it."""
    photos = load_sample_images().images
    test, train = load_pairs("photo-edges", split="test"), load_pairs("photo-edges")
    assert len(test) == 60
    middle = {tuple(x) for photo in photos for x in photo[:, 256:384].reshape(-1, 3)}
    assert {tuple(x) for x in test.b[::9].transpose(0, 2, 3, 1).reshape(-1, 3)} <= middle
    for photo, right in ((photos[0], 384), (photos[1], 384)):
        first = photo[128:192, right : right + 64].transpose(2, 0, 1)
        edges = sobel(luma(photo[:, right:]))[128:192, :64]
        here = np.flatnonzero((train.b == first).all((1, 2, 3)))
        assert len(here) == (edges.mean() >= 10)
        for i in here:
            np.testing.assert_array_equal(train.a[i, 0], edges)


def test_sobel_by_hand() -> None:
    step = np.zeros((5, 6), np.uint8)
    step[:, 3:] = 40
    expected = np.zeros((5, 6))
    expected[:, 2:4] = 40 * 4 / 2
    np.testing.assert_array_equal(sobel(step), expected)
    np.testing.assert_array_equal(sobel(step.T), expected.T)
    assert sobel(step * 6).max() == 255


def test_size_and_channels_as_asked() -> None:
    pairs = load_pairs("photo-grey", split="test", resolution=(40, 80), channels=(3, 1))
    assert (pairs.a.shape[1:], pairs.b.shape[1:]) == ((3, 40, 80), (1, 40, 80))
    np.testing.assert_array_equal(pairs.a[:, :1], pairs.a[:, 2:])
    assert pairs.preprocessing["channels"] == [3, 1]
    kind = peek_pairs("photo-edges", split="test")
    assert (kind.counts, kind.native, kind.channels, kind.splits) == ((60, 60), (64, 64), (1, 3), ["train", "test"])
    with pytest.raises(InputError, match="at most 128x427 pixels in test, 200x200 asked for"):
        load_pairs("photo-grey", split="test", resolution=200)
    with pytest.raises(InputError, match="photo-grey has no split 'fall'"):
        load_pairs("photo-grey", split="fall")
    with pytest.raises(InputError, match="made on the spot"):
        check_pairs("photo-grey")


def test_without_scikit_learn_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(InputError, match="pip install scikit-learn"):
        load_pairs("photo-edges")
