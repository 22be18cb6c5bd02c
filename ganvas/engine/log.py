"""What a run says: a JSON line per interval, TensorBoard beside it where it is installed, one line on the screen."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from ganvas.files import one_line, printable, write_text


class Log:
    """train.jsonl of a run; scalars are means over the interval since the last line."""

    def __init__(self, folder: Path, images_seen: int = 0) -> None:
        self.path = folder / "train.jsonl"
        _cut(self.path, images_seen)
        with one_line(self.path):
            self.file = self.path.open("a", encoding="utf-8")
        self.board = _tensorboard(folder, images_seen)

    def write(self, images_seen: int, values: dict[str, Any]) -> None:
        """One line, flushed; what is not finite becomes null, for JSON has no word for it."""
        values = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
        with one_line(self.path):
            self.file.write(json.dumps({"images": images_seen, **values}) + "\n")
            self.file.flush()
        for key, value in values.items():
            if self.board is not None and isinstance(value, int | float):
                self.board.add_scalar(key, value, images_seen)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a full disk was reported when the line was written
            self.file.close()
        if self.board is not None:
            self.board.close()


class Unwritten(Log):
    """The log of a process that writes nothing."""

    def __init__(self) -> None:
        pass

    def write(self, images_seen: int, values: dict[str, Any]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def _cut(path: Path, images_seen: int) -> None:
    """Drops the lines of steps that were lost between the last checkpoint and a kill, and a half-written last line."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["images"] <= images_seen:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError, TypeError):
            continue
    write_text(path, "".join(kept))


def _tensorboard(folder: Path, images_seen: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=images_seen + 1)


CLEAR = "\x1b[2K"  # the line of the terminal


class Screen:
    """One line with a bar that renews itself on a terminal and fits its width, or elsewhere a line now and then."""

    def __init__(self, out: TextIO | None = None, every: float = 10.0) -> None:
        self.out = out or sys.stderr
        self.live = self.out.isatty()
        self.every = 0.5 if self.live else every
        self.last = 0.0 if self.live else time.monotonic()  # in a log, what takes a moment is not worth a line
        self.started = False  # is there a line that renews itself?

    def show(self, line: str, force: bool = False, share: float | None = None) -> None:
        """Prints the line if it is time.  share: of the work that is done, for a bar before it"""
        line = printable(line)
        now = time.monotonic()
        if not force and now - self.last < self.every:
            return
        self.last = now
        if self.live:
            self.out.write(f"\r{CLEAR}{self.fitted(line, share)}")
            self.started = True
        else:
            self.out.write(line + "\n")
        self.out.flush()

    def say(self, line: str) -> None:
        """A line that stays."""
        line = printable(line)
        if self.started:
            self.out.write(f"\r{CLEAR}")
            self.started = False
        self.out.write(line + "\n")
        self.out.flush()

    def answer(self, line: str) -> None:
        """A line from within a signal handler, where the stream may be in the middle of another line."""
        try:
            os.write(self.out.fileno(), f"\n{line}\n".encode())
        except (OSError, ValueError):  # no file behind it, as in a notebook
            self.out.write(f"{line}\n")

    def done(self) -> None:
        """The renewed line stays, and what is printed next has a line of its own."""
        if self.started:
            self.out.write("\n")
            self.out.flush()
            self.started = False

    def fitted(self, line: str, share: float | None) -> str:
        """The line behind its bar, cut to the terminal as it is now."""
        from rich.console import Console
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        console = Console(file=self.out, force_terminal=True)
        bar = min(24, console.width // 4) if share is not None and console.width >= 40 else 0
        text = Text(line, no_wrap=True)
        text.truncate(max(1, console.width - 1 - (bar + 1 if bar else 0)), overflow="ellipsis")
        with console.capture() as drawn:
            if bar:
                console.print(ProgressBar(total=1.0, completed=min(share or 0.0, 1.0), width=bar), end="")
                console.print(" ", end="")
            console.print(text, end="", highlight=False)
        return drawn.get().replace("\n", "")


def duration(seconds: float) -> str:
    """1 h 02 min, 3:05 min or 12 s"""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d} min"
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours / 24:.1f} days"
