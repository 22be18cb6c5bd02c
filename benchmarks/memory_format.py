"""Images a second of a training iteration with weights channels-last against channels-first, in turns in one run.

    python benchmarks/memory_format.py [PRESET ...] [--iterations 20] [--rounds 3]

One thread, CPU time of this process, data `digits` at the preset's resolution, seed 0. The ratio is the median over
rounds of neighbouring measurements, so that a machine whose speed drifts does not decide.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial

import torch

from ganvas import api, data, rng
from ganvas.engine.feed import Feed
from ganvas.engine.step import iterate
from ganvas.engine.train import new_state


def speed(preset: str, memory_format: torch.memory_format, iterations: int) -> float:
    """Images a CPU second."""
    recipe = api.recipe(preset, data.peek("digits"))
    state = new_state(recipe.build(0), torch.device("cpu"))
    gan, n = state.gan, recipe.config.batch
    gan.to(memory_format=memory_format)
    feed = Feed(data.load("digits", resolution=recipe.config.resolution, channels=1), 0, torch.device("cpu"))
    started = origin = 0.0
    for k in range(iterations + 2):
        if k == 2:  # two to warm up
            started, origin = time.process_time(), gan.images_seen
        start = gan.images_seen
        real = partial(lambda start, k: feed.batch(start + k * n, n), start)
        _, batches = iterate(gan, real, state.optimisers, partial(rng.generator, "step", 0, gan.iteration))
        gan.images_seen += batches * n
        gan.iteration += 1
    return (gan.images_seen - origin) / (time.process_time() - started)


def main() -> None:
    """Prints a line for each preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["wgan-gp-digits", "sagan-digits", "biggan-digits"])
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for preset in args.presets:
        pairs = [
            [speed(preset, how, args.iterations) for how in (torch.channels_last, torch.contiguous_format)]
            for _ in range(args.rounds)
        ]
        last, first = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{preset:<20} channels-last {last:8.0f}  channels-first {first:8.0f}  images/s  ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
