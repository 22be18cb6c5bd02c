"""Images a second on two threads with threads that wait asleep or spinning, on a machine that is busy or not, in turns.

    python benchmarks/busy_machine.py [PRESET] [--threads 2] [--others 2] [--iterations 10] [--rounds 5] [--json FILE]

How threads wait is settled when torch is loaded, so every measurement is a process of its own.  Threads that wait
spin for long and then sleep (`default`: the runtime's own choice), sleep at once (`asleep`), or do what the command
line chooses by what runs at the moment (`ganvas`).  `others`: processes that compute beside it, each of which wants a
core; 0 of them is the machine as it is, whose load is printed.  By the clock, which is what the cores that others have
cost; beside it by processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from ganvas.cli import wait_considerately

POLICIES = ("default", "asleep", "ganvas")


def measure(preset: str, policy: str, threads: int, iterations: int) -> None:
    """Prints images a second by the clock and by processor time of this process."""
    if policy == "ganvas":
        wait_considerately()
    import torch

    from ganvas import api, data, rng
    from ganvas.engine.feed import Feed
    from ganvas.engine.step import iterate
    from ganvas.engine.train import new_state

    torch.set_num_threads(threads)
    recipe = api.recipe(preset, data.peek("digits"))
    state = new_state(recipe.build(0), torch.device("cpu"))
    gan, n = state.gan, recipe.config.batch
    feed = Feed(data.load("digits", resolution=recipe.config.resolution, channels=1), 0, torch.device("cpu"))
    clocks, origin = (0.0, 0.0), 0
    for k in range(iterations + 2):
        if k == 2:  # two to warm up
            clocks, origin = (time.monotonic(), time.process_time()), gan.images_seen
        start = gan.images_seen
        real = partial(lambda start, k: feed.batch(start + k * n, n), start)
        _, batches = iterate(gan, real, state.optimisers, partial(rng.generator, "step", 0, gan.iteration))
        gan.images_seen += batches * n
        gan.iteration += 1
    shown = gan.images_seen - origin
    print(shown / (time.monotonic() - clocks[0]), shown / (time.process_time() - clocks[1]))


def measured(policy: str, args: argparse.Namespace) -> tuple[float, float]:
    """The same in a process that waits so."""
    words = [sys.executable, __file__, args.preset, "--threads", str(args.threads), "--iterations"]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": "passive"} if policy == "asleep" else {}
    environment["OMP_NUM_THREADS"] = str(args.threads)
    done = subprocess.run(
        [*words, str(args.iterations), "--measure", policy], env=environment, capture_output=True, text=True, check=True
    )
    wall, processor = done.stdout.split()
    return float(wall), float(processor)


def main() -> None:
    """Prints a line for each number of other programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="wgan-gp-digits")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--others", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.preset, args.measure, args.threads, args.iterations)
        return
    rows = []
    for others in (0, args.others):
        load = os.getloadavg()[0]
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
        try:
            found = [{policy: measured(policy, args) for policy in POLICIES} for _ in range(args.rounds)]
        finally:
            for process in busy:
                process.kill()
        speeds = {policy: statistics.median(row[policy][0] for row in found) for policy in POLICIES}
        ratios = {
            policy: [statistics.median(row[policy][i] / row["default"][i] for row in found) for i in (0, 1)]
            for policy in POLICIES
        }
        rows.append({"others": others, "load before": load, "images/s": speeds, "ratios": ratios})
        print(f"{others} other programs (load before {load:.1f}):")
        for policy, speed in speeds.items():
            wall, processor = ratios[policy]
            print(
                f"  {policy:8} {speed:4.0f} images/s, {wall:.2f} of default ({processor:.2f} by processor time)",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps({"command": sys.argv, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
