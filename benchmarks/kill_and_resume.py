"""Kills a training run with SIGKILL at random moments, resumes it, and compares what it ends with, bit for bit.

python benchmarks/kill_and_resume.py [--runs 20] [--seed 0] [--images 12000] [--kills 1] [PRESET --set key=value ...]

One run is never stopped.  Each of the others is killed at a moment drawn from its seed (an image count in the run,
then up to 50 ms) as often as --kills says, and goes on with `ganvas train --resume`.  Every tensor of the model
folder and of the newest checkpoint (live and averaged weights, buffers, optimisers) must be equal.  Exit status 1 on
any difference.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

TOY = ["wgan-gp-toy-small", "--set", "G_width=16", "D_width=16", "batch=32"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


def main() -> int:
    args, recipe = arguments()
    print(f"{' '.join(recipe)}, {args.images:,} images, {args.kills} kill(s) a run, seeds from {args.seed}")
    print(f"{platform.platform()}, {platform.processor() or platform.machine()}, torch {torch.__version__}\n")
    differing = 0
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        options = [*recipe, "--images", str(args.images), "--log-every", "1", "--sample-every", str(args.images)]
        options += ["--checkpoint-every", str(max(1, args.images // 8))]
        finish(["train", *options, "--out", str(base / "whole")])
        expected = left(base / "whole")
        print(f"{'seed':>5} {'killed at image':>24} {'resumed from':>24} {'tensors':>8} {'differing':>10}")
        for seed in range(args.seed, args.seed + args.runs):
            out = base / f"run{seed}"
            killed, resumed = suffer(out, options, random.Random(seed), args.kills, args.images)
            found = left(out)
            wrong = [k for k in expected.keys() | found.keys() if not same_bits(expected.get(k), found.get(k))]
            differing += bool(wrong)
            print(f"{seed:>5} {killed:>24} {resumed:>24} {len(found):>8} {len(wrong):>10}", flush=True)
    print(f"\n{args.runs - differing} of {args.runs} runs ended equal bit for bit to the one that was never stopped")
    return 1 if differing else 0


def arguments() -> tuple[argparse.Namespace, list[str]]:
    """Our own options, and the recipe that is handed on to `ganvas train`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--kills", type=int, default=1)
    args, recipe = parser.parse_known_args()
    return args, recipe or TOY


def suffer(out: Path, options: list[str], rng: random.Random, kills: int, images: int) -> tuple[str, str]:
    """A run killed as often as asked, then finished.  -> the last logged counts, the checkpoints it went on from"""
    command, killed, resumed = ["train", *options, "--out", str(out)], [], []
    for _ in range(kills):
        moment = rng.randrange(seen(out), images * 9 // 10)
        if not killed_at(command, out, moment, rng.uniform(0.0, 0.05)):
            break  # it was through before the signal came, which is an outcome as well
        killed.append(str(seen(out)))
        resumed.append(str(newest(out)))
        command = ["train", "--resume", str(out)]
    if killed:
        finish(command)
    return ", ".join(killed) or "-", ", ".join(resumed) or "-"


def killed_at(command: list[str], out: Path, moment: int, delay: float) -> bool:
    """Starts the command, kills it `delay` seconds after it has logged `moment` images; False if it ended before."""
    whole = [sys.executable, "-m", "ganvas", *command]
    with subprocess.Popen(whole, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None and (seen(out) < moment or not any((out / "checkpoints").glob("[0-9]*"))):
            time.sleep(0.002)
        time.sleep(delay)
        run.send_signal(signal.SIGKILL)
        run.wait()
    return run.returncode == -signal.SIGKILL


def finish(command: list[str]) -> None:
    """Runs the command to its end; its words only if it fails."""
    done = subprocess.run([sys.executable, "-m", "ganvas", *command], env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ganvas {' '.join(command)} ended with {done.returncode}: {done.stderr}")


def seen(out: Path) -> int:
    """Images at the last whole line of the log."""
    try:
        return max(json.loads(line)["images"] for line in (out / "train.jsonl").read_text().splitlines())
    except (OSError, ValueError):
        return 0


def newest(out: Path) -> int:
    """Images at the newest checkpoint."""
    return max((int(p.name) for p in (out / "checkpoints").glob("[0-9]*")), default=0)


def left(out: Path) -> dict[str, Tensor]:
    """Every tensor of a run's end."""
    files = (out / "model.safetensors", out / "checkpoints" / f"{newest(out):012d}" / "state.safetensors")
    return {f"{path.stem}/{key}": value for path in files for key, value in load_file(path).items()}


def same_bits(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
        return False
    return torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))


if __name__ == "__main__":
    sys.exit(main())
