"""Tab completion: what a shell is told, quickly and without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganvas import data, tabled
from ganvas.cli import completion
from ganvas.models import zoo
from ganvas.presets import families, presets

ASKED = """
import atexit, os, sys
import ganvas.cli
os._exit = lambda code: (print("torch" in sys.modules, file=sys.stderr), sys.exit(code))[1]
ganvas.cli.main([])
"""


def completed(line: str, folder: Path) -> set[str]:
    """What the shell would offer for the line, as argcomplete's protocol has it."""
    out = folder / "out"
    asked = {
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": str(out),
    }
    environment = {**os.environ, **asked, "_ARGCOMPLETE_IFS": "\n"}
    done = subprocess.run([sys.executable, "-c", ASKED], env=environment, cwd=folder, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "False", f"torch was loaded: {done.stderr}"
    return {word.strip() for word in out.read_text().splitlines()}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ganvas comp", {"compare"}),
        ("ganvas train biggan-dig", {"biggan-digits"}),
        ("ganvas sample wgan-gp-d", {"wgan-gp-digits"}),
        ("ganvas evaluate x --data pho", {"photo-edges", "photo-grey", "photos/"}),
        ("ganvas train wgan --precision b", {"bf16"}),
    ],
)
def test_what_a_shell_is_offered(line: str, offered: set[str], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert completed(line, tmp_path) == offered


def test_the_names_are_those_that_there_are() -> None:
    assert tabled.names() == sorted({*presets(), *families()})
    assert sorted(completion.DATA) == sorted({*data.EMBEDDED, *data.MADE})
    assert completion.models() == zoo.names()
