from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from ganvas.data import check_pairs, load_pairs, peek_pairs
from ganvas.data.made_pairs import luma, sobel
from ganvas.errors import InputError


def test_patches_of_the_photographs_beside_what_is_made_of_them() -> None:
    china, flower = load_sample_images().images
    grey, edges = load_pairs("photo-grey"), load_pairs("photo-edges")
    assert (grey.a.shape, grey.b.shape) == ((1242, 1, 64, 64), (1242, 3, 64, 64))
    np.testing.assert_array_equal(grey.b, edges.b)
    np.testing.assert_array_equal(grey.b[0], china[:64, :64].transpose(2, 0, 1))
    np.testing.assert_array_equal(grey.b[28], china[16:80, 16:80].transpose(2, 0, 1))  # 27 in a row, 16 pixels apart
    np.testing.assert_array_equal(grey.b[621], flower[:64, :64].transpose(2, 0, 1))
    np.testing.assert_array_equal(grey.a[28, 0], luma(china[16:80, 16:80]))
    np.testing.assert_array_equal(edges.a[28, 0], sobel(luma(china))[16:80, 16:80])
    assert grey.paired
    assert grey.names == grey.names_b
    assert grey.fingerprint != edges.fingerprint == load_pairs("photo-edges").fingerprint
    assert not grey.a.flags.writeable


def test_no_pixel_is_in_both_splits() -> None:
    """The test patches are those of the right quarter, edges included, and training never reaches it."""
    china, _ = load_sample_images().images
    test, train = load_pairs("photo-edges", split="test"), load_pairs("photo-edges")
    assert len(test) == 96
    np.testing.assert_array_equal(test.b[0], china[:64, 480:544].transpose(2, 0, 1))
    np.testing.assert_array_equal(test.a[0, 0], sobel(luma(china[:, 480:]))[:64, :64])
    np.testing.assert_array_equal(train.b[26], china[:64, 416:480].transpose(2, 0, 1))  # the last of the first row


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
    assert (kind.counts, kind.native, kind.channels, kind.splits) == ((96, 96), (64, 64), (1, 3), ["train", "test"])
    with pytest.raises(InputError, match="at most 160x427 pixels in test, 200x200 asked for"):
        load_pairs("photo-grey", split="test", resolution=200)
    with pytest.raises(InputError, match="photo-grey has no split 'fall'"):
        load_pairs("photo-grey", split="fall")
    with pytest.raises(InputError, match="made on the spot"):
        check_pairs("photo-grey")


def test_without_scikit_learn_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(InputError, match="pip install scikit-learn"):
        load_pairs("photo-edges")
