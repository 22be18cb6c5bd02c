"""Mutation testing with a fixed list: breaks one line at a time and sees whether the tests named for it notice.

    python tests/mutants/run.py [--only SUBSTRING] [--sample N --seed S]

`mutants.tsv` beside this file holds one mutant a row:
    number      its name, never used again for another
    file        what is broken, relative to the root
    before      text of that file; line numbers may move, the text may not
    after       what stands there instead
    nth         which occurrence of `before`, from 1; empty: it occurs once
    tests       files or folders, separated by spaces, of which at least one test must fail
    equivalent  the reason why no test can tell the two apart; empty: one can
A file that was renamed or a line that was rewritten makes a row stale: it is named and counts as nothing. The tree
itself is never touched: each mutant stands for a moment in a copy of it.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutants.tsv")
COLUMNS = ["number", "file", "before", "after", "nth", "tests", "equivalent"]
LIMIT = 600  # seconds; a mutant that makes a test hang is noticed, too

# Bytecode is not written into the copy: a mutant of the same length and second would be taken for the original.
_PYTEST = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
_SKIPPED = (".*", "__pycache__", "build", "dist", "runs", "*.egg-info")
_FAILED, _INTERRUPTED, _PASSED = 1, 2, 0  # pytest's exit statuses; interrupted: a test file could not be imported


@dataclass(frozen=True)
class Mutant:
    """One row of the list."""

    number: str
    file: str
    before: str
    after: str
    nth: str
    tests: str
    equivalent: str

    def __str__(self) -> str:
        def short(text: str) -> str:
            return " ".join(text.split())[:90]

        return f"{self.number} {self.file}: {short(self.before)} -> {short(self.after)}"


def read(path: Path) -> list[Mutant]:
    """The rows of a list."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Mutant(**{name: row[name] or "" for name in COLUMNS}) for row in csv.DictReader(file, delimiter="\t")]


def mutated(root: Path, mutant: Mutant) -> str | None:
    """The broken file's text; None where the row no longer applies: no such file, or not (once) that text."""
    path = root / mutant.file
    if not path.is_file():
        return None
    parts = path.read_text(encoding="utf-8").split(mutant.before)
    found, nth = len(parts) - 1, int(mutant.nth or 1)
    if nth > found or (not mutant.nth and found > 1):
        return None
    return mutant.before.join(parts[:nth]) + mutant.after + mutant.before.join(parts[nth:])


@contextmanager
def copy_of(root: Path) -> Iterator[Path]:
    """A copy of the tree without what git ignores or hides, for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(root, copy, ignore=shutil.ignore_patterns(*_SKIPPED))
        yield copy


def tried(copy: Path, tests: str) -> tuple[int, str]:
    """pytest's exit status for these tests, in the copy and with its packages, and what failed first.

    Tests that do not end have failed, and so have those that a signal ends.
    """
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*_PYTEST, *tests.split()]
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return _FAILED, f"no end after {LIMIT} s"
    lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    failed = [line for line in lines if line.startswith(("FAILED ", "ERROR ", "ERROR:"))]
    return done.returncode if done.returncode >= 0 else _FAILED, "".join(failed[:1])


def survives(copy: Path, mutant: Mutant, text: str) -> bool:
    """Whether the tests named for the mutant pass in its presence.  The copy is whole again afterwards."""
    path = copy / mutant.file
    whole = path.read_bytes()
    try:
        path.write_text(text, encoding="utf-8")
        return tried(copy, mutant.tests)[0] not in (_FAILED, _INTERRUPTED)
    finally:
        path.write_bytes(whole)


def run(root: Path, mutants: list[Mutant], sample: int | None = None, seed: int = 0) -> int:
    """Runs the mutants, or a sample of those that apply, and says how each ended; 1 if one survived unexcused."""
    stale = [mutant for mutant in mutants if mutated(root, mutant) is None]
    chosen = [mutant for mutant in mutants if mutant not in stale]
    for mutant in stale:
        print(f"no longer applies: {mutant}")
    if sample is not None:
        chosen = sorted(random.Random(seed).sample(chosen, min(sample, len(chosen))), key=mutants.index)
    ends = {"killed": 0, "survived": 0, "equivalent": 0, "untested": 0}
    whole: dict[str, tuple[int, str]] = {}  # tests -> how they end when nothing is broken: a failure would say nothing
    with copy_of(root) as copy:
        for mutant in chosen:
            started = time.monotonic()
            if mutant.tests not in whole:
                whole[mutant.tests] = tried(copy, mutant.tests)
            code, why = whole[mutant.tests]
            end = _end(copy, mutant) if code == _PASSED else "untested"
            ends[end] += 1
            print(f"{end:10} {time.monotonic() - started:4.0f} s  {mutant}{_note(mutant, end, why)}", flush=True)
    print(", ".join(f"{count} {end}" for end, count in ends.items()) + f", {len(stale)} no longer apply")
    return 1 if ends["survived"] or ends["untested"] else 0


def _end(copy: Path, mutant: Mutant) -> str:
    text = mutated(copy, mutant)
    assert text is not None, f"{mutant} applied a moment ago"
    if not survives(copy, mutant, text):
        return "killed"
    return "equivalent" if mutant.equivalent else "survived"


def _note(mutant: Mutant, end: str, why: str) -> str:
    """What whoever reads the line must mend or know."""
    if end == "untested":
        return f"  (without it, {mutant.tests} must pass and do not: {why})"
    if end == "equivalent":
        return f"  ({mutant.equivalent})"
    return "  (marked equivalent, but a test tells: clear the mark)" if end == "killed" and mutant.equivalent else ""


def main(arguments: list[str] | None = None, root: Path = ROOT, rows: Path = LIST) -> int:
    """The command line; the exit status is 1 if a mutant survived that is not marked equivalent."""
    parser = argparse.ArgumentParser(description="Break one line at a time and see whether its tests notice.")
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="rows with this in their file, or this number")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them at random; 0: only name stale rows")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the sample")
    given = parser.parse_args(arguments)
    mutants = [mutant for mutant in read(rows) if given.only in mutant.file or given.only == mutant.number]
    if not mutants:
        print(f"no row of {rows} has {given.only!r} in its file or is of that number")
        return 1
    return run(root, mutants, given.sample, given.seed)


if __name__ == "__main__":
    sys.exit(main())
