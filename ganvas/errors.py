"""The one error that a person caused and a person can mend; the command line prints it as a single line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class InputError(ValueError):
    """What was given, what was expected, what to do: one sentence, fit to be shown without a traceback."""


def in_words(error: ValidationError) -> str:
    """The first thing that a record's check found, in our words: "G_lr='abc' given, expected a valid number"."""
    first = error.errors()[0]
    where, message = ".".join(str(part) for part in first["loc"]), first["msg"]
    given = repr(first["input"])
    given = given if len(given) <= 60 else f"{given[:60]}..."
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "extra_forbidden":
        return f"{where}={given} given, which is no field of it"
    if not where:
        return message.removeprefix("Value error, ") if first["type"] == "value_error" else "it is no table of fields"
    if message.startswith("Input should be "):
        return f"{where}={given} given, expected {message.removeprefix('Input should be ')}"
    return f"{where}={given} given: {message.removeprefix('Value error, ')}"
