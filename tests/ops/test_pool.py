"""The image pool against CycleGAN's, written out with a list, one image after the other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.ops.pool import Fakes, Pool, Pools


def numbered(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 2, 3, 4).contiguous()


def numbers(images: Tensor) -> list[float]:
    assert (images == images[:, :1, :1, :1]).all()
    return images[:, 0, 0, 0].tolist()


def test_step_by_step() -> None:
    pool = Pool(2, 2, 3, 4)
    yes, no = torch.tensor([True]), torch.tensor([False])
    zero, one = torch.tensor([0]), torch.tensor([1])
    # While it fills, coins and slots have no say.
    assert numbers(pool.exchange(numbered(1), yes, one)) == [1]
    assert (int(pool.filled), numbers(pool.images)) == (1, [1, 0])
    assert numbers(pool.exchange(numbered(2), no, zero)) == [2]
    assert (int(pool.filled), numbers(pool.images)) == (2, [1, 2])
    # Full: heads shows the stored one and stores the new one, tails shows the new one and stores nothing.
    assert numbers(pool.exchange(numbered(3), yes, one)) == [2]
    assert numbers(pool.images) == [1, 3]
    assert numbers(pool.exchange(numbered(4), no, zero)) == [4]
    assert numbers(pool.images) == [1, 3]
    # In a batch, an image stored a moment ago can come out again.
    heads, slots = torch.tensor([True, True, False, True]), torch.tensor([0, 0, 0, 1])
    assert numbers(pool.exchange(numbered(5, 6, 7, 8), heads, slots)) == [1, 5, 7, 3]
    assert numbers(pool.images) == [6, 8]
    assert int(pool.filled) == 2


def test_as_a_list_of_images_does_it() -> None:
    pool, stored = Pool(5, 2, 3, 4), []
    rng = torch.Generator().manual_seed(0)
    for step in range(20):
        coins, slots = pool.draw(3, rng)
        given, expected = [float(3 * step + i) for i in range(3)], []
        for value, coin, slot in zip(given, coins.tolist(), slots.tolist()):
            if len(stored) < 5:
                stored.append(value)
                expected.append(value)
            elif coin:
                expected.append(stored[slot])
                stored[slot] = value
            else:
                expected.append(value)
        assert numbers(pool.exchange(numbered(*given), coins, slots)) == expected
    assert numbers(pool.images) == stored


def test_the_first_fifty_come_back_unchanged() -> None:
    pool = Pool(50, 2, 3, 4)
    images = torch.randn(50, 2, 3, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(pool.exchange(images, *pool.draw(50, torch.Generator().manual_seed(2))), images)
    assert torch.equal(pool.images, images)


def test_no_pool_passes_everything_through() -> None:
    pool = Pool(0, 2, 3, 4)
    images = numbered(1, 2)
    assert numbers(pool.exchange(images, *pool.draw(2, torch.Generator().manual_seed(3)))) == [1, 2]
    assert list(pool.state_dict()) == ["images", "filled"]


def test_shown_images_are_detached_copies_of_the_given_kind() -> None:
    pool = Pool(1, 2, 3, 4)
    heads, slot = torch.tensor([True]), torch.tensor([0])
    image = numbered(1).requires_grad_()
    first = pool.exchange(image, heads, slot)
    assert not first.requires_grad
    shown = pool.exchange(numbered(2).bfloat16(), heads, slot)
    pool.exchange(numbered(3), heads, slot)  # must not change what was shown before
    assert shown.dtype == torch.bfloat16
    assert (numbers(first), numbers(shown.float())) == ([1], [1])
    assert pool.images.dtype == torch.float32


def test_a_checkpoint_holds_it() -> None:
    def steps(pool: Pool, first: int, last: int) -> list[list[float]]:
        out = []
        for step in range(first, last):
            drawn = pool.draw(2, torch.Generator().manual_seed(step))
            out.append(numbers(pool.exchange(numbered(2 * step, 2 * step + 1), *drawn)))
        return out

    whole = steps(Pool(3, 2, 3, 4), 0, 9)
    for stop in (1, 5):  # while it fills, and after
        pool, resumed = Pool(3, 2, 3, 4), Pool(3, 2, 3, 4)
        before = steps(pool, 0, stop)
        resumed.load_state_dict({key: value.clone() for key, value in pool.state_dict().items()})
        assert before + steps(resumed, stop, 9) == whole


def test_coins_are_fair_and_slots_reach_all() -> None:
    coins, slots = Pool(4, 1, 1, 1).draw(4000, torch.Generator().manual_seed(4))
    assert abs(coins.float().mean().item() - 0.5) < 0.03
    counts = slots.bincount(minlength=4)
    assert len(counts) == 4
    assert counts.min() > 850


def test_a_negative_size_is_one_line() -> None:
    with pytest.raises(InputError, match="a pool of -1 images given"):
        Pool(-1, 3, 8, 8)


def test_what_the_parts_of_a_step_kept_becomes_one_record_for_d() -> None:
    pools = Pools(2, {"A": (2, 3, 4), "B": (2, 3, 4)})
    assert pools.shown is None
    kept = [
        {
            "A": numbered(a), "B": numbered(-a), "cycled_A": numbered(a + 0.5), "cycled_B": numbered(0.0),
            "coins": torch.tensor([[True, False]]), "slots": torch.tensor([[0, 1]]),
        }
        for a in (1.0, 2.0, 3.0)
    ]  # fmt: skip
    pools.keep(kept)
    shown = pools.shown
    assert isinstance(shown, Fakes)
    assert numbers(shown.A) == [1, 2, 1], "the third comes to a full pool, whose first it replaces"
    assert numbers(shown.B) == [-1, -2, -3], "tails: the new one is shown and not stored"
    assert shown.cycled_A is not None
    assert numbers(shown.cycled_A) == [1.5, 2.5, 3.5], "cycled images go past the pools"
    assert numbers(pools.pools["A"].images) == [3, 2]
    assert not any("shown" in name for name in pools.state_dict())
