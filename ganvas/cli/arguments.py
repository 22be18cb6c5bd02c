"""What several commands share: kinds of arguments, and words on the screen."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganvas.errors import InputError
from ganvas.files import printable

MODEL = "a model folder, a name of `ganvas models`, or USER/NAME of the Hugging Face hub"
PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def key_values(pairs: Sequence[str] | None) -> dict[str, Any]:
    """key=value pairs; values are JSON where they parse as it (numbers, true, false), else strings."""
    values: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InputError(f"--set {pair!r} given, expected KEY=VALUE as G_lr=1e-4")
        try:
            values[key] = json.loads(text)
        except (ValueError, RecursionError):
            values[key] = {"True": True, "False": False}.get(text, text)
    return values


def positive(text: str) -> int:
    """A whole number from 1 on."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a whole number from 1 on")
    return value


def pixels(text: str) -> int | tuple[int, int]:
    """Pixels per side, or WIDTHxHEIGHT -> (height, width)."""
    width, by, height = text.partition("x")
    if not by:
        return positive(text)
    return positive(height), positive(width)


def span(text: str) -> float:
    """45m, 8h or 2d -> seconds."""
    scale = {"m": 60.0, "h": 3600.0, "d": 86400.0}.get(text[-1:], 0.0)
    try:
        seconds = float(text[:-1]) * scale
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a time as 45m, 8h or 2d")
    return seconds


def seed(text: str) -> int:
    """A whole number from 0 on that fits 63 bits."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a whole number from 0 to 2^63 - 1")
    return int(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a share from 0 to 1, as 0.01")
    return value


def count(text: str) -> int:
    """A whole number from 1 on; k and M are thousands and millions."""
    scale = {"k": 1_000, "K": 1_000, "M": 1_000_000, "m": 1_000_000}.get(text[-1:], 1)
    digits = text[:-1] if scale > 1 else text
    try:
        value = round(float(digits.replace(",", "").replace("_", "")) * scale)
    except (ValueError, OverflowError):
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} given, expected a number of images as 600000 or 600k")
    return value


def shown(what: str) -> Any:
    """A progress callback that prints a renewed line with a bar and how long it will take."""
    from ganvas.engine.log import Screen, duration

    screen, started = Screen(), time.monotonic()

    def show(done: int, total: int) -> None:
        seconds = time.monotonic() - started
        left = f", {duration(seconds * (total - done) / done)} left" if seconds > 5 and 0 < done < total else ""
        screen.show(f"{what}: {done:,} of {total:,}{left}", force=done == total, share=done / max(total, 1))
        if done == total:
            screen.done()

    return show


def pathname(text: str) -> Path:
    """The name of a file or folder; an empty one would mean the folder at hand."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name given, expected that of a file or folder")
    return Path(text).expanduser()


def data(text: str) -> str:
    """DATA: a name or a path."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name given, expected digits, a toy, or a path")
    return text


def say(line: str) -> None:
    """A line for people, on stderr."""
    print(printable(line), file=sys.stderr, flush=True)


def tell(line: object) -> None:
    """A line of what was asked for, on stdout; empty lines may stand before it."""
    text = str(line)
    print("\n" * (len(text) - len(text.lstrip("\n"))) + printable(text.lstrip("\n")))


def picture_name(path: Path, option: str) -> None:
    """Raises InputError for a name whose ending is no picture's: said before the work, not after it."""
    if path.suffix.lower() not in PICTURES:
        raise InputError(f"{option} {path} given, expected a name that ends in {', '.join(PICTURES)}")
