"""`import ganvas` is light, `ganvas --help` is quick; without torch, neither can touch a device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganvas import cli
from ganvas.metrics.protocol import Score, write_scores

HEAVY = ("torch", "numpy", "PIL", "scipy", "sklearn", "pydantic", "safetensors", "rich", "tensorboard", "fastapi")


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after the code."""
    script = f"{code}\nimport sys; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import ganvas",
        "import ganvas.cli; ganvas.cli.parser()",
        "import contextlib, ganvas.cli\nwith contextlib.suppress(SystemExit): ganvas.cli.main(['--help'])",
        "import contextlib, ganvas.cli\nwith contextlib.suppress(SystemExit): ganvas.cli.main(['train', '--help'])",
        "import ganvas.cli; ganvas.cli.main(['frobnicate'])",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    assert not loaded_by(code) & set(HEAVY)


@pytest.mark.parametrize(
    "command", ["papers", "papers --json", "models", "compare scores.json", "compare --mean scores.json"]
)
def test_tables_need_no_torch(command: str, tmp_path: Path) -> None:
    """What lists and compares reads files: torch takes seconds to load."""
    scores = tmp_path / "scores.json"
    write_scores(scores, "a", [Score(name="FD-own", value=1.5)])
    words = command.replace("scores.json", str(scores)).split()
    assert not loaded_by(f"import ganvas.cli; assert ganvas.cli.main({words!r}) == 0") & {"torch", "numpy", "PIL"}


def test_help_answers_in_half_a_second() -> None:
    """CPU time of the process, start of the interpreter included: the clock on the wall knows who else is busy."""
    script = (
        "import contextlib, resource, ganvas.cli\n"
        "with contextlib.suppress(SystemExit): ganvas.cli.main(['--help'])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "COMMAND" in done.stdout
    assert float(done.stdout.splitlines()[-1]) < 0.5


@pytest.mark.parametrize(
    ("running", "given", "policy"), [(1, None, None), (2, None, "passive"), (2, "active", "active")]
)
def test_threads_wait_asleep_where_others_work_unless_told_otherwise(
    running: int, given: str | None, policy: str | None, tmp_path: Path
) -> None:
    """Chosen before torch is loaded: afterwards it does nothing."""
    (tmp_path / "loadavg").write_text(f"0.5 0.4 0.3 {running}/90 1234\n")
    code = (
        "import os, sys, ganvas.cli; before = 'torch' in sys.modules;"
        f"ganvas.cli.others_at_work.__defaults__ = (3, 0.0, {str(tmp_path / 'loadavg')!r});"
        "ganvas.cli.main(['papers']);"
        "print(before, os.environ.get('OMP_WAIT_POLICY'))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {} if given is None else {"OMP_WAIT_POLICY": given}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"False {policy}"


def test_others_at_work_are_those_of_the_quietest_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "loadavg"
    looks = iter(["4/90", "3/90", "5/90"])
    monkeypatch.setattr(cli.time, "sleep", lambda _: path.write_text(f"0 0 0 {next(looks)} 1"))
    path.write_text(f"0 0 0 {next(looks)} 1")
    assert cli.others_at_work(path=str(path)) == 2
    path.write_text("what is this")
    assert cli.others_at_work(looks=1, path=str(path)) == 0
    assert cli.others_at_work(path=str(tmp_path / "none")) == 0
