"""Are samples readable digits, and do all ten come? A classifier of real digits is the judge.

    python benchmarks/digits_readable.py MODEL... [-n 500] [--seed 0]

For each model folder: a support vector machine (RBF kernel, C = 10, gamma = 1 / (pixels x variance)) with probabilities
(Platt's scaling over five folds) is trained on all 1,797 real digits at the model's resolution, pixels in [-1, 1].
Printed: the mean probability of the digit that it sees in a sample, and the share of each digit among the samples,
whose seeds are `seed`, `seed` + 1, ...  Samples are rounded to 256 levels, as a picture has them.  The same mean over
the real digits says what there is to reach.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

import ganvas
from ganvas import data
from ganvas.models import zoo
from ganvas.ops.pixels import to_float, to_uint8


def judge(resolution: int, channels: int) -> tuple[Any, float]:
    """The classifier of real digits at this size, and its mean confidence in them."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC

    images = data.load("digits", resolution=resolution, channels=channels)
    x = to_float(torch.from_numpy(np.array(images.x))).flatten(1).numpy()
    svm = CalibratedClassifierCV(SVC(kernel="rbf", C=10.0, gamma="scale"), ensemble=False, cv=5).fit(x, images.y)
    return svm, float(svm.predict_proba(x).max(1).mean())


def main() -> None:
    """Prints two lines for each model."""
    parser = argparse.ArgumentParser(description="Mean confidence of a judge of digits, and the share of each digit.")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("-n", type=int, default=500, help="samples (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the first sample (default: 0)")
    args = parser.parse_args()
    judges: dict[tuple[int, int], tuple[Any, float]] = {}
    for model in args.models:
        gan = ganvas.load(zoo.find(model))
        size = (gan.config.resolution, gan.config.channels)
        if size not in judges:
            judges[size] = judge(*size)
        svm, real = judges[size]
        x = gan.sample(args.n, seed=args.seed, batch=100).cpu()
        found = svm.predict_proba(to_float(to_uint8(x)).flatten(1).numpy())
        share = np.bincount(found.argmax(1), minlength=10) / args.n
        print(f"{model}: mean confidence {found.max(1).mean():.3f} (real digits {real:.3f}), rarest {share.min():.1%}")
        print("  " + " ".join(f"{k}:{value:.1%}" for k, value in enumerate(share)), flush=True)


if __name__ == "__main__":
    main()
