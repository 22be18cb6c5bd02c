"""How time and memory grow with the work: batch, resolution, number of images, features, processes.

    nice python benchmarks/growth.py --out OUT
    python benchmarks/growth.py --out OUT --before OLD/growth.json --only images scores

Every point is a process of its own with one thread (growth_points.py); time is that of the processor, memory the peak
of `getrusage` above what the process held before the work.  OUT/growth.json keeps the points: a stopped script goes on
with the same command.  Printed is a table with the slope of the last three points on logarithmic axes, and what grows
faster than in line.  OUT/growth-*.png shows both; --before draws former points dashed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plots

POINTS = Path(__file__).with_name("growth_points.py")
LAST = 3  # points of the slope
MORE = 0.1  # above the slope of a straight line: worse than that


@dataclass(frozen=True)
class Series:
    """Points of one kind of work (a function of growth_points.py) at several sizes."""

    name: str
    kind: str
    sizes: Sequence[int]
    more: dict[str, Any] = field(default_factory=dict)
    files: bool = False  # does it read the files that `make` makes?


@dataclass(frozen=True)
class Axis:
    """Series that share an axis.  line: the slope of work that grows in line with what is processed."""

    across: str
    series: Sequence[Series]
    line: float = 1.0


BIGGAN = {"preset": "biggan-128", "batch": 4, "G_ch": 8, "D_ch": 8, "num_classes": 10, "hier": False}
SIDES, BATCHES = (32, 64, 128, 256), (8, 16, 32, 64, 128)
FILES, ROWS, PAIRS = (1000, 10_000, 100_000), (1000, 10_000, 100_000), (1000, 3000, 10_000)
AXES = {
    "batch": Axis("batch", [
        Series("wgan-gp-digits-quick", "iteration", BATCHES, {"preset": "wgan-gp-digits-quick"}),
        Series("biggan-32-small", "iteration", BATCHES, {"preset": "biggan-32-small"}),
    ]),
    "resolution": Axis("pixels a side (a straight line in pixels has slope 2)", [
        Series("biggan, width 8, batch 4", "sided", SIDES, BIGGAN),
        Series("the same, attention at half the side", "sided", SIDES, {**BIGGAN, "attention": True}),
    ], line=2.0),
    "images": Axis("images of 32 x 32 (PNGs; 100k: an .npz)", [
        Series("train, start to first step, cold", "start", FILES, {"preset": "wgan-gp-32-small"}, files=True),
        Series("train, start to first step, warm", "start", FILES, {"preset": "wgan-gp-32-small"}, files=True),
        Series("check", "check", FILES, files=True),
        Series("near duplicates alone", "near", (10_000, 30_000, 100_000)),
    ]),
    "scores": Axis("images, or feature vectors", [
        Series("network of the size of own", "features", ROWS[:2]),
        Series("Fréchet distance, 2048 numbers", "frechet", ROWS),
        Series("KID, 10 subsets of 1000, 2048 numbers", "kid", ROWS),
        Series("precision and recall, 2048 numbers", "prdc", PAIRS),
        Series("memorisation, 2048 numbers", "memorisation", PAIRS),
        Series("50 neighbours of all, 128 numbers", "neighbours", (10_000, 100_000, 1_000_000)),
    ]),
    "processes": Axis("gloo processes that share a batch of 32", [
        Series("biggan-32-small", "together", (1, 2), {"preset": "biggan-32-small", "batch": 32, "iterations": 6}),
    ]),
}  # fmt: skip


class Bench:
    """The points so far, and where files lie while it runs."""

    def __init__(self, out: Path, work: Path) -> None:
        self.path, self.work = out / "growth.json", work
        self.kept: dict[str, dict[str, float]] = json.loads(self.path.read_text()) if self.path.is_file() else {}

    def point(self, axis: str, series: Series, n: int) -> dict[str, float]:
        """One point, from the file if it is there."""
        key = f"{axis}/{series.name}/{n}"
        if key not in self.kept:
            found = self.together(series, n) if series.kind == "together" else self.measured(series, n)
            self.kept[key] = {name: round(value, 4) for name, value in found.items()}
            self.path.write_text(json.dumps(self.kept, indent=1) + "\n")
            print(f"{key}: {self.kept[key]}", flush=True)
        return self.kept[key]

    def measured(self, series: Series, n: int) -> dict[str, float]:
        """A process of the series."""
        more, env = dict(series.more), dict(os.environ, GANVAS_CACHE=str(self.work / f"cache-{n}"))
        if series.files:
            more["folder"] = str(self.work / f"files-{n}")
            if not Path(more["folder"]).exists():
                run(["make", str(n), json.dumps({"folder": more["folder"]})], env)
        words = [series.kind, str(n), json.dumps(more)]
        if series.kind == "start":
            cold = not series.name.endswith("warm")
            if cold:
                shutil.rmtree(env["GANVAS_CACHE"], ignore_errors=True)
            elif not Path(env["GANVAS_CACHE"]).exists():
                run(words, env)
        return run(words, env)

    def together(self, series: Series, n: int) -> dict[str, float]:
        """n processes at once: the sum of their processor seconds, the longest by the clock."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        own = {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        envs = [
            {**os.environ, **own, "RANK": str(k), "LOCAL_RANK": str(k)} if n > 1 else {**os.environ} for k in range(n)
        ]
        running = [begun([series.kind, str(n), json.dumps(series.more)], env) for env in envs]
        found = [ended(process) for process in running]
        return {
            "seconds": sum(one["seconds"] for one in found),
            "wall": max(one["wall"] for one in found),
            "peak": max(one["peak"] for one in found),
            "held": 0.0,
        }


