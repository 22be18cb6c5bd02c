"""What a classifier does to the classes: AC-, TAC-, PD- and ADC-GAN on three overlapping normals, over training seeds.

    python benchmarks/mog1d.py [--seeds 0 1 2 3 4] [--runs runs/mog1d] [--images 7680000] [--set KEY=VALUE ...]
                               [--picture docs/pictures/adcgan-mog1d.png]

The experiment of TAC-GAN (Gong et al. 2019), which ADC-GAN repeats: class k = 0, 1, 2 is normal with mean 3k and
standard deviation k + 1. Each method is `ganvas train METHOD --data mog1d --seed S`: 20,000 steps of D and 2,000 of G,
logistic loss, all lambdas 1; `adcgan, no V` is ADC-GAN with adversarial=none. A run that is in --runs already is not
made again. Of each run 10,000 points of every class are drawn, seeds 0 to 9,999, and beside 33,333 points of the test
split: the 1-Wasserstein distance, the mean and the standard deviation. `all` are 10,000 points of classes drawn at
random, against the whole split. Printed is mean +- standard deviation over training seeds; the line `real` compares
the train split with the test split, which is how small a distance can be. The picture shows the densities, a row for
each method and a column for each class, the truth in grey, each training seed a line.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

import ganvas
from ganvas.data.toys import toy_points
from ganvas.scoring.points import BATCH, wasserstein_1d

N = 10_000
METHODS: dict[str, list[str]] = {
    "acgan": ["acgan"],
    "tacgan": ["tacgan"],
    "pdgan": ["pdgan"],
    "adcgan": ["adcgan"],
    "adcgan, no V": ["adcgan", "--set", "adversarial=none"],
}
Points = dict[str, np.ndarray]  # "0", "1", "2" and "all" -> [N]

WIDTH, HEIGHT, GAP, TOP, LEFT = 170, 90, 10, 18, 84
GREY, BLUE = (205, 205, 205), (30, 90, 200)
LOW, HIGH, BANDWIDTH = -5.0, 16.0, 0.25


def folder(runs: Path, method: str, seed: int) -> Path:
    """Where a run is."""
    return runs / f"{method.replace(', no V', '-noV')}-{seed}"


def train(out: Path, command: list[str], seed: int, images: int, values: list[str]) -> None:
    """The run, unless it is there and finished."""
    if (out / "model.safetensors").exists() and ganvas.load(out, device="cpu").config.images == images:
        return
    sets = [*command[2:], *values]
    line = [command[0], "--data", "mog1d", "--seed", str(seed), "--images", str(images), "--out", str(out)]
    print("ganvas train", *line, *(["--set", *sets] if sets else []), flush=True)
    subprocess.run([sys.executable, "-m", "ganvas", "train", *line, *(["--set", *sets] if sets else [])], check=True)


def generated(out: Path) -> Points:
    """Points of a run's model: of every class, and of classes drawn at random."""
    gan = ganvas.load(out, device="cpu")
    asked: dict[str, int | None] = {"0": 0, "1": 1, "2": 2, "all": None}
    return {name: gan.sample(N, seed=0, classes=k, batch=BATCH)[:, 0].numpy() for name, k in asked.items()}


def real(split: str) -> Points:
    """Points of the data."""
    x, y = toy_points("mog1d", split)
    assert y is not None
    return {**{str(k): x[y == k, 0] for k in range(3)}, "all": x[:, 0]}


def measures(points: Points, truth: Points) -> dict[str, list[float]]:
    """Distances, means and standard deviations, in the order of the classes (distances: and all)."""
    pairs = [(torch.from_numpy(points[k].copy()), torch.from_numpy(truth[k].copy())) for k in truth]
    return {
        "distance": [wasserstein_1d(*pair) for pair in pairs],
        "mean": [float(points[k].mean()) for k in "012"],
        "std": [float(points[k].std()) for k in "012"],
    }


