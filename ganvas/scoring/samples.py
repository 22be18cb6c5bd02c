"""Scores of a GAN or of a folder of images against a data set, each with its protocol.

Here: how samples and references are brought to the metrics.  Not here: who asks (subject.py, choose.py), points
(points.py), pairs (pairs.py), the metrics themselves (metrics/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas import data as datasets
from ganvas.data import Images
from ganvas.errors import InputError
from ganvas.features import Extractor, extractor
from ganvas.features.extractor import alike
from ganvas.gan import GAN
from ganvas.metrics import evaluate as metrics
from ganvas.metrics.compare import summarise
from ganvas.metrics.protocol import Protocol, Score
from ganvas.metrics.reference import Progress
from ganvas.ops.pixels import to_uint8
from ganvas.rng import TruncationForm
from ganvas.scoring.points import POINT_METRICS, score_points
from ganvas.team import ALONE, Team

BATCH = 64  # images at a time; no score depends on it
DEFAULT = ("fid", "kid", "is", "prdc")
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

    def record(self, gan: GAN) -> Protocol:
        """What of this belongs into the protocol; a mode of batch norm only where the model has batch norm."""
        batch_norm = f"standing-{self.standing}" if self.standing else "running"
        normed = any(name.endswith(("running_mean", "stored_mean")) for name, _ in gan.named_buffers())
        return Protocol(
            seeds=(self.seed,),
            truncation=self.truncation,
            truncation_form=self.truncation_form if self.truncation is not None else None,
            ema=self.ema,
            batch_norm=batch_norm if normed else None,
            sampling=gan.sampling_record(self.truncation),
        )


@dataclass(frozen=True)
class Reference:
    """What samples are held against, and the settings of the comparison.  held_out: a split not trained on, if any

    team: the processes that make and look at the images together, each its batches.
    """

    images: Images
    held_out: Images | None = None
    settings: metrics.Settings | None = None
    progress: Progress | None = None
    fingerprint: str | None = None  # of the images, as a record has it, where it is known already
    team: Team = ALONE


def names_of(text: str) -> list[str]:
    """A comma-separated list of metrics."""
    return [name.strip() for name in text.split(",") if name.strip()]


def checked(names: Sequence[str] | None, reference: Images, labelled: bool) -> list[str] | None:
    """The metrics asked for; raises InputError for those unknown, or impossible here, before any work is done.

    None stays None, "whatever fits", and for points becomes all they have.  labelled: do the samples have classes?
    """
    if reference.is_points:
        if unfit := [name for name in names or () if name not in POINT_METRICS]:
            raise InputError(f"{', '.join(unfit)} asked of points, expected some of {', '.join(POINT_METRICS)}")
        return list(names or POINT_METRICS)
    if names is None:
        return None
    for name, metric in metrics.chosen_metrics(names).items():
        if "labels" in metric.fake and (reference.y is None or not labelled):
            who = reference.name if reference.y is None else "the samples"
            raise InputError(f"{name} compares class by class, but there are no classes in {who}; leave it out")
    return list(names)


def feature_network(
    name: str,
    images: Images,
    weights: Path | None = None,
    resize: str | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    team: Team = ALONE,
) -> Extractor:
    """The network of that name; `own` is trained on `images` and kept beside their cache."""
    data = (np.array(images.x), images.y) if name.startswith("own") else None
    doing = f"learning features of {images.name}, once" if data is not None else f"downloading {name}"
    steps = None if progress is None else lambda done, total: progress(f"{doing} ({done / max(total, 1):.0%})", 0)
    how: dict[str, Any] = {"weights": weights, "data": data, "device": device, "resize": resize, "progress": steps}
    return alike(lambda: extractor(name, cache=cache_folder(), **how), team)


def cache_folder() -> Path:
    """Where feature networks and reference statistics are kept."""
    return datasets.cache_directory() / "scores"


def real_batches(
    images: Images, rows: np.ndarray | None = None, y: Tensor | None = None, team: Team = ALONE
) -> Batches:
    """uint8 [N, C, H, W] with labels (of the images, or y), in the order of the rows; of a team this process's."""
    rows = np.arange(len(images)) if rows is None else rows
    labels = torch.from_numpy(images.y) if y is None and images.y is not None else y
    for start in team.mine(range(0, len(rows), BATCH)):
        part = rows[start : start + BATCH]
        x = torch.from_numpy(np.array(images.x[part]))
        yield x, labels[torch.from_numpy(part)] if labels is not None else None


def sampled_batches(gan: GAN, samples: Samples, team: Team = ALONE) -> Batches:
    """uint8 [N, C, H, W] with their classes; the condition of an image is drawn from its seed.

    Of a team those of this process, in the batches that one process makes: an image has the same bits on like machines.
    """
    if samples.standing:
        gan.standing_statistics(samples.standing, BATCH, 0, samples.truncation, samples.truncation_form)
    for start in team.mine(range(0, samples.n, BATCH)):
        seeds = list(range(samples.seed + start, samples.seed + min(start + BATCH, samples.n)))
        given = gan.given(seeds)
        x = gan.sample(len(seeds), seeds[0], None, samples.truncation, BATCH, samples.truncation_form, given)
        yield to_uint8(x).cpu(), given.y.cpu() if given.y is not None else None


