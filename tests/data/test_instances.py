"""Instances as batches: the neighbour, the condition and the fakes' conditions exactly as the paper draws them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ganvas.data import READERS, Instances, Wanted
from ganvas.data.instances import FAKE_MIRROR, FAKE_NEAR, FINE, MIRROR, NEAR, OTHER_FINE, ROW, whole
from ganvas.data.packed import unpack
from ganvas.engine.feed import Feed
from ganvas.errors import InputError
from ganvas.gan import Batch
from ganvas.ops.pixels import to_float


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Instances:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANVAS_CACHE", str(tmp_path_factory.mktemp("instances")))
        found = READERS["instances"].load("digits", Wanted((1, 8, 8), options={"features": "own", "k": 5}))
    assert isinstance(found, Instances)
    return found


def fed(data: Instances, n: int, position: int = 0, flip: bool = False) -> Batch:
    return Feed(data, 0, torch.device("cpu"), flip).batch(position, n)


def order(data: Instances) -> torch.Tensor:
    """The instances of the first epoch."""
    return Feed(data, 0, torch.device("cpu"))._order(0)[0]


def feature(data: Instances, rows: Any, mirror: bool = False) -> torch.Tensor:
    view = 1 if mirror else 0
    codes, ranges = (torch.from_numpy(a[view][np.asarray(rows)]) for a in (data.store.features, data.store.ranges))
    return unpack(codes, ranges, data.feature_dim)


def taken(data: Instances, chance: torch.Tensor, index: torch.Tensor) -> Batch:
    return data.rows(lambda name, i: torch.from_numpy(data.arrays[name][i.numpy()]), index, None, chance)


def chances(n: int, **columns: Any) -> torch.Tensor:
    out = torch.zeros(n, 7)
    for name, values in columns.items():
        out[:, globals()[name]] = torch.as_tensor(values)
    return out


def test_image_and_class_are_a_neighbours_the_feature_the_instances(digits: Instances) -> None:
    n = len(digits)
    batch = fed(digits, n)
    pixels = to_float(torch.from_numpy(np.array(digits.images.x)))
    for row, x, y, h in zip(order(digits)[:200].tolist(), batch.x, batch.given.y, batch.given.h):
        among = [j for j in digits.store.neighbours[row].tolist() if torch.equal(pixels[j], x)]
        assert among
        assert any(digits.images.y[j] == y for j in among)
        torch.testing.assert_close(h[None], feature(digits, [row]))
    assert torch.allclose(batch.given.h.norm(dim=1), torch.ones(n))


def test_every_neighbour_is_as_likely(digits: Instances) -> None:
    """P(n | i) is uniform on the k: 60,000 draws, chi-square of four degrees of freedom below its 0.1 % point."""
    found = digits._neighbour(
        torch.zeros(60_000, dtype=torch.int64), torch.rand(60_000, generator=torch.manual_seed(3))
    )
    counts = Counter(found.tolist())
    assert set(counts) == set(digits.store.neighbours[0, :5].tolist())
    assert sum((c - 12_000) ** 2 / 12_000 for c in counts.values()) < 18.5


def test_fewer_neighbours_are_the_nearest_ones(digits: Instances) -> None:
    two = replace(digits, k=2)
    found = two._neighbour(torch.full((99,), 7), torch.linspace(0, 0.999, 99))
    assert set(found.tolist()) == set(digits.store.neighbours[7, :2].tolist())
    assert two.stock.near is not None
    assert two.stock.near.shape[1] == 2


def test_fakes_have_a_feature_and_a_neighbours_class(digits: Instances) -> None:
    rows = torch.tensor([5, 1000, 1796])
    chance = chances(3, ROW=(rows + 0.5) / 1797, FAKE_NEAR=[0.1, 0.5, 0.9])
    fake = taken(digits, chance, torch.zeros(3, dtype=torch.int64)).fake
    assert fake is not None
    near = [digits.store.neighbours[5, 0], digits.store.neighbours[1000, 2], digits.store.neighbours[1796, 4]]
    assert fake.y.tolist() == digits.images.y[near].tolist()
    torch.testing.assert_close(fake.h, feature(digits, rows))


def test_fakes_are_drawn_apart_from_the_reals(digits: Instances) -> None:
    """With replacement, over all rows, and as often the real half's own as chance has it."""
    fake = fed(digits, len(digits)).fake
    assert fake is not None
    assert fake.h is not None
    distinct = len({tuple(h) for h in fake.h.tolist()}) / len(digits)
    assert abs(distinct - (1 - np.exp(-1))) < 0.03
    real = fed(digits, len(digits)).given.h
    assert (fake.h == real).all(1).float().mean() < 0.005


