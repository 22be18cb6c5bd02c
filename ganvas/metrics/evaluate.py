"""From batches of images to scores with their record: one pass over each set, bounded memory.

Everything here is a stream of uint8 images; which model made them, and how, is in the `Protocol` that the caller hands
in and that comes back with every number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.features.extractor import Extractor
from ganvas.features.files import Fingerprint
from ganvas.features.lpips import LPIPS
from ganvas.metrics import paired
from ganvas.metrics.cas import classification_accuracy_score
from ganvas.metrics.frechet import frechet_from_moments
from ganvas.metrics.inception_score import inception_score
from ganvas.metrics.intra import intra_class_frechet
from ganvas.metrics.kid import kid
from ganvas.metrics.memorisation import memorisation
from ganvas.metrics.moments import moments_of
from ganvas.metrics.prdc import prdc
from ganvas.metrics.protocol import Protocol, Score, metric_name, versions
from ganvas.metrics.reference import Images, Need, Progress, Seen, look, reference
from ganvas.team import ALONE, Team

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The metrics' own numbers.  Each goes into the record of the metrics that use it."""

    seed: int = 0  # of subsets, splits, classifiers and intervals
    splits: int = 10  # Inception Score
    subsets: int = 100  # KID
    subset_size: int = 1000  # KID; fewer where a set is smaller
    k: int = 5  # neighbours: precision, recall, density, coverage
    duplicate: float = 0.1  # memorisation: nearer than this share of the usual distance is a duplicate
    steps: int = 400  # optimiser steps of the classifiers of the classification accuracy score
    intervals: int = 0  # half samples drawn for a 95 % interval; 0: none


Found = list[tuple[str, float, float | None]]  # (part of the name, value, spread)


@dataclass(frozen=True)
class Metric:
    """How a metric is computed from two `Seen`, what it needs of both, and which settings it reads."""

    compute: Callable[[Seen, Seen, Settings], Found]
    fake: frozenset[Need]
    real: frozenset[Need]
    settings: tuple[str, ...] = ()
    on_features: bool = True  # False: it looks at pixels, so its name does not carry the features
    interval: bool = True  # may be computed on half of the samples
    held_out: bool = False  # looks at a held-out set, where there is one


def _fid(fake: Seen, real: Seen, settings: Settings) -> Found:
    moments = fake.moments or moments_of(_given(fake.features))
    return [("fid", frechet_from_moments(moments, _given(real.moments)), None)]


def _kid(fake: Seen, real: Seen, settings: Settings) -> Found:
    x, y = _given(fake.features), _given(real.features)
    found = kid(x, y, settings.subsets, min(settings.subset_size, len(x), len(y)), settings.seed)
    return [("kid", found.value, found.spread)]


def _is(fake: Seen, real: Seen, settings: Settings) -> Found:
    found = inception_score(_given(fake.logits), splits=settings.splits, seed=settings.seed)
    return [("is", found.value, found.spread)]


def _prdc(fake: Seen, real: Seen, settings: Settings) -> Found:
    found = prdc(_given(real.features), _given(fake.features), settings.k)
    return [(name, value, None) for name, value in found._asdict().items()]


def _intra(fake: Seen, real: Seen, settings: Settings) -> Found:
    found = intra_class_frechet(_given(fake.features), _given(fake.labels), _given(real.features), _given(real.labels))
    return [("intra_fid", found.value, found.spread)]


def _cas(fake: Seen, real: Seen, settings: Settings) -> Found:
    train = _given(real.images), _given(real.labels)
    test = (_given(real.held_out.images), _given(real.held_out.labels)) if real.held_out is not None else None
    found = classification_accuracy_score(
        _given(fake.images), _given(fake.labels), *train, settings.seed, settings.steps, held_out=test
    )
    return [("CAS", found.score, None), ("CAS-inverse", found.inverse, None)]


def _memorisation(fake: Seen, real: Seen, settings: Settings) -> Found:
    held_out = _given(real.held_out.features) if real.held_out is not None else None
    found = memorisation(_given(fake.features), _given(real.features), held_out, duplicate=settings.duplicate)
    return [("NN-ratio", found.ratio, None), ("NN-closer", found.closer, None), ("duplicates", found.duplicates, None)]


_NONE: frozenset[Need] = frozenset()
_MOMENTS: frozenset[Need] = frozenset({"moments"})
_FEATURES: frozenset[Need] = frozenset({"features"})
_LABELLED: frozenset[Need] = frozenset({"features", "labels"})
_PICTURES: frozenset[Need] = frozenset({"images", "labels"})

