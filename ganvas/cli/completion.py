"""Tab completion by argcomplete: commands and options by the parser, and here the names of presets, models and data.

A shell asks by `_ARGCOMPLETE` in the environment, as `register-python-argcomplete ganvas` sets it up; an answer may
take a moment and no torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

DATA = ("digits", "ring8", "grid25", "swissroll", "mog1d", "photo-edges", "photo-grey")


def answer(top: argparse.ArgumentParser) -> None:
    """Prints what could follow on the line that the shell holds, and ends the process."""
    import argcomplete

    commands = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    for command in commands.choices.values():
        for action in command._actions:
            if (names := NAMES.get(action.dest)) is not None:
                action.completer = names_or_files(names)
    argcomplete.autocomplete(top)


def names_or_files(names: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    """A completer: the names that begin as the word does, and files."""
    from argcomplete.completers import FilesCompleter

    def complete(prefix: str, **rest: Any) -> list[str]:
        return [*(name for name in names() if name.startswith(prefix)), *FilesCompleter()(prefix, **rest)]

    return complete


def presets() -> list[str]:
    """Presets and bare names."""
    from ganvas import tabled

    return tabled.names()


def models() -> list[str]:
    """The models that ship."""
    from ganvas.models import zoo

    return zoo.names()


NAMES: dict[str, Callable[[], Iterable[str]]] = {  # by the argument's dest
    "preset": presets,
    "model": models,
    "subject": models,
    "source": models,
    "name": models,
    "data": lambda: DATA,
}