def test_a_batch_is_a_function_of_seed_and_position(digits: Instances) -> None:
    whole_, part = fed(digits, 64, 10), fed(digits, 16, 26)
    for a, b in ((whole_.given, part.given), (whole_.fake, part.fake)):
        assert torch.equal(a.y[16:32], b.y)
        assert torch.equal(a.h[16:32], b.h)
    assert torch.equal(whole_.x[16:32], part.x)
    other = Feed(digits, 1, torch.device("cpu")).batch(10, 64)
    assert not torch.equal(other.given.h, whole_.given.h)


def test_instance_augmentation_mirrors_each_feature_by_its_own_coin(digits: Instances) -> None:
    augmented = replace(digits, augment=True)
    chance = chances(4, ROW=(7 + 0.5) / 1797, MIRROR=[0.4, 0.6, 0.4, 0.6], FAKE_MIRROR=[0.4, 0.4, 0.6, 0.6])
    index = torch.full((4,), 3)
    batch = taken(augmented, chance, index)
    plain, mirrored = feature(digits, [3]), feature(digits, [3], True)
    assert not torch.allclose(plain, mirrored)
    torch.testing.assert_close(batch.given.h, torch.cat([mirrored, plain, mirrored, plain]))
    plain, mirrored = feature(digits, [7]), feature(digits, [7], True)
    torch.testing.assert_close(batch.fake.h, torch.cat([mirrored, mirrored, plain, plain]))
    torch.testing.assert_close(taken(digits, chance, index).given.h, feature(digits, [3, 3, 3, 3]))


def test_images_are_mirrored_where_the_feed_says_so(digits: Instances) -> None:
    a, b = fed(digits, 200), fed(digits, 200, flip=True)
    flipped = [not torch.equal(x, y) for x, y in zip(a.x, b.x)]
    assert 60 < sum(flipped) < 140
    assert all(torch.equal(x.flip(-1), y) for x, y, f in zip(a.x, b.x, flipped) if f)
    assert torch.equal(a.given.h, b.given.h)


def test_classes_may_be_left_out(digits: Instances) -> None:
    batch = fed(replace(digits, classes=False), 8)
    assert batch.given.y is None
    assert batch.fake is not None
    assert batch.fake.y is None
    assert replace(digits, classes=False).stock.near is None


def test_by_class_the_class_is_uniform_and_the_feature_a_neighbours(digits: Instances) -> None:
    balanced = replace(digits, conditions="class")
    y = digits.images.y
    rows = np.flatnonzero(y == 4)
    chance = chances(2, ROW=0.45, FINE=[0.0, 0.9999], FAKE_NEAR=[0.3, 0.99])
    fake = taken(balanced, chance, torch.zeros(2, dtype=torch.int64)).fake
    assert fake.y.tolist() == [4, 4]
    near = [digits.store.neighbours[rows[0], 1], digits.store.neighbours[rows[-1], 4]]
    torch.testing.assert_close(fake.h, feature(digits, near))


def test_by_image_the_class_is_its_own_and_the_feature_a_neighbours(digits: Instances) -> None:
    chance = chances(1, ROW=(1700 + 0.5) / 1797, FAKE_NEAR=0.7)
    fake = taken(replace(digits, conditions="image"), chance, torch.zeros(1, dtype=torch.int64)).fake
    assert fake.y.tolist() == [digits.images.y[1700]]
    torch.testing.assert_close(fake.h, feature(digits, [digits.store.neighbours[1700, 3]]))