def begun(words: Sequence[str], env: dict[str, str]) -> subprocess.Popen[str]:
    """A process of growth_points.py."""
    root = str(POINTS.resolve().parents[1])
    path = os.pathsep.join(filter(None, [root, env.get("PYTHONPATH")]))
    alone = {**env, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen([sys.executable, str(POINTS), *words], stdout=subprocess.PIPE, text=True, env=alone)


def ended(process: subprocess.Popen[str]) -> dict[str, float]:
    """What it has found."""
    said = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"a point failed: {process.args}")
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def run(words: Sequence[str], env: dict[str, str]) -> dict[str, float]:
    """A process from its beginning to its end."""
    return ended(begun(words, env))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the least-squares line through the logarithms of the last points."""
    logs = [(math.log(x), math.log(max(y, 1e-9))) for x, y in points[-LAST:]]
    mean = [sum(column) / len(logs) for column in zip(*logs)]
    return sum((x - mean[0]) * (y - mean[1]) for x, y in logs) / sum((x - mean[0]) ** 2 for x, _ in logs)


def of(kept: dict[str, dict[str, float]], axis: str, series: Series, what: str) -> list[tuple[float, float]]:
    """(size, value) of a series: seconds, or MiB above what was held before."""
    rows = [(n, kept[key]) for n in series.sizes if (key := f"{axis}/{series.name}/{n}") in kept]
    return [(float(n), row["seconds"] if what == "seconds" else max(row["peak"] - row["held"], 1.0)) for n, row in rows]


def table(kept: dict[str, dict[str, float]], chosen: Sequence[str]) -> list[str]:
    """A row for each series, and what grows faster than in line."""
    lines = ["| axis | work | sizes | seconds | MiB above the start | slope of time | slope of memory |"]
    lines += ["|---|---|---|---|---|---|---|"]
    worse = []
    for name in chosen:
        axis = AXES[name]
        for series in axis.series:
            points = {what: of(kept, name, series, what) for what in ("seconds", "memory")}
            if len(points["seconds"]) < 2:
                continue
            sizes = ", ".join(f"{x:,.0f}" for x, _ in points["seconds"])
            seconds = ", ".join(f"{y:.3g}" for _, y in points["seconds"])
            memory = ", ".join(f"{y:,.0f}" for _, y in points["memory"])
            slopes = {what: slope(found) for what, found in points.items()}
            lines.append(
                f"| {name} | {series.name} | {sizes} | {seconds} | {memory} | "
                f"{slopes['seconds']:.2f} | {slopes['memory']:.2f} |"
            )
            worse += [
                f"{name}, {series.name}: {what}, slope {found:.2f} where {axis.line:g} is in line"
                for what, found in slopes.items()
                if found > axis.line + MORE
            ]
    return [*lines, "", "faster than in line:", *(worse or ["nothing"])]


def picture(name: str, kept: dict[str, dict[str, float]], before: dict[str, dict[str, float]], path: Path) -> None:
    """Time and memory of an axis."""
    axis, panels = AXES[name], []
    for what, title, up in (("seconds", "time", "processor s"), ("memory", "memory above the start", "MiB")):
        lines = []
        for series in axis.series:
            old, new = (of(source, name, series, what) for source in (before, kept))
            lines += [plots.Line(series.name, new)] if new else []
            lines += [plots.Line(series.name, old, dashed=True)] if old and new and old != new else []
        panels.append(plots.Panel(title, axis.across, up, lines, axis.line))
    plots.draw(panels, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--before", type=Path, help="a growth.json whose points are drawn dashed")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    before = json.loads(args.before.read_text()) if args.before else {}
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(args.out, Path(work))
        for name in args.only:
            for series in AXES[name].series:
                for n in series.sizes:
                    bench.point(name, series, n)
            picture(name, bench.kept, before, args.out / f"growth-{name}.png")
    lines = table(bench.kept, args.only)
    (args.out / "growth.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
