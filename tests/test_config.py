"""Which fields count where, in words; what is refused, and what silently takes its default."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import pytest

from ganvas import config
from ganvas.config import ANY, Condition, configure, only
from ganvas.errors import InputError


class Config(config.Config):
    """One field of every kind of condition."""

    WHEN: ClassVar[dict[str, Condition]] = {"beta1": {"frozen": False}, "ema": {"frozen": False}}
    kind: Literal["a", "b", "c"] = "a"
    frozen: bool = False
    dim_z: int = 4
    G_width: int = 8
    one: float = only(1.0, kind="b")
    several: float = only(1.0, kind=("b", "c"))
    both: float = only(1.0, kind="b", flip=True)
    either: float = only(1.0, either=True, kind="b", flip=True)
    something: float = only(1.0, num_classes=ANY)
    of_points: float = only(1.0, resolution=0)


# values -> field -> why it does not count, None where it does
REASONS: list[tuple[dict[str, Any], dict[str, str | None]]] = [
    ({}, {"one": "kind=b", "several": "kind=b or c", "both": "kind=b and flip=true", "either": "kind=b or flip=true"}),
    ({"kind": "b"}, {"one": None, "several": None, "both": "flip=true", "either": None}),
    (
        {"kind": "c"},
        {"one": "kind=b", "several": None, "both": "kind=b and flip=true", "either": "kind=b or flip=true"},
    ),
    ({"flip": True}, {"both": "kind=b", "either": None}),
    ({"kind": "b", "flip": True}, {"both": None, "either": None}),
    ({}, {"something": "classes", "of_points": "resolution=0", "flip": None, "kind": None}),
    ({"num_classes": 3, "resolution": 0}, {"something": None, "of_points": None, "flip": "images"}),
    ({"frozen": True}, {"beta1": "frozen=false", "beta2": None, "ema": "frozen=false"}),
    ({"optimizer": "rmsprop"}, {"beta1": "optimizer=adam", "beta2": "optimizer=adam"}),
    ({"optimizer": "rmsprop", "frozen": True}, {"beta1": "optimizer=adam"}),
    ({"ema": 0.0}, {"ema_start": "ema set"}),
    ({"ema": 0.5}, {"ema_start": None}),
]


@pytest.mark.parametrize(("values", "reasons"), REASONS)
def test_why_a_field_does_not_count(values: dict[str, Any], reasons: dict[str, str | None]) -> None:
    made = Config(**values)
    assert {name: made.unmet(name) for name in reasons} == reasons
    assert {name: name in made.counting() for name in reasons} == {name: why is None for name, why in reasons.items()}


def test_what_counts_comes_with_its_value() -> None:
    counting = Config(kind="b", one=3.0).counting()
    assert (counting["one"], counting["kind"], counting["batch"]) == (3.0, "b", 64)


def test_what_was_asked_for_must_count() -> None:
    with pytest.raises(InputError, match=r"one=2\.0 given, but it counts only with kind=b; leave it out"):
        configure(Config, {"one": 2.0})
    with pytest.raises(InputError, match="flip=true given, but it counts only with images"):
        configure(Config, {"flip": True, "resolution": 0})
    with pytest.raises(InputError, match=r"one=2\.0 given"):
        configure(Config, {"one": 2.0}, given={"one"})
    assert configure(Config, {"one": 1.0}).one == 1.0, "a default says nothing"
    assert configure(Config, {"one": 2.0, "kind": "b"}).one == 2.0


def test_what_nobody_asked_for_takes_its_default_where_it_does_not_count() -> None:
    """As a preset's field under another network."""
    made = configure(Config, {"one": 2.0, "several": 3.0, "kind": "c"}, given={"kind"})
    assert (made.one, made.several) == (1.0, 3.0)
    assert configure(Config, {"one": 2.0}, given=()) == Config()


def test_an_unknown_key_lists_the_known_ones() -> None:
    with pytest.raises(
        InputError, match="unknown key widht, wrong for test_config; known keys: D_lr, G_lr, G_width, accumulate"
    ):
        configure(Config, {"wrong": 1, "widht": 2, "batch": 4})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"batch": 6, "accumulate": 4}, "batch=6 cannot be split into accumulate=4 equal parts"),
        ({"batch": 0}, "batch=0 cannot be split"),
        ({"accumulate": 0}, "cannot be split into accumulate=0"),
        ({"G_width": 0}, "G_width=0, expected 1 or more"),
        ({"channels": 0}, "channels=0, expected 1 or more"),
        ({"dim_z": 0}, "dim_z=0, expected 1 or more"),
        ({"one": -0.5, "kind": "b"}, "one=-0.5, expected 0 or more"),
        ({"images": 0}, "images=0, expected at least 1"),
        ({"ema": 1.0}, "ema=1.0, expected a decay in"),
        ({"beta1": 1.0}, "beta1=1.0, beta2=0.9, expected numbers in"),
        ({"beta2": 1.0}, "beta2=1.0, expected numbers in"),
        ({"G_lr": math.nan}, "G_lr=nan given, expected a finite number"),
        ({"G_lr": math.inf}, "G_lr=inf given, expected a finite number"),
        ({"kind": "d"}, "kind='d' given, expected 'a', 'b' or 'c'"),
    ],
)
def test_impossible_values_are_one_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        configure(Config, values)
    assert "\n" not in str(error.value)


def test_zeros_that_mean_something_are_allowed() -> None:
    made = configure(Config, {"resolution": 0, "num_classes": 0, "G_lr": 0.0, "beta1": 0.0, "eps": 0.0, "ema": 0.0})
    assert made.shape == (3,)
    assert configure(Config, {"resolution": 8}).shape == (3, 8, 8)
