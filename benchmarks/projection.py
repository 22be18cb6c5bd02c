"""Does projection find what there is to find?  Own samples of a model back again, and real images that it never saw.

    python benchmarks/projection.py --hold-out digits.npz      # 1,497 digits to train on, 300 to test with
    ganvas train biggan-digits --data digits.npz --images 240k --out runs/digits
    python benchmarks/projection.py --model runs/digits --data digits.npz --out projection.png

Printed, for either kind of picture: the mean squared difference of pixels (from -1 to 1) between a picture and the
image of the code found for it, the nearest of 512 random samples, and one random sample; and how often the
class was found without being told.  The sheet shows pairs of picture and image, own samples above.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ganvas import api, data
from ganvas.data import grid
from ganvas.data.toys import digits
from ganvas.gan import GAN, Picture
from ganvas.ops.pixels import to_float

OWN = 10_000_000  # the first seed of the samples that are projected back


def hold_out(path: Path) -> None:
    """The digits in a drawn order, the last 300 of them as a test split."""
    x, y = digits()
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:-300], order[-300:]
    np.savez(path, x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test])


def report(name: str, gan: GAN, x: Tensor, y: Tensor | None, seed: int, steps: int, restarts: int) -> Tensor:
    """Prints a line; -> pairs of picture and image [2 N, C, H, W]"""
    started = time.monotonic()
    found = gan.project(x, seed=seed, steps=steps, restarts=restarts)
    seconds = (time.monotonic() - started) / len(x)
    random = gan.sample(512, seed=2 * OWN)
    distances = (random[None].cpu() - x[:, None].cpu()).square().flatten(2).mean(2)
    share = "" if y is None or found.y is None else f", class {(found.y == y.cpu()).float().mean():.0%}"
    print(
        f"{name}: {len(x)} pictures, error {found.error.mean():.4f} (median {found.error.median():.4f}), nearest of "
        f"512 random {distances.min(1).values.mean():.4f}, one random {distances.mean():.4f}{share}, "
        f"{seconds:.1f} s each",
        flush=True,
    )
    return torch.stack([found.target, found.x], 1).flatten(0, 1).cpu()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hold-out", type=Path, metavar="FILE.npz", help="write the digits in two splits, and end")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", help="a path; its test split was shown to nobody before")
    parser.add_argument("-n", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--restarts", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("projection.png"))
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    if args.hold_out:
        hold_out(args.hold_out)
        return
    gan = api.load(args.model, args.device)
    seeds = list(range(OWN, OWN + args.n))
    pairs = [report("own", gan, gan.sample(args.n, OWN), gan.given(seeds).y, args.seed, args.steps, args.restarts)]
    c = gan.config
    real = data.load(args.data, resolution=c.resolution, channels=c.channels, split="test")
    index = torch.randperm(len(real.x), generator=torch.Generator().manual_seed(args.seed))[: args.n].numpy()
    x, y = to_float(torch.from_numpy(real.x[index])), None if real.y is None else torch.from_numpy(real.y[index])
    pairs.append(report("real", gan, x, y, args.seed, args.steps, args.restarts))
    grid.save(grid.drawn(Picture(torch.cat(pairs), 16)), args.out)


if __name__ == "__main__":
    main()
