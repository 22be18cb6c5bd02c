"""Both sides of a pair get the same crop and the same flip."""

from __future__ import annotations

import pytest
import torch

from ganvas.errors import InputError
from ganvas.ops.aligned import aligned_crop, aligned_flip, draw_corners


def pair(num: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """b is a, inverted and with two channels: so what happens to one can be checked on the other."""
    a = torch.randint(0, 256, (num, 1, 9, 12), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return a, torch.cat([255 - a, a], dim=1)


def test_crops_are_slices_at_the_same_place() -> None:
    a, b = pair()
    top, left = draw_corners(5, (9, 12), (6, 7), torch.Generator().manual_seed(1))
    cut_a, cut_b = aligned_crop(a, b, top, left, (6, 7))
    assert (cut_a.shape, cut_b.shape, cut_a.dtype) == ((5, 1, 6, 7), (5, 2, 6, 7), torch.uint8)
    for i, (y, x) in enumerate(zip(top.tolist(), left.tolist())):
        assert torch.equal(cut_a[i], a[i, :, y : y + 6, x : x + 7])
        assert torch.equal(cut_b[i], b[i, :, y : y + 6, x : x + 7])


def test_flips_follow_the_coins() -> None:
    a, b = pair()
    coins = torch.tensor([True, False, True, True, False])
    flipped_a, flipped_b = aligned_flip(a, b, coins)
    for i, coin in enumerate(coins.tolist()):
        assert torch.equal(flipped_a[i], a[i].flip(2) if coin else a[i])
        assert torch.equal(flipped_b[i], b[i].flip(2) if coin else b[i])


def test_corners_reach_every_place_and_none_outside() -> None:
    top, left = draw_corners(2000, (9, 12), (6, 7), torch.Generator().manual_seed(2))
    assert sorted(set(top.tolist())) == [0, 1, 2, 3]
    assert sorted(set(left.tolist())) == [0, 1, 2, 3, 4, 5]
    top, left = draw_corners(3, (9, 12), (9, 12), torch.Generator().manual_seed(3))
    assert not top.any()
    assert not left.any()


def test_a_crop_that_is_too_large_is_one_line() -> None:
    with pytest.raises(InputError, match="a crop of 7x10 does not fit into images of 12x9 pixels"):
        draw_corners(1, (9, 12), (10, 7), torch.Generator())