def row(name: str, found: list[dict[str, list[float]]]) -> str:
    """A line of the table: over runs, mean +- standard deviation."""
    cells = [np.array([one[key] for one in found]) for key in ("distance", "mean", "std")]
    texts = []
    for values in cells:
        spread = [f" ±{s:4.2f}" for s in values.std(0, ddof=1)] if len(values) > 1 else [""] * values.shape[1]
        texts.append(" ".join(f"{m:6.2f}{s}" for m, s in zip(values.mean(0), spread)))
    return f"{name:13s}| {' | '.join(texts)}"


def density(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A kernel estimate (normal, `BANDWIDTH` wide): a fine histogram, smoothed.  -> like `at`"""
    step = at[1] - at[0]
    counts, _ = np.histogram(points, np.append(at - step / 2, at[-1] + step / 2))
    reach = np.arange(-int(4 * BANDWIDTH / step), int(4 * BANDWIDTH / step) + 1) * step
    kernel = np.exp(-((reach / BANDWIDTH) ** 2) / 2)
    return np.convolve(counts, kernel / kernel.sum(), "same") / (len(points) * step)


def picture(clouds: dict[str, list[Points]]) -> Image.Image:
    """Densities: a row for each method, a column for each class and for all."""
    at = np.linspace(LOW, HIGH, 421)
    sheet = Image.new("RGB", (LEFT + 4 * (WIDTH + GAP), TOP + len(clouds) * (HEIGHT + GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    for column in range(4):
        deviation = column + 1
        truth = np.exp(-(((at - 3.0 * column) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))
        if column == 3:
            one = [
                np.exp(-(((at - 3.0 * k) / (k + 1)) ** 2) / 2) / ((k + 1) * math.sqrt(2 * math.pi)) for k in range(3)
            ]
            truth = np.mean(one, axis=0)
        name = "all" if column == 3 else str(column)
        x = LEFT + column * (WIDTH + GAP) + (at - LOW) / (HIGH - LOW) * WIDTH
        draw.text((x[0] + 4, 3), "all classes" if column == 3 else f"class {column}", fill="black")
        for line, (method, runs) in enumerate(clouds.items()):
            floor = TOP + line * (HEIGHT + GAP) + HEIGHT
            scale = HEIGHT / (2.2 * truth.max())  # a class that shrank to half its width still fits
            corners = [(x[0], floor), *zip(x, floor - truth * scale), (x[-1], floor)]
            draw.polygon([(float(a), float(b)) for a, b in corners], fill=GREY)
            for points in runs:
                heights = np.minimum(density(points[name], at) * scale, HEIGHT)
                draw.line([(float(a), float(b)) for a, b in zip(x, floor - heights)], fill=BLUE)
            if column == 0:
                draw.text((4, floor - HEIGHT // 2), method, fill="black")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description="AC-, TAC-, PD- and ADC-GAN on three overlapping normals.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--runs", type=Path, default=Path("runs/mog1d"))
    parser.add_argument("--images", type=int, default=7_680_000)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="for every method, as G_lambda=4")
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    clouds: dict[str, list[Points]] = {}
    for seed in args.seeds:
        for method, command in METHODS.items():
            train(folder(args.runs, method, seed), command, seed, args.images, args.set)
            clouds.setdefault(method, []).append(generated(folder(args.runs, method, seed)))
    truth = real("test")
    print(f"{args.images:,} points, training seeds {' '.join(map(str, args.seeds))}, {N:,} samples a class")
    print("             | Wasserstein distance: classes 0 1 2, all | means (0 3 6) | standard deviations (1 2 3)")
    for method, runs in clouds.items():
        print(row(method, [measures(points, truth) for points in runs]))
    print(row("real", [measures(real("train"), truth)]))
    if args.picture:
        picture(clouds).save(args.picture, optimize=True)


if __name__ == "__main__":
    main()
