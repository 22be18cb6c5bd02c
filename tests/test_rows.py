"""Records of rows: cut, moved and joined as one; what is no row belongs to the whole and stays whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from ganvas import rows
from ganvas.gan import Batch, Given


@dataclass(frozen=True)
class Inner:
    y: Tensor | None = None
    name: str = "inner"


@dataclass(frozen=True)
class Record:
    """One of everything that a record may hold."""

    x: Tensor
    inner: Inner
    mean: Tensor  # 0-dim
    layers: list[Tensor]
    pair: tuple[Tensor, Tensor]
    numbers: list[int]
    nothing: Tensor | None = None
    weight: float = 0.5


def record(n: int = 6, start: int = 0) -> Record:
    x = torch.arange(start, start + n)
    return Record(
        x=torch.stack([x, -x], 1).float(),
        inner=Inner(x * 10),
        mean=torch.tensor(float(start)),
        layers=[x * 100, x[:, None, None].double()],
        pair=(x + 0.25, x + 0.5),
        numbers=list(range(n)),
    )


def numbers(r: Record) -> list[list[float]]:
    """Which rows each tensor of rows holds, by the number that stands in every one of them."""
    found = [r.x[:, 0], r.layers[0] / 100, r.layers[1].flatten(), r.pair[0] - 0.25, r.pair[1] - 0.5]
    assert r.inner.y is not None
    return [t.tolist() for t in (*found, r.inner.y / 10)]


def whole(r: Record) -> tuple[Any, ...]:
    """What is no row."""
    return r.mean.item(), r.numbers, r.nothing, r.weight, r.inner.name


def test_parts_are_equal_and_in_order() -> None:
    parts = rows.split(record(), 3)
    assert [numbers(part) for part in parts] == [[[0, 1]] * 6, [[2, 3]] * 6, [[4, 5]] * 6]
    assert all(whole(part) == whole(record()) for part in parts)
    assert all((type(part.layers), type(part.pair)) == (list, tuple) for part in parts)
    (one,) = rows.split(record(), 1)
    assert numbers(one) == numbers(record())


def test_images_and_classes_stay_together() -> None:
    parts = rows.split(Batch(torch.arange(6.0)[:, None], Given(y=torch.arange(6))), 3)
    assert [p.x.flatten().tolist() for p in parts] == [[0, 1], [2, 3], [4, 5]]
    assert [p.given.y.tolist() for p in parts if p.given.y is not None] == [[0, 1], [2, 3], [4, 5]]
    assert [p.given for p in rows.split(Batch(torch.zeros(4, 1)), 2)] == [Given(), Given()]


@dataclass(frozen=True)
class Ragged:
    x: Tensor
    long: Tensor


def test_tensors_of_several_lengths_are_each_cut_into_as_many_parts() -> None:
    """A generator's step may use more latents than there are real images."""
    parts = rows.split(Ragged(torch.arange(2), torch.arange(6)), 2)
    assert [(p.x.tolist(), p.long.tolist()) for p in parts] == [([0], [0, 1, 2]), ([1], [3, 4, 5])]


@pytest.mark.parametrize("parts", [4, 5, 12])
def test_uneven_parts_are_refused(parts: int) -> None:
    with pytest.raises(ValueError, match=f"6 rows cannot be cut into {parts} equal parts"):
        rows.split(record(6), parts)
    with pytest.raises(ValueError, match="3 rows cannot be cut into 2 equal parts"):
        rows.split(Ragged(torch.zeros(4), torch.zeros(3)), 2)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [(slice(1, 3), [1, 2]), (slice(4, None), [4, 5]), (slice(0, 6, 2), [0, 2, 4]), (slice(6, 9), [])],
)
def test_some_rows(taken: slice, expected: list[int]) -> None:
    part = rows.take(record(), taken)
    assert numbers(part) == [expected] * 6
    assert whole(part) == whole(record())


def test_on_a_device_everything_is_there_even_what_is_no_row() -> None:
    moved = rows.to(record(), torch.device("meta"))
    assert isinstance(moved.inner.y, Tensor)
    assert all(t.is_meta for t in (moved.x, moved.mean, *moved.layers, *moved.pair, moved.inner.y))
    assert (moved.numbers, moved.nothing, moved.weight, moved.inner.name) == (list(range(6)), None, 0.5, "inner")
    assert moved.x.shape == (6, 2)


def test_records_below_each_other() -> None:
    joined = rows.concat([record(2), record(3, start=2), record(1, start=5)])
    assert numbers(joined) == [[0, 1, 2, 3, 4, 5]] * 6
    assert whole(joined) == whole(record(2))  # the first one's
    assert (type(joined.layers), type(joined.pair)) == (list, tuple)
    only = record()
    assert rows.concat([only]) is only


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_cut_and_joined_is_the_same(parts: int) -> None:
    joined = rows.concat(rows.split(record(), parts))
    assert numbers(joined) == numbers(record())
    assert torch.equal(joined.x, record().x)
    assert whole(joined) == whole(record())


@dataclass(frozen=True)
class Code:
    z: Tensor
    inner: Inner
    truncation: Tensor
    c: Tensor | None = None
    weight: float = 1.0


def test_two_records_row_by_row_by_name() -> None:
    a = Code(torch.ones(2, 1), Inner(torch.ones(2), "a"), torch.tensor(0.5))
    b = Code(torch.full((2, 1), 3.0), Inner(torch.full((2,), 5.0), "b"), torch.tensor(0.25), weight=2.0)
    asked: list[str] = []

    def join(name: str, left: Tensor, right: Tensor) -> Tensor:
        asked.append(name)
        return left - right if name == "z" else torch.lerp(left, right, 0.5)

    mixed = rows.paired(a, b, join)
    assert asked == ["z", "y"]
    assert mixed.z.flatten().tolist() == [-2.0, -2.0]
    assert mixed.inner.y is not None
    assert mixed.inner.y.tolist() == [3.0, 3.0]
    assert (mixed.truncation.item(), mixed.c, mixed.weight, mixed.inner.name) == (
        0.5,
        None,
        1.0,
        "a",
    )  # the rest is a's


@pytest.mark.parametrize(
    "change",
    [
        lambda r: rows.split(r, 2),
        lambda r: rows.take(r, slice(0, 1)),
        lambda r: rows.to(r, torch.device("meta")),
        lambda r: rows.concat([r, r]),
        lambda r: rows.paired(r, r, lambda name, a, b: a + b),
    ],
)
def test_a_record_stays_what_it_was(change: Callable[[Record], object]) -> None:
    r = record()
    change(r)
    assert numbers(r) == numbers(record())
    assert torch.equal(r.x, record().x)
    with pytest.raises(FrozenInstanceError):
        r.x = torch.zeros(1)