def test_independent_classes_are_of_another_image(digits: Instances) -> None:
    chance = chances(1, ROW=(1700 + 0.5) / 1797, FAKE_NEAR=(90 + 0.5) / 1797)
    fake = taken(replace(digits, conditions="independent"), chance, torch.zeros(1, dtype=torch.int64)).fake
    assert fake.y.tolist() == [digits.images.y[90]]
    torch.testing.assert_close(fake.h, feature(digits, [1700]))


def test_a_million_rows_are_equally_likely() -> None:
    """24 bits for 12,582,912 rows would give every third of them twice as often; two numbers do not."""
    n, coarse = 3 << 22, torch.tensor([1.0 / 2**24, 2.0 / 2**24])
    assert whole(coarse, torch.tensor([0.0, 0.0]), n).tolist() == [0, 1]
    assert whole(coarse, torch.tensor([0.999, 0.999]), n).tolist() == [1, 2]
    assert whole(torch.tensor([1.0]), torch.tensor([1.0]), 7).tolist() == [6]


def test_the_stock_is_of_the_data(digits: Instances) -> None:
    stock = digits.stock
    assert len(stock.h) == len(stock.rows) <= 1000
    assert len(set(stock.rows.tolist())) == len(stock.rows)
    assert np.abs(np.linalg.norm(stock.h, axis=1) - 1).max() < 1e-5
    assert (stock.y == digits.images.y[stock.rows]).all()
    assert (stock.near == digits.images.y[digits.store.neighbours[stock.rows, :5]]).all()
    cosine = (torch.from_numpy(stock.h) * feature(digits, stock.rows)).sum(1)
    assert cosine.min() > 0.999


def test_the_fingerprint_covers_what_a_batch_depends_on(digits: Instances) -> None:
    changed = [{"k": 4}, {"augment": True}, {"classes": False}, {"conditions": "class"}]
    prints = {replace(digits, **change).fingerprint for change in changed} | {digits.fingerprint}  # type: ignore[arg-type]
    assert len(prints) == 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"conditions": "random"}, "conditions='random' given, expected one of: instance, class, image, independent"),
        ({"conditions": "class", "classes": False}, "draws by class, and there are none"),
        ({"k": 1797}, "k=1797 neighbours asked for of 1,797 images; expected 1 to 1,796"),
        ({"features": "owl"}, "features 'owl' are not known"),
        ({"k": 3, "feature_dim": 2048}, "feature_dim=2048 given, but features own have 128 numbers"),
    ],
)
def test_what_cannot_be_is_one_line(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        READERS["instances"].load("digits", Wanted((1, 8, 8), options=options))


def test_points_are_refused() -> None:
    with pytest.raises(InputError, match="ring8 holds points, which have no features"):
        READERS["instances"].peek("ring8")
    assert READERS["instances"].peek("digits").count == 1797


def test_a_phase_draws_conditions_of_fakes_anew_and_shares_the_rest(digits: Instances) -> None:
    feed = Feed(digits, 0, torch.device("cpu"))
    batch = feed.batch(0, 64)
    D, G = (feed.renewed(batch, 0, phase) for phase in "DG")
    assert D.x is G.x
    assert torch.equal(D.given.h, G.given.h)
    assert not bool((D.fake.h == G.fake.h).all(1).any())
    assert not torch.equal(D.fake.y, G.fake.y)
    again = Feed(digits, 0, torch.device("cpu")).renewed(batch, 0, "G")
    assert torch.equal(again.fake.h, G.fake.h)


def test_columns_of_chance_are_all_used(digits: Instances) -> None:
    assert {NEAR, ROW, FINE, FAKE_NEAR, MIRROR, FAKE_MIRROR, OTHER_FINE} == set(range(digits.chances))
