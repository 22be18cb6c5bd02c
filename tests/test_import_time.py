"""`import ganvas` is light, `ganvas --help` is quick; without torch, neither can touch a device."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
