"""Do class-conditional digits show the digit that was asked for? A classifier of real digits is the judge.

    python benchmarks/digits_classes.py MODEL... [--each 100] [--seed 0] [--truncation T]

For each model folder: a support vector machine (RBF kernel, C = 10, gamma = 1 / (pixels x variance)) is trained on all
1,797 real digits at the model's resolution, pixels in [-1, 1]. Its own accuracy is the mean of five stratified folds,
shuffled with seed 0. Then `each` samples of every class are classified: sample i has seed `seed` + i and class
i // each. The share that lands in the class asked for is printed for each class and for all. Samples are rounded to 256
levels, as a picture has them. A model that copies a few digits would score as well: this is not a measure of variety.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ganvas
from ganvas import data
from ganvas.gan import GAN
from ganvas.ops.pixels import to_float, to_uint8

C = 10.0
FOLDS = 5


def judge(resolution: int, channels: int) -> tuple[Any, float]:
    """The classifier of real digits at this size, and its cross-validated accuracy."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    images = data.load("digits", resolution=resolution, channels=channels)
    x = to_float(torch.from_numpy(np.array(images.x))).flatten(1).numpy()
    svm = SVC(kernel="rbf", C=C, gamma="scale")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return svm.fit(x, images.y), float(cross_val_score(svm, x, images.y, cv=folds).mean())


def shares(gan: GAN, svm: Any, each: int, seed: int, truncation: float | None) -> np.ndarray:
    """The share of samples of each class that the judge calls by its name.  -> [10]"""
    asked = np.repeat(np.arange(10), each)
    names = [str(k) for k in asked]  # the digits' class names
    x = gan.sample(len(asked), seed=seed, classes=names, truncation=truncation, batch=100).cpu()
    seen = svm.predict(to_float(to_uint8(x)).flatten(1).numpy())
    return (seen == asked).reshape(10, each).mean(1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Share of class-conditional digits that show the digit asked for.")
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--each", type=int, default=100, help="samples a class (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the first sample (default: 0)")
    parser.add_argument("--truncation", type=float, default=None)
    args = parser.parse_args()
    judges: dict[tuple[int, int], tuple[Any, float]] = {}
    for model in args.models:
        gan = ganvas.load(model)
        c = gan.config
        if c.num_classes != 10:
            raise SystemExit(f"{model} has {c.num_classes} classes, expected the ten digits")
        size = (c.resolution, c.channels)
        if size not in judges:
            judges[size] = judge(*size)
        svm, accuracy = judges[size]
        share = shares(gan, svm, args.each, args.seed, args.truncation)
        each = " ".join(f"{k}:{value:.0%}" for k, value in enumerate(share))
        last = args.seed + 10 * args.each - 1
        print(f"{model}: {share.mean():.1%} of {10 * args.each} (seeds {args.seed} to {last}) in the class asked for")
        print(f"  {each}")
        print(f"  the SVM on real digits at {c.resolution} pixels: {accuracy:.1%} in {FOLDS} folds", flush=True)


if __name__ == "__main__":
    main()
