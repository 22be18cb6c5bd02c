"""The stream of real images: every image once an epoch, whatever the batches; a function of seed and position alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganvas.data import Dataset, Images, Take
from ganvas.engine.feed import Feed
from ganvas.gan import Batch, Given

CPU = torch.device("cpu")


def numbered(m: int, side: int = 2) -> Images:
    """Image i says i in its first two pixels, (i // 256, i % 256), and its mirror image says it the other way round."""
    x = np.zeros((m, 1, side, side), np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, -1] = np.arange(m) // 256 + 128, np.arange(m) % 256 // 2
    return Images(x, np.arange(m) % 7, [f"class {k}" for k in range(7)], "numbers", "none", {}, [])


def keys(x: Tensor) -> list[int]:
    """Which pictures these are, mirrored or not."""
    bytes_ = ((x + 1) * 127.5).round().long()
    ends = torch.stack([bytes_[:, 0, 0, 0], bytes_[:, 0, 0, -1]], 1).sort(1).values
    return (ends[:, 1] * 1000 + ends[:, 0]).tolist()


def counted(m: int) -> Images:
    """Pictures of which every one is different: value i in every pixel (m <= 256)."""
    x = np.broadcast_to(np.arange(m, dtype=np.uint8)[:, None, None, None], (m, 1, 2, 2)).copy()
    return Images(x, np.arange(m) % 3, ["a", "b", "c"], "counted", "none", {}, [])


def values(x: Tensor) -> list[int]:
    return ((x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


@pytest.mark.parametrize("n", [1, 4, 10, 23, 64])
def test_every_image_once_an_epoch(n: int) -> None:
    """Batches that do not divide the set cross from one epoch into the next; batches larger than it hold several."""
    m = 10
    feed = Feed(counted(m), 0, CPU)
    stream: list[int] = []
    while len(stream) < 5 * m:
        stream += values(feed.batch(len(stream), n).x)
    epochs = [stream[k * m : (k + 1) * m] for k in range(5)]
    assert all(sorted(epoch) == list(range(m)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1  # and every epoch in its own order


def test_a_batch_is_a_slice_of_the_endless_stream() -> None:
    """Nothing is remembered: whatever was asked before, position p is the same image, label and mirroring."""
    data = numbered(37)
    whole = Feed(data, 3, CPU, flip=True).batch(0, 200)
    feed = Feed(data, 3, CPU, flip=True)
    for position, n in [(150, 50), (0, 5), (36, 2), (111, 37), (74, 1), (0, 200)]:
        part = feed.batch(position, n)
        assert torch.equal(part.x, whole.x[position : position + n])
        assert part.given.y is not None
        assert whole.given.y is not None
        assert torch.equal(part.given.y, whole.given.y[position : position + n])
    assert len(feed.orders) < 8  # and it keeps few epochs in memory


def test_labels_stay_with_their_images() -> None:
    batch = Feed(counted(50), 1, CPU).batch(0, 120)
    assert batch.given.y is not None
    assert [v % 3 for v in values(batch.x)] == batch.given.y.tolist()


def test_seeds_are_orders() -> None:
    orders = [values(Feed(counted(30), seed, CPU).batch(0, 30).x) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_flips_are_seeded_and_about_half() -> None:
    data = numbered(2000)
    plain, flipped, again = (Feed(data, 0, CPU, flip).batch(0, 4000) for flip in (False, True, True))
    assert torch.equal(flipped.x, again.x)
    assert keys(plain.x) == keys(flipped.x)  # the same images in the same order
    mirrored = (plain.x != flipped.x).flatten(1).any(1)
    assert torch.equal(flipped.x[mirrored], plain.x[mirrored].flip(-1))
    assert 0.45 < mirrored.double().mean() < 0.55
    first, second = mirrored[:2000], mirrored[2000:]
    assert not torch.equal(first, second)  # drawn anew in every epoch


@dataclass(frozen=True)
class Chanced:
    """Rows that use random numbers of their own, and two arrays: x is the row's chances, h says which row it is."""

    m: int
    chances: int
    name: str = "chanced"
    fingerprint: str = "none"
    class_names: list[str] = field(default_factory=list)
    preprocessing: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.m

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {"number": np.arange(self.m)}

    def rows(self, take: Take, index: Tensor, mirrored: Tensor | None, chance: Tensor) -> Batch:
        return Batch(chance, Given(h=take("number", index)))

    def renewed(self, batch: Batch, take: Take, chance: Tensor) -> Batch:
        return replace(batch, fake=Given(h=chance))


def test_chances_are_a_function_of_seed_and_position() -> None:
    data: Dataset = Chanced(30, 2)
    whole = Feed(data, 3, CPU).batch(0, 90)
    assert whole.x.shape == (90, 2)
    feed = Feed(data, 3, CPU)
    for position, n in [(70, 20), (0, 5), (29, 2), (60, 1), (0, 90)]:  # whatever was asked before
        part = feed.batch(position, n)
        assert torch.equal(part.x, whole.x[position : position + n])
        assert torch.equal(part.given.h, whole.given.h[position : position + n])
    assert len(set(whole.x.flatten().tolist())) == 180  # drawn anew for every number, row and epoch
    assert not torch.equal(whole.x, Feed(data, 4, CPU).batch(0, 90).x)
    many = Feed(Chanced(1000, 2), 0, CPU).batch(0, 2000).x
    assert 0 <= many.min() < 0.01 < 0.99 < many.max() < 1
    assert abs(float(many.mean()) - 0.5) < 0.03


def test_what_phases_do_not_share_is_a_function_of_seed_position_and_phase() -> None:
    def fakes(seed: int, position: int, n: int, phase: str) -> Tensor:
        feed = Feed(Chanced(30, 2), seed, CPU)
        batch = feed.batch(position, n)
        renewed = feed.renewed(batch, position, phase)
        assert renewed.x is batch.x
        return renewed.fake.h

    whole = fakes(3, 0, 90, "G")
    for position, n in [(70, 20), (0, 5), (29, 2), (60, 1)]:
        assert torch.equal(fakes(3, position, n, "G"), whole[position : position + n])
    others = [fakes(3, 0, 90, "D"), fakes(4, 0, 90, "G"), Feed(Chanced(30, 2), 3, CPU).batch(0, 90).x]
    assert not any(bool((whole == other).any()) for other in others)
    images = Feed(counted(5), 0, CPU)
    batch = images.batch(0, 3)
    assert images.renewed(batch, 0, "G") is batch


def test_chances_leave_the_order_alone() -> None:
    orders = [Feed(Chanced(30, chances), 3, CPU).batch(0, 60).given.h for chances in (0, 2, 5)]
    assert torch.equal(orders[0], orders[1])
    assert torch.equal(orders[0], orders[2])


def test_points_are_never_mirrored_and_stay_as_they_are() -> None:
    x = np.random.default_rng(0).standard_normal((9, 2)).astype(np.float32)
    toy = Images(x, None, [], "toy", "none", {}, [])
    batch = Feed(toy, 0, CPU, flip=True).batch(0, 9)
    assert batch.given.y is None
    assert batch.x.dtype == torch.float32
    assert sorted(map(tuple, batch.x.tolist())) == sorted(map(tuple, x.tolist()))


def test_pixels_fill_the_range() -> None:
    x = Feed(counted(256), 0, CPU).batch(0, 256).x
    assert x.dtype == torch.float32
    assert (x.min(), x.max()) == (-1.0, 1.0)


def test_read_only_data_are_served_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    data = counted(5)
    data.x.flags.writeable = False
    Feed(data, 0, CPU).batch(0, 5)
    assert not [w for w in recwarn if "writable" in str(w.message)]
