"""The command line, one file a command.  Every wrong input ends in one line and exit status 2.

A command's file imports at its top what parsing needs and nothing else, so that `ganvas --help` is quick.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from ganvas import __version__
from ganvas.cli import (
    check,
    compare,
    evaluate,
    export,
    fetch,
    import_,
    models,
    papers,
    prepare,
    project,
    push,
    reproduce,
    sample,
    serve,
    train,
    translate,
)
from ganvas.cli.arguments import say
from ganvas.errors import InputError
from ganvas.files import reason_of, short

COMMANDS = {
    "papers": papers,
    "models": models,
    "train": train,
    "sample": sample,
    "translate": translate,
    "project": project,
    "import": import_,
    "evaluate": evaluate,
    "compare": compare,
    "check": check,
    "prepare": prepare,
    "fetch": fetch,
    "export": export,
    "push": push,
    "serve": serve,
    "reproduce": reproduce,
}


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line, and come from the command that was typed."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse has it; what a command does not know is its own complaint, with its own --help."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse passes over a full disk in silence
        (file or sys.stderr).write(message or "")

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
    if "_ARGCOMPLETE" in os.environ:
        with contextlib.suppress(ImportError):
            from ganvas.cli import completion

            completion.answer(parser())
    wait_considerately()
    take_any_text()
    try:
        status = run(argv)
        sys.stdout.flush()
    except SystemExit:
        return written()
    except BrokenPipeError:
        leave_stdout()
        return 141
    except OSError as error:
        if error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            say("ganvas: no space left where the output goes")
        else:
            name = short(str(error.filename)) if error.filename is not None else "a file"
            say(f"ganvas: {name} cannot be used: {reason_of(error)}")
        leave_stdout()
        return 2
    return status


def written() -> int:
    """The status of a command that argparse ended: --help and --version print, and what they print must arrive."""
    try:
        sys.stdout.flush()
    except OSError as error:
        leave_stdout()
        if isinstance(error, BrokenPipeError):
            return 141
        say(f"ganvas: the output cannot be written: {reason_of(error)}")
        return 2
    return 0


def wait_considerately() -> None:
    """Where other programs want the cores, threads of torch sleep while they wait for one another instead of spinning,
    which would take the cores from the one that is waited for; a choice of the user's stays.

    On an idle machine sleeping costs up to half the speed, so it is chosen by what runs at the moment (docs/speed.md
    has both).  No number depends on it.  torch reads this when it is loaded.
    """
    if "OMP_WAIT_POLICY" not in os.environ and others_at_work() > 0:
        os.environ["OMP_WAIT_POLICY"] = "passive"


def others_at_work(looks: int = 3, pause: float = 0.003, path: str = "/proc/loadavg") -> int:
    """The least number of other programs that wanted a core in a few looks; 0 where the system does not say."""
    found = []
    for look in range(looks):
        if look:
            time.sleep(pause)
        try:
            with open(path) as file:
                found.append(int(file.read().split()[3].split("/")[0]) - 1)  # 1: the one that asks
        except (OSError, ValueError, IndexError):
            return 0
    return min(found)


def take_any_text() -> None:
    """What a terminal's encoding lacks is printed as an escape and ends no command."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # a stream that somebody put in their place
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def leave_stdout() -> None:
    """Nothing more is written to a stdout that takes nothing more: Python would complain of it on its way out."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(argv: Sequence[str] | None) -> int:
    """One command, its complaints as one line.  -> exit status"""
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
    except MemoryError:
        say("ganvas: not enough memory for this; close other programs, or ask for less at a time")
        return 2
    except KeyboardInterrupt as error:
        say("ganvas: interrupted")
        return 143 if isinstance(error, Terminated) else 130


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