METRICS = {
    "fid": Metric(_fid, _MOMENTS, _MOMENTS),
    "kid": Metric(_kid, _FEATURES, _FEATURES, ("subsets", "subset_size", "seed")),
    "is": Metric(_is, frozenset({"logits"}), _NONE, ("splits", "seed")),
    "prdc": Metric(_prdc, _FEATURES, _FEATURES, ("k",), interval=False),  # its balls depend on the number of samples
    "intra_fid": Metric(_intra, _LABELLED, _LABELLED),
    "cas": Metric(_cas, _PICTURES, _PICTURES, ("seed", "steps"), on_features=False, interval=False, held_out=True),
    "memorisation": Metric(_memorisation, _FEATURES, _FEATURES, ("duplicate",), held_out=True),
}


def evaluate(
    fake: Images,
    real: Images,
    metrics: Sequence[str],
    extractor: Extractor,
    *,
    protocol: Protocol | None = None,
    settings: Settings | None = None,
    reference_fingerprint: str | None = None,
    held_out: tuple[str, Images] | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    team: Team = ALONE,
) -> list[Score]:
    """Scores of the samples `fake` against the reference `real`, in the order of `metrics` (keys of `METRICS`).

    Both are iterables of uint8 batches [N, C, H, W], or of (batch, labels).  protocol: what the caller knows (name and
    split of the reference, seeds, EMA, truncation, batch-norm mode); the rest of the record is filled in here.
    held_out: name and images of a split that the model has not seen, for the metrics that know what to do with one.
    cache: the folder where statistics of the reference are kept.  progress(what, images so far) is called per batch.
    team: all images are those that this process is to look at, by `team.mine`; all get the scores.
    """
    settings = settings or Settings()
    chosen = chosen_metrics(metrics)
    fake_needs = frozenset().union(*(metric.fake for metric in chosen.values()))
    real_needs = frozenset().union(*(metric.real for metric in chosen.values()))
    held_needs = frozenset().union(*(metric.real for metric in chosen.values() if metric.held_out))
    if settings.intervals and "moments" in fake_needs:
        fake_needs |= _FEATURES
    seen_real = reference(
        real, extractor, real_needs, fingerprint=reference_fingerprint, cache=cache, progress=progress, team=team
    )
    if held_out is not None and held_needs:
        seen_real.held_out = reference(held_out[1], extractor, held_needs, cache=cache, progress=progress, team=team)
    seen_fake = look(fake, extractor, fake_needs, "samples", progress, team)
    whole = (protocol or Protocol()).with_extractor(extractor)

    def computed() -> list[Score]:
        counted = {"reference_count": seen_real.count, "sample_count": seen_fake.count, "versions": versions()}
        record = whole.model_copy(update={"reference_hash": seen_real.fingerprint, **counted})
        scores = []
        for metric in chosen.values():
            used = _used(metric, settings, seen_fake, seen_real, held_out[0] if held_out is not None else "")
            scores += _scores(metric, seen_fake, seen_real, settings, used, record, extractor)
        return scores

    return team.told(computed)


def chosen_metrics(metrics: Sequence[str]) -> dict[str, Metric]:
    """The metrics of these names; raises InputError that lists the known ones."""
    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics:
        raise InputError(f"metrics {', '.join(unknown) or 'none'} asked for, expected some of: {', '.join(METRICS)}")
    return {name: METRICS[name] for name in metrics}


def _used(metric: Metric, settings: Settings, fake: Seen, real: Seen, held_out: str) -> dict[str, Any]:
    """The settings of a metric for its record: what was used, not what was asked for."""
    used: dict[str, Any] = {key: value for key, value in asdict(settings).items() if key in metric.settings}
    if "subset_size" in used:
        used["subset_size"] = min(used["subset_size"], fake.count, real.count)
    if metric.held_out and real.held_out is not None:
        used |= {"held_out": held_out, "held_out_hash": real.held_out.fingerprint}
        used |= {"held_out_count": real.held_out.count}
    return used


def _scores(
    metric: Metric,
    fake: Seen,
    real: Seen,
    settings: Settings,
    used: dict[str, Any],
    record: Protocol,
    extractor: Extractor,
) -> list[Score]:
    intervals: dict[str, tuple[float, float]] = {}
    found = metric.compute(fake, real, settings)
    if settings.intervals and metric.interval:
        used |= {"intervals": settings.intervals, "intervals_seed": settings.seed}
        intervals = _intervals(metric, found, fake, real, settings)
    if metric.on_features:
        record = record.model_copy(update={"settings": used})
    else:
        bare = Protocol()  # no network and no resize stood between the images and this number
        network = ("resize", "resize_filter", "antialias", "size", "features", "features_hash")
        record = record.model_copy(update={"settings": used} | {name: getattr(bare, name) for name in network})
    scores = []
    for part, value, spread in found:
        name = metric_name(part, extractor) if metric.on_features else part
        scores.append(Score(name=name, value=value, spread=spread, interval=intervals.get(part), protocol=record))
    return scores


