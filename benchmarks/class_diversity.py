"""How varied are the samples of one class? Mean pairwise distance within classes, over that of the real images.

    python benchmarks/class_diversity.py MODEL... [--data digits] [--each 100] [--seed 0]

For each class-conditional model folder: `each` samples of every class (sample i has seed `seed` + i and class
i // each), and the mean distance of two of a class, in pixels, over the same of all real images of the class (train
split, the model's resolution). 1: as varied as the data; near 0: all samples of the class look alike. Blurred
samples score below 1 though nothing has collapsed, and noise scores above: read it beside a picture and a score.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import ganvas
from ganvas import data
from ganvas.gan import GAN
from ganvas.metrics.health import diversity_ratio
from ganvas.ops.pixels import to_float, to_uint8


def ratios(gan: GAN, images: data.Images, each: int, seed: int) -> np.ndarray:
    """Of every class.  -> [K]"""
    assert images.y is not None, "classes are needed"
    found = []
    for k, name in enumerate(images.class_names):
        fakes = gan.sample(each, seed=seed + k * each, classes=name, batch=100).cpu()
        real = torch.from_numpy(np.array(images.x[images.y == k]))
        found.append(diversity_ratio(to_float(to_uint8(fakes)), to_float(real)))
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="Diversity within classes, relative to the data's.")
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--each", type=int, default=100, help="samples a class (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the first sample (default: 0)")
    args = parser.parse_args()
    for model in args.models:
        gan = ganvas.load(model)
        images = data.load(args.data, resolution=gan.config.resolution, channels=gan.config.channels)
        found = ratios(gan, images, args.each, args.seed)
        each = " ".join(f"{name}:{ratio:.2f}" for name, ratio in zip(images.class_names, found))
        print(f"{model}: {found.mean():.3f} of the data's distance within a class\n  {each}", flush=True)


if __name__ == "__main__":
    main()
