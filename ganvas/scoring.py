"""Scores of a GAN or of a folder of images against a data set, each with its protocol; and the watch over a run.

Here: how samples and references are brought to the metrics.  Not here: the metrics (metrics/) and their features, and
pairs of images (pairing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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
from ganvas.metrics.protocol import Protocol, Score, versions
from ganvas.metrics.reference import Progress

BATCH = 64  # images at a time; no score depends on it
DEFAULT = ("fid", "kid", "is", "prdc")
TOY = ("modes", "sliced")  # what points are measured by
Batches = Iterator[tuple[Tensor, Tensor | None]]

# what chooses the best model of a run -> (metric, the beginning of the score's name)
CHOICES = {"fid": ("fid", "F"), "kid": ("kid", "K"), "is": ("is", "IS"), "intra_fid": ("intra_fid", "intra")}
CHOICES |= {"cas": ("cas", "CAS"), **{name: ("prdc", name) for name in ("precision", "recall", "density", "coverage")}}
SAMPLED = 1_000_000  # the first seed of the samples that choose: away from those that people look at


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
        )


@dataclass(frozen=True)
class Reference:
    """What samples are held against, and the settings of the comparison.  held_out: a split not trained on, if any"""

    images: Images
    held_out: Images | None = None
    settings: metrics.Settings | None = None
    progress: Progress | None = None
    fingerprint: str | None = None  # of the images, as a record has it, where it is known already


def names_of(text: str) -> list[str]:
    """A comma-separated list of metrics."""
    return [name.strip() for name in text.split(",") if name.strip()]


def checked(names: Sequence[str] | None, reference: Images, labelled: bool) -> list[str] | None:
    """The metrics asked for; raises InputError for those unknown, or impossible here, before any work is done.

    None stays None, "whatever fits", and for a toy becomes all it has.  labelled: do the samples have classes?
    """
    if reference.is_toy:
        if unfit := [name for name in names or () if name not in TOY]:
            raise InputError(f"{', '.join(unfit)} asked of points in the plane, expected some of {', '.join(TOY)}")
        return list(names or TOY)
    if names is None:
        return None
    for name, metric in metrics.chosen_metrics(names).items():
        if "labels" in metric.fake and (reference.y is None or not labelled):
            who = reference.name if reference.y is None else "the samples"
            raise InputError(f"{name} compares class by class, but there are no classes in {who}; leave it out")
    return list(names)


def feature_network(
    name: str, images: Images, weights: Path | None = None, resize: str | None = None, device: str = "cpu"
) -> Extractor:
    """The network of that name; `own` is trained on `images` and kept beside their cache."""
    data = (np.array(images.x), images.y) if name == "own" else None
    return extractor(name, weights=weights, data=data, cache=cache_folder(), device=device, resize=resize)


def cache_folder() -> Path:
    """Where feature networks and reference statistics are kept."""
    return datasets.cache_directory() / "scores"


def real_batches(images: Images, rows: np.ndarray | None = None, y: Tensor | None = None) -> Batches:
    """uint8 [N, C, H, W] with labels (those of the images, or y), in the order of the rows."""
    rows = np.arange(len(images)) if rows is None else rows
    labels = torch.from_numpy(images.y) if y is None and images.y is not None else y
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        x = torch.from_numpy(np.array(images.x[part]))
        yield x, labels[torch.from_numpy(part)] if labels is not None else None


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
        if reference.images.is_toy:
            runs.append(score_toy(gan, reference.images, names or TOY, one))
            continue
        assert network is not None, "images need a feature network"
        fake = sampled_batches(gan, one)
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
        score_batches(renumbered(real_batches(images, rows), table), reference, names, network, record)
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
    """Scores of any stream of images against a decoded data set.  names: None is all of `DEFAULT` that can be had."""
    images, held_out = reference.images, reference.held_out
    if names is None:
        device = next((p.device for p in network.parameters()), torch.device("cpu"))
        logits = network(torch.from_numpy(np.array(images.x[:1])).to(device)).logits
        names = [name for name in DEFAULT if name != "is" or logits is not None]
    how = record.model_copy(update=origin(images))
    return metrics.evaluate(
        fake,
        Again(images),
        names,
        network,
        protocol=how,
        settings=reference.settings,
        reference_fingerprint=reference.fingerprint,
        held_out=(str(held_out.preprocessing["split"]), Again(held_out)) if held_out is not None else None,
        cache=cache_folder(),
        progress=reference.progress,
    )


def origin(images: Images) -> dict[str, str]:
    """Name, split and decoding of a reference, as the protocol has them."""
    how, decoding = images.preprocessing, ""
    if not images.is_toy:
        changed = [str(how["fit"]), str(how["filter"])] if how.get("filter") else ["as it is"]
        decoding = ", ".join(["x".join(map(str, images.x.shape[1:])), *changed])
    return {"reference": images.name, "split": str(how.get("split", "")), "decoding": decoding}


class Again:
    """The batches of a data set, as often as somebody asks for them."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __iter__(self) -> Batches:
        return real_batches(self.images)


