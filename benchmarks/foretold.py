"""What a training said that it would cost, against what it then took: processor time and memory at the peak.

    python benchmarks/foretold.py [--photos FOLDER] [--grey FILES] [--json OUT] [--only NAME ...]

Each configuration trains in a process of its own, on one thread, its length cut so that it takes a minute or so; what
is foretold counts pictures, looks and checkpoints.  Time is the processor's, so that a busy machine tells the same; it
runs from the estimate to the end of the run.  Memory is the most that the process held from the estimate on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# preset -> images; data is the preset's own, the photos' or the grey files' where named
RUNS: dict[str, tuple[int, str]] = {
    "wgan-gp-digits": (40_000, ""),
    "wgan-digits": (40_000, ""),
    "sagan-digits": (30_000, ""),
    "biggan-digits": (30_000, ""),
    "biggan-deep-digits": (20_000, ""),
    "logan-digits": (20_000, ""),
    "unetgan-digits": (12_000, ""),
    "adcgan-digits": (25_000, ""),
    "stylegan2-digits": (15_000, ""),
    "icgan-digits": (25_000, ""),
    "csgan-demo": (300, ""),
    "wgan-gp-32-small": (20_000, "grey"),
    "biggan-32-small": (8_000, "photos"),
    "sagan-64-small": (2_000, "photos"),
}
TIME, MEMORY = 1.5, 1.2  # what an estimate may be off by, either way


def run(preset: str, images: int, data: str | None, folder: str) -> dict[str, float]:
    """One training in this process.  -> what was foretold and what it took"""
    import torch

    import ganvas
    from ganvas import costs
    from ganvas.engine import memory

    found: dict[str, float] = {}
    began = [0.0, 0.0]
    spare, cpu = costs.sparing, torch.device("cpu")

    def listening(*args: Any) -> Any:
        settings, cost = spare(*args)  # what is said to who trains: pictures, looks and checkpoints already made rarer
        found.update(time_foretold=cost.processor, memory_foretold=cost.memory_bytes)
        memory.reset_peak(cpu)
        began[:] = time.process_time(), time.monotonic()
        return settings, cost

    costs.sparing = listening
    given = {"data": data} if data else {}
    ganvas.train(preset, out=str(Path(folder, "run")), images=images, seed=0, device="cpu", **given)
    found.update(
        time_taken=time.process_time() - began[0],
        clock_taken=time.monotonic() - began[1],
        memory_taken=memory.peak(cpu),
    )
    return found


def row(preset: str, images: int, data: str | None) -> dict[str, Any]:
    """The same in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        program = (
            f"import json, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import foretold; "
            f"found = foretold.run({preset!r}, {images}, {data!r}, {folder!r}); print('FOUND', json.dumps(found))"
        )
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    if not lines:
        raise SystemExit(f"{preset}: {done.stderr or done.stdout}")
    return {"preset": preset, "images": images, **json.loads(lines[0].removeprefix("FOUND "))}


def off(a: float, b: float) -> float:
    """How many times too much or too little."""
    return max(a, b) / min(a, b)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares what trainings said they would cost with what they took.")
    parser.add_argument("--photos", metavar="FOLDER", help="colour pictures, for the presets of 32 and 64 pixels")
    parser.add_argument("--grey", metavar="FILES", help="grey pictures, as Fashion-MNIST's idx files")
    parser.add_argument("--only", nargs="+", choices=list(RUNS))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    for preset, (images, needs) in RUNS.items():
        data = getattr(args, needs) if needs else None
        if (needs and not data) or (args.only and preset not in args.only):
            continue
        rows.append(found := row(preset, images, data))
        times, memories = (off(found[f"{what}_foretold"], found[f"{what}_taken"]) for what in ("time", "memory"))
        print(
            f"{preset:20} {images:7,} images | time foretold {found['time_foretold']:6.1f} s, taken "
            f"{found['time_taken']:6.1f} ({times:.2f}x{' !' * (times > TIME)}) | memory "
            f"{found['memory_foretold'] / 2**20:6.0f} MiB, {found['memory_taken'] / 2**20:6.0f} "
            f"({memories:.2f}x{' !' * (memories > MEMORY)})",
            flush=True,
        )
        if args.json:
            args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
