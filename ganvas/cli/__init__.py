"""The command line, one file a command.  Every wrong input ends in one line and exit status 2.

A command's file imports at its top what parsing needs and nothing else, so that `ganvas --help` is quick.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from ganvas import __version__
from ganvas.cli import (
    check,
    compare,
    evaluate,
    fetch,
    import_,
    models,
    papers,
    reproduce,
    sample,
    serve,
    train,
    translate,
)
from ganvas.cli.arguments import say
from ganvas.errors import InputError

COMMANDS = {
    "papers": papers,
    "models": models,
    "train": train,
    "sample": sample,
    "translate": translate,
    "import": import_,
    "evaluate": evaluate,
    "compare": compare,
    "check": check,
    "fetch": fetch,
    "serve": serve,
    "reproduce": reproduce,
}


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


class Terminated(KeyboardInterrupt):
    """SIGTERM: cleans up on its way out as Ctrl-C does."""


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises, for as long as the block runs (the training loop, once it is reached, has its own way)."""

    def stop(number: int, _: object) -> None:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.  -> exit status: 0 done, 2 wrong input, 130 or 143 stopped by a signal with the state saved"""
    try:
        args = parser().parse_args(argv)
        if not hasattr(args, "run"):
            parser().print_help()
            return 2
        with terminable():
            return args.run(args) or 0
    except InputError as error:
        say("ganvas: " + " ".join(str(error).splitlines()))
        return 2
    except KeyboardInterrupt as error:
        say("ganvas: interrupted")
        return 143 if isinstance(error, Terminated) else 130
    except BrokenPipeError:
        return 141


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser(prog="ganvas", description="Train, sample and check the GANs that everyone has to know.")
    top.add_argument("--version", action="version", version=f"ganvas {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return top


if __name__ == "__main__":
    sys.exit(main())
