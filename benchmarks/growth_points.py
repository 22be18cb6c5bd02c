"""One point of `growth.py`, in a process of its own: a kind of work, its size, and what else it needs to know.

    python benchmarks/growth_points.py prdc 1000

Prints one line of JSON: seconds of the processor (one thread), the peak of the process and what it held before, in
MiB.  A work shorter than half a second is repeated, and the median counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SEED = 0
ENOUGH = 0.5  # seconds of a work that is not repeated
BATCH = 64  # rows that features come in
QUERIES, SLICE = 1024, 2  # rows of a block of queries; blocks that stand for all where there are more than ten
Found = dict[str, float]


def peak() -> float:
    """The most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def timed(work: Callable[[], object], warm: bool = False) -> Found:
    """Processor seconds of a call and the memory at its peak.  warm: a first call does not count"""
    held, seconds = peak(), []
    if warm:
        work()
    while not seconds or (sum(seconds) < ENOUGH and len(seconds) < 7):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return {"seconds": statistics.median(seconds), "peak": peak(), "held": held}


def iteration(n: int, preset: str, **fields: Any) -> Found:
    """A training iteration of a preset on noise, with `n` as its batch."""
    step = trainer(preset, {**fields, "batch": n})
    return timed(step, warm=True)


def sided(n: int, preset: str, attention: bool = False, **fields: Any) -> Found:
    """A training iteration at n x n pixels.  attention: on maps of half the side; else none"""
    maps = [n // 2] if attention else []
    return timed(trainer(preset, {**fields, "resolution": n, "G_attention": maps, "D_attention": maps}), warm=True)


def trainer(preset: str, fields: dict[str, Any]) -> Callable[[], None]:
    """One iteration of a run, each time it is called."""
    import torch

    from ganvas import presets, recipes, rng
    from ganvas.config import configure
    from ganvas.engine.step import iterate
    from ganvas.engine.train import new_state
    from ganvas.gan import Batch, Given
    from ganvas.papers import PAPERS

    row = presets.preset(preset)
    config = configure(PAPERS[row.paper].config_type, {**row.values, **fields}, given=())
    state = new_state(recipes.Recipe(row.paper, row.name, config).build(SEED), torch.device("cpu"))
    generator = torch.Generator().manual_seed(SEED)
    x = torch.rand(config.batch, *config.shape, generator=generator) * 2 - 1
    y = torch.randint(config.num_classes, (len(x),), generator=generator) if config.num_classes else None
    real = Batch(x.contiguous(memory_format=torch.channels_last), Given(y=y))
    state.gan.dataset_size = 1000

    def step() -> None:
        iterate(state.gan, lambda k: real, state.optimisers, partial(rng.generator, "step"))
        if state.average is not None:
            state.average.update()

    return step


def pictures(count: int, side: int, start: int = 0) -> np.ndarray:
    """uint8 [count, side, side, 3] whose spectrum falls as a photograph's does: amplitudes as 1 / frequency."""
    rng = np.random.default_rng([SEED, start])
    at = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) * side
    shape = (count, 3, side, side // 2 + 1)
    waves = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.maximum(at, 1)
    waves[:, 1:] = 0.9 * waves[:, :1] + 0.3 * waves[:, 1:]  # colours of a place resemble one another
    x = np.fft.irfft2(waves, s=(side, side))
    return (128 + 40 * x / x.std()).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def make(n: int, folder: str, side: int = 32) -> Found:
    """Files for the points below: 100,000 pictures as one .npz, fewer as PNGs in four classes."""
    from PIL import Image

    parts = (pictures(min(1000, n - i), side, i) for i in range(0, n, 1000))
    if n > 10_000:
        Path(folder).mkdir()
        np.savez(Path(folder) / "set.npz", x=np.concatenate(list(parts)))
        return {}
    for k in range(4):
        (Path(folder) / f"class{k}").mkdir(parents=True)
    for i, x in enumerate(row for part in parts for row in part):
        Image.fromarray(x).save(Path(folder) / f"class{i % 4}" / f"{i:06d}.png")
    return {}


def data(folder: str) -> str:
    """What `make` left there."""
    single = Path(folder) / "set.npz"
    return str(single if single.is_file() else Path(folder))


class Begun(BaseException):
    """The first step is about to be taken."""


def start(n: int, folder: str, preset: str) -> Found:
    """`ganvas train` from the start of the process to the first step.  The cache is where GANVAS_CACHE says"""
    from ganvas import cli
    from ganvas.engine import train

    held = peak()

    def begun(*_: object, **__: object) -> None:
        raise Begun

    train.iterate = begun  # type: ignore[assignment]
    words = ["train", preset, "--data", data(folder), "--images", "640", "--device", "cpu", "--out", folder + ".run"]
    with contextlib.suppress(Begun), contextlib.redirect_stdout(sys.stderr):
        cli.main(words)
        raise SystemExit("no step was taken")
    return {"seconds": time.process_time(), "peak": peak(), "held": held}


def check(n: int, folder: str) -> Found:
    """The work of `ganvas check`."""
    from ganvas.data.doctor import check as look_over

    return timed(lambda: look_over(data(folder)))


def near(n: int) -> Found:
    """The search for near duplicates within it: n thumbnails."""
    from ganvas.data.neighbours import near_pairs

    thumbs = np.concatenate([pictures(min(1000, n - i), 8, i).reshape(-1, 192) for i in range(0, n, 1000)])
    return timed(lambda: near_pairs(thumbs))


def vectors(count: int, dim: int, seed: int) -> Any:
    """float32 [count, dim] with a spectrum over three decades, like that of a trained network."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    scale = torch.logspace(0, -1.5, dim)
    out = torch.empty(count, dim)
    for rows in out.split(4096):
        rows.copy_(torch.randn(len(rows), dim, generator=generator) * scale + 0.3)
    return out


def features(n: int) -> Found:
    """Pictures of 32 x 32 through a network of the size of `own`, its moments, the images' fingerprint."""
    import torch

    from ganvas.features.own import Classifier, Own, Settings
    from ganvas.metrics.reference import look

    torch.manual_seed(SEED)
    settings = Settings()
    network = Own(Classifier(3, 32, 10, settings).eval(), 3, True, settings)
    x = torch.from_numpy(pictures(1000, 32)).permute(0, 3, 1, 2).contiguous()
    stream = [x[i % 1000 : i % 1000 + BATCH] for i in range(0, n, BATCH)]
    look(stream[:1], network, frozenset({"moments"}))
    return timed(lambda: look(stream, network, frozenset({"moments"})))


def frechet(n: int, dim: int = 2048) -> Found:
    """Moments of one stream of features and the distance to those of another, which are there."""
    from ganvas.metrics.frechet import frechet_from_moments
    from ganvas.metrics.moments import Moments, moments_of

    real, block = moments_of(vectors(dim + 1000, dim, 1)), vectors(1024, dim, 0)

    def work() -> None:
        fake = Moments(dim)
        for i in range(0, n, BATCH):
            fake.update(block[i % 1024 :][: min(BATCH, n - i)])
        frechet_from_moments(fake, real)

    return timed(work)


def kid(n: int, dim: int = 2048) -> Found:
    """KID, a tenth of its hundred subsets of 1000."""
    from ganvas.metrics.kid import kid as measure

    x, y = vectors(n, dim, 0), vectors(n, dim, 1)
    return timed(lambda: measure(x, y, 10, 1000))


def prdc(n: int, dim: int = 2048) -> Found:
    """Precision, recall, density and coverage."""
    from ganvas.metrics.prdc import prdc as measure

    x, y = vectors(n, dim, 0), vectors(n, dim, 1)
    return timed(lambda: measure(x, y))


def memorisation(n: int, dim: int = 2048) -> Found:
    """Nearest neighbours of samples and of the training set."""
    from ganvas.metrics.memorisation import memorisation as measure

    x, y = vectors(n, dim, 0), vectors(n, dim, 1)
    return timed(lambda: measure(x, y))


def neighbours(n: int, dim: int = 128, k: int = 50) -> Found:
    """The k neighbours of all vectors, by blocks of queries; where there are more than a few, spread ones for all."""
    import torch
    from torch import Tensor

    from ganvas.data.nearest import nearest

    x = torch.nn.functional.normalize(vectors(n, dim, 0) - 0.3, dim=1)

    def rows(start: int, stop: int) -> Tensor:
        return x[start:stop]

    starts = list(range(0, n, QUERIES))
    chosen = starts if len(starts) <= 10 else [starts[i * (len(starts) - 2) // (SLICE - 1)] for i in range(SLICE)]
    found = timed(lambda: [nearest(rows, n, s, min(s + QUERIES, n), k) for s in chosen])
    return {**found, "seconds": found["seconds"] * len(starts) / len(chosen), "share": len(chosen) / len(starts)}


def together(n: int, preset: str, batch: int, iterations: int) -> Found:
    """One of n gloo processes that share a batch; torch's own variables say which."""
    import torch

    from ganvas import presets, recipes, rng
    from ganvas.config import configure
    from ganvas.engine import parallel
    from ganvas.engine.cut import cut_of
    from ganvas.engine.step import iterate
    from ganvas.engine.synced import meet
    from ganvas.engine.train import new_state
    from ganvas.gan import Batch, Given
    from ganvas.papers import PAPERS

    row = presets.preset(preset)
    with parallel.joined(torch.device("cpu")) as team:
        config = configure(PAPERS[row.paper].config_type, {**row.values, "batch": batch}, given=())
        state = new_state(recipes.Recipe(row.paper, row.name, config).build(SEED), torch.device("cpu"))
        state.share(team)
        if team.size > 1:
            meet(state.gan, batch_norm=False)
        real = Batch(torch.rand(batch // team.size, *config.shape) * 2 - 1, Given())
        state.gan.dataset_size = 1000
        clocks = []
        for _ in range(iterations + 1):
            clocks.append((time.monotonic(), time.process_time()))
            iterate(
                state.gan, lambda k: real, state.optimisers, partial(rng.generator, "step"), cut=cut_of(state.gan, team)
            )
        wall, processor = ((clocks[-1][i] - clocks[1][i]) / (iterations - 1) for i in (0, 1))
        return {"seconds": processor, "wall": wall, "peak": peak(), "held": 0.0}


KINDS = {
    work.__name__: work
    for work in (
        iteration, sided, make, start, check, near, features, frechet, kid, prdc, memorisation, neighbours, together
    )
}  # fmt: skip


def main(kind: str, n: int, more: dict[str, Any]) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found = KINDS[kind](n, **more)
    sys.__stdout__.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
