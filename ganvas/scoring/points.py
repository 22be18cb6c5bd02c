"""Scores of points: modes covered, sliced Wasserstein distance, and class by class the Wasserstein distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ganvas import data as datasets
from ganvas.data import Images
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.metrics.modes import mode_coverage
from ganvas.metrics.protocol import Protocol, Score, versions
from ganvas.metrics.sliced_wasserstein import sliced_wasserstein

POINT_METRICS = ("modes", "sliced", "wasserstein")
BATCH = 4096


def score_points(gan: GAN, reference: Images, names: Sequence[str], n: int, seed: int, record: Protocol) -> list[Score]:
    """Scores of n points of a GAN against the reference.  names: none is all that the reference has

    modes: as many as have at least one in 500 samples within 3 standard deviations, the share of samples on a mode,
    and the divergence of their shares.  wasserstein: of each class, n points asked for (a class of the reference in
    full), with the mean over classes.  Raises InputError for what the reference has not.
    """
    form = record.truncation_form or "resample"
    points = gan.sample(n, seed, None, record.truncation, BATCH, truncation_form=form).cpu()  # type: ignore[arg-type]
    how = record.model_copy(
        update={
            "reference": reference.name,
            "split": str(reference.preprocessing.get("split", "")),
            "decoding": "",
            "reference_hash": reference.fingerprint,
            "reference_count": len(reference),
            "sample_count": n,
            "versions": versions(),
        }
    )
    scores = []
    modes, std = datasets.toy_modes(reference.name), datasets.toy_std(reference.name)
    if (not names or "modes" in names) and modes is not None and std is not None:
        least = max(1, n // 500)
        found = mode_coverage(points, torch.from_numpy(modes), std, at_least=least)
        settings = how.model_copy(update={"settings": {"within_std": 3.0, "at_least": least}})
        values = {"modes": found.covered, "high-quality": found.high_quality, "mode-KL": found.divergence}
        scores += [Score(name=name, value=value, protocol=settings) for name, value in values.items()]
    if not names or "sliced" in names:
        distance = sliced_wasserstein(points, torch.from_numpy(np.array(reference.x)))
        scores.append(Score(name="sliced-Wasserstein", value=distance, protocol=how))
    if (not names or "wasserstein" in names) and reference.y is not None and gan.config.num_classes:
        distances = class_distances(gan, reference, n, seed)
        scores += [Score(name=f"Wasserstein-{k}", value=d, protocol=how) for k, d in distances.items()]
        mean = sum(distances.values()) / len(distances)
        scores.append(Score(name="Wasserstein-classes", value=mean, protocol=how))
    if not scores:
        raise InputError(f"{reference.name} has nothing that {', '.join(names)} could measure; use --metrics sliced")
    return scores


def class_distances(gan: GAN, reference: Images, n: int, seed: int) -> dict[str, float]:
    """1-Wasserstein distance (sliced, beyond one coordinate) of n samples of each class to the class's real points."""
    assert reference.y is not None, "class-wise distances need classes"
    distances = {}
    for k, name in enumerate(reference.class_names):
        fake = gan.sample(n, seed, k, batch=BATCH).cpu()
        real = torch.from_numpy(np.array(reference.x[reference.y == k]))
        distances[name] = (
            wasserstein_1d(fake[:, 0], real[:, 0]) if real.shape[1] == 1 else sliced_wasserstein(fake, real)
        )
    return distances


def wasserstein_1d(a: Tensor, b: Tensor) -> float:
    """The 1-Wasserstein distance of two samples of numbers: the area between their quantile functions."""
    levels = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    quantiles = [torch.quantile(x.double(), levels) for x in (a, b)]
    return float((quantiles[0] - quantiles[1]).abs().mean())