def _intervals(
    metric: Metric, found: Found, fake: Seen, real: Seen, settings: Settings
) -> dict[str, tuple[float, float]]:
    """95 % intervals from half samples drawn without replacement.

    The reference stays as it is: it is part of the protocol. A bootstrap with replacement repeats images, which looks
    like duplication to every metric of this kind; the value on a random half varies around its own mean as much as the
    value on all of them varies around its own (Shao & Wu 1989, the delete-half jackknife), and repeats nothing.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    draws: dict[str, list[float]] = {part: [] for part, _, _ in found}
    for _ in range(settings.intervals):
        rows = _half(fake, "labels" in metric.fake, generator)
        for part, value, _ in metric.compute(_rows(fake, rows), real, settings):
            draws[part].append(value)
    result = {}
    for part, value, _ in found:
        values = torch.tensor(draws[part], dtype=torch.float64)
        low, high = torch.quantile(values - values.mean(), torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        result[part] = (value - high, value - low)
    return result


def _half(seen: Seen, class_wise: bool, generator: torch.Generator) -> Tensor:
    """Half of the rows at random; for a class-wise metric half of each class, or one might be left without any."""
    order = torch.randperm(seen.count, generator=generator)
    if not class_wise:
        return order[: seen.count // 2]
    labels = _given(seen.labels)[order]
    parts = [order[labels == k] for k in labels.unique()]
    return torch.cat([part[: len(part) // 2] for part in parts])


def _rows(seen: Seen, rows: Tensor) -> Seen:
    """A part of what was seen; its moments are left to be computed from its features."""
    kept = {
        name: value[rows] for name in ("features", "logits", "labels") if (value := getattr(seen, name)) is not None
    }
    return Seen(count=len(rows), **kept)


def _given(value: T | None) -> T:
    assert value is not None, "a metric looks at something that it did not ask for"
    return value


PAIRED = {"mse": paired.mse, "psnr": paired.psnr, "ssim": paired.ssim}


def evaluate_pairs(
    pairs: Iterable[tuple[Tensor, Tensor]],
    metrics: Sequence[str],
    *,
    protocol: Protocol | None = None,
    lpips: LPIPS | None = None,
    progress: Progress | None = None,
    team: Team = ALONE,
) -> list[Score]:
    """Mean over pairs (output, target), uint8 batches [N, C, H, W], and the standard deviation over pairs.

    metrics: some of mse, psnr, ssim, lpips; the last needs the network (`features.lpips.lpips`).  team: as `evaluate`.
    """
    scorers: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(PAIRED)
    if lpips is not None:
        scorers["lpips"] = lpips
    elif "lpips" in metrics:
        raise InputError("lpips was asked for without its weights; load them by ganvas.features.lpips.lpips")
    unknown = [name for name in metrics if name not in scorers]
    if unknown or not metrics:
        raise InputError(f"paired metrics {', '.join(unknown) or 'none'}, expected some of: {', '.join(PAIRED)}, lpips")

    def scored(output: Tensor, target: Tensor) -> tuple[Fingerprint, dict[str, Tensor]]:
        mark = Fingerprint()
        mark.update(target)
        return mark, {name: scorers[name](output, target).detach().double().cpu() for name in metrics}

    values: dict[str, list[Tensor]] = {name: [] for name in metrics}
    targets = Fingerprint()
    for mark, found in team.collected(scored(output, target) for output, target in pairs):
        targets.add(mark)
        for name in metrics:
            values[name].append(found[name])
        if progress is not None:
            progress("pairs", targets.count)
    if targets.count == 0 and team.first:
        raise InputError("no image pairs were given; expected at least one batch")
    record = (protocol or Protocol()).model_copy(
        update={
            "reference_hash": targets.hexdigest(),
            "reference_count": targets.count,
            "sample_count": targets.count,
            "versions": versions(),
        }
    )
    return team.told(lambda: [_paired_score(name, torch.cat(values[name]), record, lpips) for name in metrics])


def _paired_score(name: str, values: Tensor, record: Protocol, lpips: LPIPS | None) -> Score:
    if name == "lpips" and lpips is not None:
        record = record.model_copy(update={"features": lpips.name, "features_hash": lpips.weights_hash})
    if name == "ssim":
        record = record.model_copy(update={"settings": {"window": paired.WINDOW, "sigma": 1.5, "border": "reflect"}})
    spread = float(values.std()) if len(values) > 1 and values.isfinite().all() else None  # PSNR of equal images
    title = lpips.name if name == "lpips" and lpips is not None else name.upper()
    return Score(name=title, value=float(values.mean()), spread=spread, protocol=record)