def score_toy(gan: GAN, reference: Images, names: Sequence[str], samples: Samples) -> list[Score]:
    """Modes covered, share of samples on a mode, and the sliced Wasserstein distance to the data."""
    from ganvas.metrics.sliced_wasserstein import sliced_wasserstein

    points = gan.sample(
        samples.n, samples.seed, None, samples.truncation, 4096, truncation_form=samples.truncation_form
    ).cpu()
    record = samples.record(gan).model_copy(
        update={
            **origin(reference),
            "reference_hash": reference.fingerprint,
            "reference_count": len(reference),
            "sample_count": samples.n,
            "versions": versions(),
        }
    )
    scores = []
    modes, std = datasets.toy_modes(reference.name), datasets.toy_std(reference.name)
    if "modes" in names and modes is not None and std is not None:
        least = max(1, samples.n // 500)
        found = mode_coverage(points, torch.from_numpy(modes), std, at_least=least)
        how = record.model_copy(update={"settings": {"within_std": 3.0, "at_least": least}})
        values = {"modes": found.covered, "high-quality": found.high_quality, "mode-KL": found.divergence}
        scores += [Score(name=name, value=value, protocol=how) for name, value in values.items()]
    if "sliced" in names:
        distance = sliced_wasserstein(points, torch.from_numpy(np.array(reference.x)))
        scores.append(Score(name="sliced-Wasserstein", value=distance, protocol=record))
    if not scores:
        raise InputError(f"{reference.name} has no modes to count; use --metrics sliced")
    return scores


def scorer(
    name: str, reference: Images, n: int, device: str = "cpu", num_classes: int = 0
) -> Callable[[GAN], dict[str, float]]:
    """A score to choose the best model of a run by; the first entry decides, `lower_is_better` says which way.

    name: "sliced" (cheap, pixels or points), or one of `CHOICES` with the data set's own features.  num_classes: of
    the model.  Raises InputError at once for what could not be scored later.
    """
    if name == "sliced":
        return sliced_scorer(reference)
    if name not in CHOICES or reference.is_toy:
        known = "sliced" if reference.is_toy else f"sliced, {', '.join(CHOICES)}"
        raise InputError(f"score {name!r} given for {reference.name}, expected one of: {known}")
    metric, start = CHOICES[name]
    checked([metric], reference, bool(num_classes))
    if name == "is" and not (reference.y is not None and reference.y.any()):
        raise InputError(f"score is needs classes, which {reference.name} has not; use another, as --score fid")
    network = feature_network("own", reference, device=device)
    samples = Samples(n=min(n, len(reference)), seed=SAMPLED)
    hashes: list[str] = []  # of the reference: it is the same at every look

    def score(gan: GAN) -> dict[str, float]:
        against = Reference(reference, fingerprint=hashes[0] if hashes else None)
        found = score_gan(gan, against, [metric], network, samples)
        hashes[:] = [found[0].protocol.reference_hash]
        return {s.name: s.value for s in sorted(found, key=lambda s: not s.name.startswith(start))}

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
        return {"sliced_wasserstein": sliced_wasserstein(gan.sample(n, seed=SAMPLED).cpu().flatten(1), real)}

    return score
