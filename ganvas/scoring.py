"""Scores of a GAN or of a folder of images against a data set, each with its protocol; and the watch over a run.

Here: how samples and references are brought to the metrics.  Not here: the metrics (metrics/) and their features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganvas import data as datasets
from ganvas.data import Images
from ganvas.errors import InputError
from ganvas.features import Extractor, extractor
from ganvas.gan import GAN
from ganvas.latents import TruncationForm
from ganvas.metrics import evaluate as metrics
from ganvas.metrics.compare import summarise
from ganvas.metrics.modes import mode_coverage
from ganvas.metrics.protocol import Protocol, Score, differences, read_scores, versions
from ganvas.metrics.reference import Progress

BATCH = 64  # images at a time; no score depends on it
Batches = Iterator[tuple[Tensor, Tensor | None]]


@dataclass(frozen=True)
class Samples:
    """A sample set: which images of a GAN, and how they are made."""

    n: int
    seed: int = 0
    truncation: float | None = None
    truncation_form: TruncationForm = "resample"
    standing: int = 0  # batches for standing statistics; 0: the stored running statistics
    ema: bool | None = None

    def record(self) -> Protocol:
        """What of this belongs into the protocol."""
        batch_norm = f"standing-{self.standing}" if self.standing else "running"
        return Protocol(seeds=(self.seed,), truncation=self.truncation, ema=self.ema, batch_norm=batch_norm)


def feature_network(
    name: str, images: Images, weights: Path | None = None, resize: str | None = None, device: str = "cpu"
) -> Extractor:
    """The network of that name; `own` is trained on `images` and kept beside their cache."""
    data = (np.array(images.x), images.y) if name == "own" else None
    return extractor(name, weights=weights, data=data, cache=cache_folder(), device=device, resize=resize)


def cache_folder() -> Path:
    """Where feature networks and reference statistics are kept."""
    return datasets.cache_directory() / "scores"


def real_batches(images: Images) -> Batches:
    """uint8 [N, C, H, W] with labels, in order."""
    for start in range(0, len(images), BATCH):
        x = torch.from_numpy(np.array(images.x[start : start + BATCH]))
        y = torch.from_numpy(images.y[start : start + BATCH]) if images.y is not None else None
        yield x, y


def sampled_batches(gan: GAN, samples: Samples) -> Batches:
    """uint8 [N, C, H, W] with the classes that were asked for; classes are drawn from each image's seed."""
    from ganvas.ops.pixels import to_uint8

    if samples.standing:
        gan.standing_statistics(samples.standing, BATCH, 0, samples.truncation, samples.truncation_form)
    for start in range(0, samples.n, BATCH):
        seeds = list(range(samples.seed + start, samples.seed + min(start + BATCH, samples.n)))
        y = gan.drawn_classes(seeds)
        classes = y.tolist() if y is not None else None
        x = gan.sample(len(seeds), seeds[0], classes, samples.truncation, BATCH, samples.truncation_form)
        yield to_uint8(x).cpu(), y.cpu() if y is not None else None


def score_gan(
    gan: GAN,
    reference: Images,
    names: Sequence[str],
    network: Extractor | None,
    samples: Samples,
    sets: int = 1,
    settings: metrics.Settings | None = None,
    progress: Progress | None = None,
) -> list[Score]:
    """Scores of `sets` disjoint sample sets; with more than one, their means and standard deviations."""
    runs = []
    for k in range(sets):
        one = Samples(**{**samples.__dict__, "seed": samples.seed + k * samples.n})
        if reference.is_toy:
            runs.append(score_toy(gan, reference, one))
            continue
        assert network is not None, "images need a feature network"
        runs.append(
            score_batches(sampled_batches(gan, one), reference, names, network, one.record(), settings, progress)
        )
    return summarise(runs) if sets > 1 else runs[0]


def score_batches(
    fake: Batches,
    reference: Images,
    names: Sequence[str],
    network: Extractor,
    record: Protocol,
    settings: metrics.Settings | None = None,
    progress: Progress | None = None,
) -> list[Score]:
    """Scores of any stream of images against a decoded data set."""
    how = record.model_copy(
        update={"reference": reference.name, "split": str(reference.preprocessing.get("split", ""))}
    )
    return metrics.evaluate(
        fake, Again(reference), names, network, protocol=how, settings=settings, cache=cache_folder(), progress=progress
    )


