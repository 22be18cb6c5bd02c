"""How often neighbours share a class, for images that the network never saw: what instances can carry of a class.

    python benchmarks/neighbour_classes.py DATA --features own-selfsup --train 20000 --test 2000

The network is trained on (or looks at) `--train` images of the train split.  Of `--test` images of the test split (of
digits: every fourth image, left out of the training) the 1, 5 and 50 nearest training images are taken, by cosine.
Printed: the shares that have the image's class, and the processor seconds until all features stood.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ganvas import data
from ganvas.features import extractor


def splits(path: str, train: int, test: int, resolution: int | None) -> list[Tensor]:
    """x, y of the training images, x, y of the others; uint8 [N, C, H, W], int64 [N]"""
    known = data.load(path, resolution=resolution)
    arrays = [np.array(known.x), np.array(known.y)]
    if path == "digits":
        left_out = np.arange(len(known)) % 4 == 0
        arrays = [a[keep] for keep in (~left_out, left_out) for a in arrays]
    else:
        name = next(s for s in ("test", "val") if s in data.peek(path).splits)
        other = data.load(path, split=name, resolution=resolution)
        arrays += [np.array(other.x), np.array(other.y)]
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(arrays[0]))[:train], rng.permutation(len(arrays[2]))[:test]]
    return [torch.from_numpy(a[orders[i // 2]]) for i, a in enumerate(arrays)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--features", default="own")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--train", type=int, default=20_000)
    parser.add_argument("--test", type=int, default=2_000)
    parser.add_argument("--resolution", type=int)
    args = parser.parse_args()
    x, y, unseen, wanted = splits(args.data, args.train, args.test, args.resolution)
    start = time.process_time()
    if args.features == "pixels":
        features = [part.flatten(1).float() for part in (x, unseen)]
    else:
        network = extractor(args.features, weights=args.weights, data=(x, y))
        features = [torch.cat([network(piece).features for piece in part.split(256)]) for part in (x, unseen)]
    seconds = time.process_time() - start
    known, queries = (normalize(f, dim=1) for f in features)
    near = torch.cat([(q @ known.T).topk(50, 1).indices for q in queries.split(256)])
    same = (y[near] == wanted[:, None]).float()
    shares = ", ".join(f"{same[:, :k].mean():.3f} of {k}" for k in (1, 5, 50))
    print(f"{args.data} {args.features}: {shares}; {len(x):,} images, {len(unseen):,} unseen; {seconds:.0f} s")


if __name__ == "__main__":
    main()
