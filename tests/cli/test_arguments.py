"""How words of the command line become values, and which samples, classes and files a command takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganvas.cli import arguments
from ganvas.cli.train import whole_name
from ganvas.errors import InputError

Kind = Callable[[str], Any]


def test_settings_are_json_or_words() -> None:
    words = ["a=1", "b=0.5", "c=1e-4", "d=true", "e=False", "f=[8, 4]", "g=adam", "h=", "i=x=y", 'j="3"', "a=2"]
    expected = {"a": 2, "b": 0.5, "c": 1e-4, "d": True, "e": False, "f": [8, 4], "g": "adam", "h": "", "i": "x=y"}
    assert arguments.key_values(words) == expected | {"j": "3"}
    assert arguments.key_values(None) == {}
    assert arguments.key_values(["k=True"])["k"] is True


@pytest.mark.parametrize("pair", ["G_lr", "=3", "", "="])
def test_what_is_no_setting(pair: str) -> None:
    with pytest.raises(InputError, match="expected KEY=VALUE"):
        arguments.key_values([pair])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (arguments.count, "600k", 600_000),
        (arguments.count, "600K", 600_000),
        (arguments.count, "1.5M", 1_500_000),
        (arguments.count, "2m", 2_000_000),
        (arguments.count, "1,000_000", 1_000_000),
        (arguments.count, "1e3", 1000),
        (arguments.count, "1", 1),
        (arguments.positive, "1", 1),
        (arguments.seed, "0", 0),
        (arguments.seed, str(2**63 - 1), 2**63 - 1),
        (arguments.share, "0", 0.0),
        (arguments.share, "1", 1.0),
    ],
)
def test_counts_seeds_and_shares(kind: Kind, text: str, value: float) -> None:
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (arguments.count, "0"),
        (arguments.count, "k"),
        (arguments.count, "0.0001k"),
        (arguments.count, "inf"),
        (arguments.count, "many"),
        (arguments.positive, "0"),
        (arguments.positive, "-3"),
        (arguments.positive, "1.5"),
        (arguments.seed, "-1"),
        (arguments.seed, str(2**63)),
        (arguments.seed, "one"),
        (arguments.share, "1.01"),
        (arguments.share, "-0.01"),
        (arguments.share, "nan"),
        (arguments.share, "half"),
    ],
)
def test_what_is_none(kind: Kind, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"given, expected a"):
        kind(text)


def test_a_data_set_is_named_so_that_a_run_resumes_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert whole_name("digits") == "digits"
    assert whole_name("photos") == str((tmp_path / "photos").resolve())
