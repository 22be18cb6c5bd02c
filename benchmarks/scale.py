"""What a preset costs on 1, 8, 64 GPUs, computed: nothing here is measured but what you put in.

    python benchmarks/scale.py biggan-128 --images-per-second 400 --link 50 --memory 80

images-per-second: of one GPU in training, from the log of a short run there.  link: gigabytes a second of the slowest
link between two GPUs that exchange gradients.  The rule: W processes share the work equally; after each optimiser step
gradients go round a ring, 2 (W - 1) / W of their bytes over each link and 2 (W - 1) times the latency, while nobody
computes.  Work, parameters and activations are counted exactly, on the meta device.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ganvas.engine.estimate import estimate
from ganvas.presets import preset
from ganvas.recipes import Recipe, as_meant

LATENCY = 20e-6  # seconds of one hop of a ring: assumed


def exchange(size: float, processes: int, link: float) -> float:
    """Seconds in which so many bytes are averaged over so many processes, at `link` bytes a second."""
    return 2 * (processes - 1) * (size / (processes * link) + LATENCY)


def table(name: str, speed: float, link: float, memory: float, processes: list[int]) -> list[str]:
    """The rows of the table."""
    row = preset(name)
    recipe = Recipe(row.paper, row.name, as_meant(row))
    gan, c = recipe.on_meta(), recipe.config
    counted = estimate(gan, torch.device("cpu"), c.images)
    phases = gan.phases()
    size = {player: 4.0 * count for player, count in gan.parameter_counts().items()}
    shown = max(phase.repeat for phase in phases) * c.batch
    weights = 5 * sum(size.values())
    lines = [
        f"{row.name}: batch {c.batch}, {c.images:,} images, {counted.flops_per_image / 1e9:.0f} GFLOP an image, "
        f"{sum(size.values()) / 2**30:.2f} GiB of gradients, {counted.memory_row / 2**20:.0f} MiB of activations a row",
        "| GPUs | rows of a GPU | at a time | exchange | days | GPU-days |",
        "|---|---|---|---|---|---|",
    ]
    for n in processes:
        share = c.batch // n
        room = max(int((0.9 * memory - weights) // counted.memory_row), 1)
        part = max(rows for rows in range(1, share + 1) if share % rows == 0 and rows <= room)
        talk = sum(exchange(size[phase.player], n, link) * phase.repeat / phase.every for phase in phases)
        seconds = shown / (n * speed) + talk
        days = seconds * c.images / shown / 86_400
        lines.append(f"| {n} | {share} | {part} | {talk / seconds:.1%} | {days:.2f} | {n * days:.1f} |")
    return lines


if __name__ == "__main__":
    given = argparse.ArgumentParser()
    given.add_argument("preset")
    given.add_argument("--images-per-second", type=float, required=True)
    given.add_argument("--link", type=float, default=50.0)
    given.add_argument("--memory", type=float, default=80.0)
    given.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64])
    said = given.parse_args()
    print("\n".join(table(said.preset, said.images_per_second, said.link * 1e9, said.memory * 2**30, said.gpus)))
