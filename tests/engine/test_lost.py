"""A process that is lost: torchrun starts all anew, and the run ends as one that nobody disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas.engine.checkpoint import checkpoints
from tests.engine import running

RUN = [*running.TOY, "--images", "1280", "--checkpoint-every", "128", "--sample-every", "1M", "--log-every", "1"]


def children(of: int) -> list[int]:
    """The processes that a process has started."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return sorted(int(pid) for pid, parent in map(str.split, table.splitlines()) if int(parent) == of)


def iterations(out: Path) -> list[int]:
    """As they were logged, one after the other."""
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    return [line["iteration"] for line in lines if "iteration" in line]


@pytest.mark.parametrize("which", [0, 1])
def test_one_of_two_that_is_killed_is_started_anew_and_goes_on_from_the_last_checkpoint(
    which: int, tmp_path: Path, capfd: Any
) -> None:
    out = tmp_path / "run"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    train = ["-m", "ganvas", "train", *RUN, "--device", "cpu", "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen([*torchrun, "--max-restarts", "1", *train], env=environment) as agent:
        try:
            while len(checkpoints(out / "checkpoints")) < 2 and agent.poll() is None:
                time.sleep(0.01)
            first = children(agent.pid)
            assert len(first) == 2
            os.kill(first[which], signal.SIGKILL)
            reached = max(int(path.name) for path in checkpoints(out / "checkpoints"))
            assert agent.wait() == 0
        finally:
            agent.kill()
    said = capfd.readouterr().err
    (resumed,) = (line for line in said.splitlines() if "resuming" in line)
    assert reached < 1280
    assert int(resumed.split(" at ")[1].split()[0].replace(",", "")) >= reached
    assert running.main(["train", *RUN, "--device", "cpu", "--out", str(tmp_path / "whole")]) == 0
    torch.testing.assert_close(running.left(out), running.left(tmp_path / "whole"), rtol=1e-3, atol=1e-4)
    assert iterations(out) == iterations(tmp_path / "whole")  # none is missing, none is there twice
