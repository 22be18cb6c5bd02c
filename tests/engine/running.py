"""Runs at the smallest size, as a person starts them, and the comparison of what they leave."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ganvas.cli import main
from ganvas.data.cache import LOCKS

TOY = ["wgan-gp-toy-small", "--set", "G_width=16", "D_width=16", "batch=32"]
QUIET = ["--sample-every", "1M", "--checkpoint-every", "1500", "--log-every", "1"]


def train(out: Path, *args: str, recipe: list[str] = TOY) -> int:
    """`ganvas train` in this process.  -> exit status"""
    return main(["train", *recipe, *QUIET, "--device", "cpu", "--out", str(out), *args])


def resume(out: Path, *args: str) -> int:
    return main(["train", "--resume", str(out), *args])


def images_seen(out: Path) -> int:
    """The last logged count, 0 before the first whole line."""
    try:
        lines = (out / "train.jsonl").read_text().splitlines()
        return max(json.loads(line)["images"] for line in lines)
    except (OSError, ValueError):
        return 0


def start_and_kill(out: Path, rng: random.Random, images: int, *args: str, recipe: list[str] = TOY) -> int:
    """`ganvas train` in a process of its own, killed with SIGKILL at a moment that the rng chooses.

    -> images that it had logged.  Raises if the run ended before the moment came.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "ganvas", "train", *recipe, *QUIET, "--out", str(out), "--images", str(images)]
    moment = rng.randrange(images * 6 // 10)
    with subprocess.Popen([*command, *args], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        while images_seen(out) < moment and run.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.05))
        run.send_signal(signal.SIGKILL)
        said = run.communicate()[1].decode()
    if run.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the run ended by itself before it could be killed: {said}")
    return images_seen(out)


def left(out: Path) -> dict[str, Tensor]:
    """Every tensor of a run's end: the model folder's and those of its newest checkpoint."""
    newest = max((out / "checkpoints").glob("[0-9]*"))
    files = {"model": out / "model.safetensors", "state": newest / "state.safetensors"}
    return {f"{name}/{key}": value for name, path in files.items() for key, value in load_file(path).items()}


def differences(a: dict[str, Tensor], b: dict[str, Tensor]) -> list[str]:
    """Names of the tensors that are not equal bit for bit."""
    return sorted(k for k in a.keys() | b.keys() if k not in a or k not in b or not same_bits(a[k], b[k]))


def same_bits(a: Tensor, b: Tensor) -> bool:
    return (
        a.shape == b.shape
        and a.dtype == b.dtype
        and torch.equal(a.view(-1).view(torch.uint8), b.view(-1).view(torch.uint8))
    )


def listing(folder: Path) -> dict[str, int]:
    """Everything below a folder but a cache's locks, with sizes of the files."""
    found = [p for p in sorted(folder.rglob("*")) if LOCKS not in p.parts]
    return {str(p.relative_to(folder)): p.stat().st_size if p.is_file() else -1 for p in found}
