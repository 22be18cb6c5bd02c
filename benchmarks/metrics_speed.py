"""Speed of the metrics against torchmetrics, and torch-fidelity where it can be imported: one run, same images.

    python benchmarks/metrics_speed.py [--images 64] [--features 5000] [--threads 2]

Part one is end to end: pictures of 32 x 32 through the FID Inception network to a Fréchet distance. torchmetrics and
torch-fidelity share one network, so theirs is timed where torch-fidelity can be imported; its weights are random but
the same for all. Part two starts from one small feature network and from features of 2048 numbers, where torchmetrics
runs by itself. Each line gives both times, their ratio, and how far the two numbers are apart.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganvas.features.inception import Inception, InceptionNet
from ganvas.metrics.frechet import frechet_from_moments
from ganvas.metrics.inception_score import inception_score
from ganvas.metrics.kid import kid
from ganvas.metrics.moments import Moments
from ganvas.metrics.paired import ssim

SEED = 0
BATCH = 32


class Run(NamedTuple):
    """Seconds by the clock, seconds of all cores (which other work on the machine moves less), and the value."""

    wall: float
    cpu: float
    value: float


def timed(run: Callable[[], float]) -> Run:
    wall, cpu = time.perf_counter(), time.process_time()
    value = run()
    return Run(time.perf_counter() - wall, time.process_time() - cpu, value)


def line(what: str, ours: Run, theirs: Run, whose: str) -> None:
    gap = abs(ours.value - theirs.value) / max(abs(theirs.value), 1e-12)
    print(
        f"{what}\n    ganvas {ours.wall:.2f} s ({ours.cpu:.2f} s CPU), "
        f"{whose} {theirs.wall:.2f} s ({theirs.cpu:.2f} s CPU): "
        f"{theirs.wall / ours.wall:.2f} times as fast ({theirs.cpu / ours.cpu:.2f} by CPU time), "
        f"values {ours.value:.6g} / {theirs.value:.6g}, apart {gap:.0e}",
        flush=True,
    )


class Given(nn.Module):
    """A feature network that costs nothing: the rows that it is handed."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_features = dim

    def forward(self, x: Tensor) -> Tensor:
        return x


def distance(x: Tensor, y: Tensor, batch: int) -> float:
    """The Fréchet distance of two streams of features."""
    both = [Moments(x.shape[1]), Moments(x.shape[1])]
    for moments, rows in zip(both, (x, y)):
        for part in rows.split(batch):
            moments.update(part)
    return frechet_from_moments(*both)


def oracle_distance(x: Tensor, y: Tensor, batch: int) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=Given(x.shape[1]), input_img_size=(x.shape[1],), normalize=False)
    for rows, real in ((x, True), (y, False)):
        for part in rows.split(batch):
            metric.update(part, real=real)
    return float(metric.compute())


def features(count: int, dim: int, seed: int) -> Tensor:
    """float32 [count, dim] with a spectrum over three decades, like that of a trained network"""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=generator) * torch.logspace(0, -1.5, dim) + 0.3


def from_features(count: int) -> None:
    from torchmetrics.image.inception import InceptionScore
    from torchmetrics.image.kid import KernelInceptionDistance

    for dim in (128, 2048):
        x, y = features(count, dim, SEED), features(count, dim, SEED + 1) * 1.05
        both = [timed(partial(measure, x, y, BATCH)) for measure in (distance, oracle_distance)]
        line(f"Fréchet distance, {count} x {dim}, batches of {BATCH}", *both, "torchmetrics")
    metric = KernelInceptionDistance(feature=Given(dim), subsets=20, subset_size=1000)
    metric.update(x, real=True)
    metric.update(y, real=False)
    theirs = timed(lambda: float(metric.compute()[0]))
    line(f"KID, 20 subsets of 1000 of {count} x 2048", timed(lambda: kid(x, y, 20, 1000).value), theirs, "torchmetrics")
    logits = features(count, 1008, SEED) * 4
    score = InceptionScore(feature=Given(1008), splits=1)
    score.update(logits)
    theirs = timed(lambda: float(score.compute()[0]))
    line(
        f"Inception Score, {count} x 1008",
        timed(lambda: inception_score(logits, splits=1).value),
        theirs,
        "torchmetrics",
    )


def pairs() -> None:
    from torchmetrics.image import StructuralSimilarityIndexMeasure

    generator = torch.Generator().manual_seed(SEED)
    a = torch.randint(0, 256, (16, 3, 256, 256), dtype=torch.uint8, generator=generator)
    b = (a.float() * 0.8 + 20).to(torch.uint8)
    metric = StructuralSimilarityIndexMeasure(data_range=255.0)
    theirs = timed(lambda: float(metric(a.float(), b.float())))
    line("SSIM, 16 pairs of 256 x 256", timed(lambda: float(ssim(a, b).mean())), theirs, "torchmetrics")


def end_to_end(count: int) -> None:
    """Pictures through Inception to a distance, against torch-fidelity's network (torchmetrics uses the same)."""
    torch.manual_seed(SEED)
    net = InceptionNet()
    for weight in net.parameters():
        if weight.ndim == 4:
            nn.init.kaiming_normal_(weight)  # PyTorch's own start would let the features fade to 1e-7
    state = net.state_dict()
    network = Inception(state, "0" * 64)
    generator = torch.Generator().manual_seed(SEED)
    real = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    fake = torch.randint(0, 200, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)

    def run(extract: Callable[[Tensor], Tensor], measure: Callable[[Tensor, Tensor, int], float]) -> float:
        with torch.inference_mode():
            x, y = (torch.cat([extract(part) for part in images.split(BATCH)]) for images in (fake, real))
        return measure(x, y, BATCH)

    try:
        import torch_fidelity.feature_extractor_inceptionv3 as other
    except (ImportError, RuntimeError) as error:
        print(f"torch-fidelity cannot be imported ({error}); its network is not timed")
        ours = timed(lambda: run(lambda x: network(x).features, distance))
        print(f"FD, 2 x {count} pictures through Inception: ganvas {ours.wall:.2f} s, value {ours.value:.6g}")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        torch.save(state, path)
        theirs = other.FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(path))
    for extract in (lambda x: network(x).features, lambda x: theirs(x)[0]):  # once for nothing: buffers, kernels
        extract(real[:BATCH])
    ours = timed(lambda: run(lambda x: network(x).features, distance))
    reference = timed(lambda: run(lambda x: theirs(x)[0], oracle_distance))
    line(f"FID's way end to end, 2 x {count} pictures", ours, reference, "torch-fidelity's network + torchmetrics")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=64, help="pictures per set through Inception")
    parser.add_argument("--features", type=int, default=5000, help="rows per set of features, over 1000")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    print(
        f"seed {SEED}, {arguments.threads} threads, {platform.processor() or platform.machine()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, one run each"
    )
    from_features(arguments.features)
    pairs()
    end_to_end(arguments.images)


if __name__ == "__main__":
    main()
