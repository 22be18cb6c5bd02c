"""Does a change of the house change a run?  Prints a hash of weights, averages and images for every tiny form.

    OMP_NUM_THREADS=1 python benchmarks/nothing_moved.py > after.txt

200 seeded iterations of the engine's own step on noise, then the images of ten seeds by the averaged players.  Two
trees that print the same train and sample bit for bit alike.
"""

from __future__ import annotations

import hashlib
import sys
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ganvas import rng
from ganvas.engine.ema import averaged
from ganvas.engine.feed import Feed
from ganvas.engine.step import iterate
from ganvas.engine.train import new_state
from tests import tiny

CPU = torch.device("cpu")


def digest(tensors: list[Tensor]) -> str:
    """A short hash of the bits."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def line(name: str) -> str:
    """The hashes of one tiny form after 200 iterations."""
    gan = tiny.build(name, images=10_000_000)
    state, feed, n = new_state(gan, CPU), Feed(tiny.images(gan), 0, CPU), gan.config.batch
    for _ in range(200):
        real = partial(lambda origin, k: feed.batch(origin + k * n, n), gan.images_seen)
        draws = partial(lambda i, phase, k: rng.generator("step", 0, i, phase, k, 0, 0), gan.iteration)
        _, batches = iterate(gan, real, state.optimisers, draws)
        gan.images_seen += batches * n
        gan.iteration += 1
        if state.average is not None:
            state.average.update()
    with averaged(gan, state.average):
        images = gan.sample(10, seed=0, given=tiny.given(gan, 10))
    weights = [value for _, value in sorted(gan.state_dict().items())]
    average = [] if state.average is None else [v for _, v in sorted(state.average.players.state_dict().items())]
    return f"{name:16} weights {digest(weights)} averages {digest(average)} images {digest([images])}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in tiny.TINY:
        print(line(name), flush=True)
