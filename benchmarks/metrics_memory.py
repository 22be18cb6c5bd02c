"""Growth of the process while the Fréchet distance of 2 x 50,000 x 2048 features is taken.  Goal: under 1.5 GiB.

    python benchmarks/metrics_memory.py [--images 50000] [--dim 2048]

Features are made batch by batch and thrown away, as a feature network would make them; the peak is the kernel's own
(`ru_maxrss`), less what the process held after importing torch.
"""

from __future__ import annotations

import argparse
import platform
import resource
import sys
import time

import torch

from ganvas.metrics.frechet import frechet_from_moments
from ganvas.metrics.moments import Moments

SEED = 0
BATCH = 64


def peak() -> float:
    """The most memory that this process has held so far, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def stream(images: int, dim: int, seed: int) -> Moments:
    generator = torch.Generator().manual_seed(seed)
    moments = Moments(dim)
    for start in range(0, images, BATCH):
        moments.update(torch.randn(min(BATCH, images - start), dim, generator=generator) * (1 + seed / 10))
    return moments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    before = peak()
    print(f"seed {SEED}, {arguments.threads} threads, {platform.machine()}, torch {torch.__version__}")
    start = time.perf_counter()
    both = [stream(arguments.images, arguments.dim, SEED + number) for number in (0, 1)]
    streamed = peak()
    value = frechet_from_moments(*both)
    print(f"2 x {arguments.images} x {arguments.dim}, batches of {BATCH}: distance {value:.6g}")
    print(f"growth {streamed - before:.3f} GiB after streaming, {peak() - before:.3f} GiB at the peak (goal 1.5)")
    print(f"{time.perf_counter() - start:.1f} s in all")


if __name__ == "__main__":
    main()