class Again:
    """The batches of a data set, as often as somebody asks for them."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __iter__(self) -> Batches:
        return real_batches(self.images)


def score_toy(gan: GAN, reference: Images, samples: Samples) -> list[Score]:
    """Modes covered, share of samples on a mode, and the sliced Wasserstein distance to the data."""
    from ganvas.metrics.sliced_wasserstein import sliced_wasserstein

    points = gan.sample(samples.n, samples.seed, batch=4096).cpu()
    record = samples.record().model_copy(
        update={
            "reference": reference.name,
            "reference_hash": reference.fingerprint,
            "reference_count": len(reference),
            "sample_count": samples.n,
            "versions": versions(),
        }
    )
    distance = sliced_wasserstein(points, torch.from_numpy(np.array(reference.x)))
    scores = [Score(name="sliced-Wasserstein", value=distance, protocol=record)]
    modes, std = datasets.toy_modes(reference.name), datasets.toy_std(reference.name)
    if modes is None or std is None:
        return scores
    found = mode_coverage(points, torch.from_numpy(modes), std, at_least=max(1, samples.n // 500))
    how = record.model_copy(update={"settings": {"within_std": 3.0, "at_least": max(1, samples.n // 500)}})
    values = {"modes": found.covered, "high-quality": found.high_quality, "mode-KL": found.divergence}
    return [*(Score(name=name, value=value, protocol=how) for name, value in values.items()), *scores]


def names_of(text: str) -> list[str]:
    """A comma-separated list of metrics."""
    return [name.strip() for name in text.split(",") if name.strip()]


def describe(score: Score) -> str:
    """One line for people: the number, its spread or interval, and the protocol in short."""
    p = score.protocol
    spread = f" ± {score.spread:.4g}" if score.spread is not None else ""
    interval = f" [{score.interval[0]:.4g}, {score.interval[1]:.4g}]" if score.interval is not None else ""
    how = [f"{p.sample_count:,} samples against {p.reference_count:,} of {p.reference} {p.split}".rstrip()]
    if p.features:
        how.append(f"features {p.features} {p.features_hash[:8]}, resize {p.resize}")
    how += [f"seeds {', '.join(map(str, p.seeds))}"] if p.seeds else []
    how += [f"truncation {p.truncation}"] if p.truncation is not None else []
    how += [f"EMA {p.ema}, batch norm {p.batch_norm}"] if p.batch_norm else []
    how += [f"{key} {value}" for key, value in p.settings.items()]
    return f"{score.name:<14} {score.value:.5g}{spread}{interval}   ({'; '.join(how)})"


def cell(score: Score | None) -> str:
    """A score in a table."""
    if score is None:
        return ""
    return f"{score.value:.5g}" + (f" ± {score.spread:.3g}" if score.spread is not None else "")


def mean_over_files(files: Sequence[Path]) -> list[str]:
    """Mean and standard deviation over the score files of several training runs; raises InputError if unlike."""
    runs = [scores for _, scores in map(read_scores, files)]
    first = runs[0]
    for path, scores in zip(files, runs):
        if [s.name for s in scores] != [s.name for s in first]:
            raise InputError(f"{path} has other scores than {files[0]}; evaluate both with the same --metrics")
        for a, b in zip(first, scores):
            if apart := [name for name in differences(a.protocol, b.protocol) if name != "seeds"]:
                raise InputError(f"{a.name} of {path} was made with another {', '.join(apart)} than that of {files[0]}")
    return [describe(score) + f"   mean over {len(runs)} runs" for score in summarise(runs)]


def lower_is_better(name: str) -> bool:
    """Which way a score improves; names as `Score.name` has them."""
    higher = ("IS", "precision", "recall", "density", "coverage", "CAS", "modes", "high-quality", "PSNR", "SSIM")
    return not name.startswith(higher)


def scorer(name: str, reference: Images, n: int, device: str = "cpu") -> Callable[[GAN], dict[str, float]]:
    """A score to choose the best model of a run by; lower is better, so a rising one is negated.

    name: "sliced" (cheap, pixels or points), or a metric of `ganvas evaluate` with the data set's own features.
    """
    if name == "sliced" or reference.is_toy:
        return sliced_scorer(reference)
    if name not in metrics.METRICS:
        raise InputError(f"score {name!r} given, expected sliced or one of {', '.join(metrics.METRICS)}")
    network = feature_network("own", reference, device=device)

    def score(gan: GAN) -> dict[str, float]:
        found = score_gan(gan, reference, [name], network, Samples(n=min(n, len(reference)), seed=1_000_000))
        return {s.name: s.value if lower_is_better(s.name) else -s.value for s in found}

    return score


def sliced_scorer(images: Images) -> Callable[[GAN], dict[str, float]]:
    """Sliced Wasserstein distance of 1,000 samples to 1,000 real images: no network needed."""
    from ganvas.metrics.sliced_wasserstein import sliced_wasserstein
    from ganvas.ops.pixels import to_float

    n = min(1000, len(images))
    index = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:n].numpy()
    real = torch.from_numpy(np.array(images.x[index]))
    real = (real if images.is_toy else to_float(real)).flatten(1)

    def score(gan: GAN) -> dict[str, float]:
        return {"sliced_wasserstein": sliced_wasserstein(gan.sample(n, seed=1_000_000).cpu().flatten(1), real)}

    return score