def numbering(names: Sequence[str], num_classes: int, reference: Images) -> Tensor | None:
    """The reference's index of each class of the samples, found by name.  -> [num_classes], or None: as they are

    Without names on either side the numbers must do.  Raises InputError for a class that the reference lacks.
    """
    known = list(reference.class_names)
    if not names or not known:
        if known and num_classes > len(known):
            raise InputError(f"the samples have {num_classes} classes, {reference.name} has {len(known)}")
        return None
    if strangers := [name for name in names if name not in known]:
        raise InputError(
            f"class {strangers[0]!r} of the samples is not in {reference.name}, which has {', '.join(known[:12])}; "
            "give the classes the same names, or leave class-wise metrics out"
        )
    return torch.tensor([known.index(name) for name in names])


def score_gan(
    gan: GAN,
    reference: Reference,
    names: Sequence[str] | None,
    network: Extractor | None,
    samples: Samples,
    sets: int = 1,
) -> list[Score]:
    """Scores of `sets` disjoint sample sets; with more than one, their means and standard deviations."""
    runs = []
    for k in range(sets):
        one = replace(samples, seed=samples.seed + k * samples.n)
        if reference.images.is_points:
            points = partial(score_points, gan, reference.images, names or (), one.n, one.seed, one.record(gan))
            runs.append(reference.team.told(points))
            continue
        assert network is not None, "images need a feature network"
        fake = sampled_batches(gan, one, reference.team)
        if class_wise(names):
            fake = renumbered(fake, numbering(gan.class_names, gan.config.num_classes, reference.images))
        runs.append(score_batches(fake, reference, names, network, one.record(gan)))
    return summarise(runs) if sets > 1 else runs[0]


def score_folder(
    images: Images,
    reference: Reference,
    names: Sequence[str] | None,
    network: Extractor,
    n: int | None = None,
    seed: int = 0,
    sets: int = 1,
) -> list[Score]:
    """Scores of images as they are: of all, or of `sets` disjoint sets of n.

    Seed s stands for the images n s to n (s + 1) of one shuffle, so that other seeds are other images.
    """
    if n is None and sets == 1:
        parts = [(np.arange(len(images)), Protocol())]
    else:
        n = n or len(images) // (seed + sets)
        if n < 1 or n * (seed + sets) > len(images):
            raise InputError(f"{images.name} holds {len(images):,} images, too few for set {seed + sets} of {n or 1:,}")
        order = np.random.RandomState(0).permutation(len(images))
        parts = [(np.sort(order[s * n : (s + 1) * n]), Protocol(seeds=(s,))) for s in range(seed, seed + sets)]
    table = numbering(images.class_names, len(images.class_names), reference.images) if class_wise(names) else None
    runs = [
        score_batches(
            renumbered(real_batches(images, rows, team=reference.team), table), reference, names, network, record
        )
        for rows, record in parts
    ]
    return summarise(runs) if sets > 1 else runs[0]


def class_wise(names: Sequence[str] | None) -> bool:
    """Does one of these metrics compare class by class?"""
    return any("labels" in metrics.METRICS[name].fake for name in names or () if name in metrics.METRICS)


def renumbered(batches: Batches, table: Tensor | None) -> Batches:
    """The batches with their classes numbered as in the table."""
    for x, y in batches:
        yield x, y if y is None or table is None else table[y]


def score_batches(
    fake: Iterable[tuple[Tensor, Tensor | None]],
    reference: Reference,
    names: Sequence[str] | None,
    network: Extractor,
    record: Protocol,
) -> list[Score]:
    """Scores of any stream of images against a decoded data set.  names: None is all of `DEFAULT` that can be had.

    fake: with a team, what this process has of it.
    """
    images, held_out, team = reference.images, reference.held_out, reference.team
    if names is None:
        device = next((p.device for p in network.parameters()), torch.device("cpu"))
        logits = network(torch.from_numpy(np.array(images.x[:1])).to(device)).logits
        names = [name for name in DEFAULT if name != "is" or logits is not None]
    how = record.model_copy(update=origin(images))
    return metrics.evaluate(
        fake,
        Again(images, team),
        names,
        network,
        protocol=how,
        settings=reference.settings,
        reference_fingerprint=reference.fingerprint,
        held_out=(str(held_out.preprocessing["split"]), Again(held_out, team)) if held_out is not None else None,
        cache=cache_folder(),
        progress=reference.progress,
        team=team,
    )


def origin(images: Images) -> dict[str, str]:
    """Name, split and decoding of a reference, as the protocol has them."""
    how, decoding = images.preprocessing, ""
    if not images.is_points:
        changed = [str(how["fit"]), str(how["filter"])] if how.get("filter") else ["as it is"]
        decoding = ", ".join(["x".join(map(str, images.x.shape[1:])), *changed])
    return {"reference": images.name, "split": str(how.get("split", "")), "decoding": decoding}


class Again:
    """The batches of a data set, of a team this process's, as often as somebody asks for them."""

    def __init__(self, images: Images, team: Team = ALONE) -> None:
        self.images, self.team = images, team

    def __iter__(self) -> Batches:
        return real_batches(self.images, team=self.team)
