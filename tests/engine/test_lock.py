"""One process at a time writes into a run's folder, and no two get the same default name."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ganvas.engine.log import Log
from ganvas.errors import InputError
from ganvas.files import LOCK, held, numbered
from tests.engine import running


def test_a_held_folder_names_its_holder(tmp_path: Path) -> None:
    who = rf"process {os.getpid()} on {re.escape(platform.node())} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
    with held(tmp_path):
        with pytest.raises(InputError, match=f"is in use by {who}"), held(tmp_path):
            pass
        assert (tmp_path / LOCK).exists()  # who was refused took nothing away
    assert not list(tmp_path.iterdir())
    with held(tmp_path):
        pass


def test_a_lock_goes_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from ganvas.files import held\n"
        "with held(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / LOCK).exists()  # what a kill leaves holds nobody back
    with held(tmp_path):
        pass


@pytest.mark.parametrize("second", ["train", "resume"])
def test_a_second_run_in_a_folder_is_one_line(
    second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out, plain, statuses = tmp_path / "run", Log.write, []

    def again(self: Log, images_seen: int, values: dict[str, Any]) -> None:
        monkeypatch.setattr(Log, "write", plain)
        capsys.readouterr()
        statuses.append(running.train(out) if second == "train" else running.resume(out))
        plain(self, images_seen, values)

    monkeypatch.setattr(Log, "write", again)
    assert running.train(out, "--images", "300") == 0
    assert statuses == [2]
    line = next(line for line in capsys.readouterr().err.splitlines() if "in use" in line)
    assert line.startswith(f"ganvas: {out} is in use by process {os.getpid()} on ")
    assert (out / "model.safetensors").exists()
    assert not (out / LOCK).exists()


def test_default_names_are_taken_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: numbered(tmp_path / "runs" / "digits").name, range(8)))
    assert sorted(names) == ["digits", *(f"digits-{i}" for i in range(2, 9))]


def test_two_runs_get_two_folders_and_a_failed_one_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ganvas.cli import main

    monkeypatch.chdir(tmp_path)
    small = [*running.TOY, "--images", "64", "--device", "cpu"]
    assert main(["train", *small, "--score", "nonsense"]) == 2
    assert not list(tmp_path.iterdir())
    for _ in range(2):
        assert main(["train", *small]) == 0
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == [
        "wgan-gp-toy-small-ring8",
        "wgan-gp-toy-small-ring8-2",
    ]
