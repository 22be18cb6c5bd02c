"""What chooses the best model of a run: a function of the GAN that the engine is handed.  The first entry decides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ganvas.data import Dataset, Images, Instances, PairSet
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.metrics.reference import Progress
from ganvas.metrics.sliced_wasserstein import sliced_wasserstein
from ganvas.ops.pixels import to_float
from ganvas.scoring.samples import Reference, Samples, checked, feature_network, score_gan
from ganvas.scoring.translations import translation_scorer
from ganvas.team import ALONE, Team

Chooser = Callable[[GAN], dict[str, float]]

# name -> (metric, the beginning of the score's name)
CHOICES = {"fid": ("fid", "F"), "kid": ("kid", "K"), "is": ("is", "IS"), "intra_fid": ("intra_fid", "intra")}
CHOICES |= {"cas": ("cas", "CAS"), **{name: ("prdc", name) for name in ("precision", "recall", "density", "coverage")}}
SAMPLED = 1_000_000  # the first seed of the samples that choose: away from those that people look at


def scorer(
    name: str,
    reference: Dataset,
    n: int,
    device: str = "cpu",
    num_classes: int = 0,
    progress: Progress | None = None,
    team: Team = ALONE,
) -> Chooser:
    """A score to choose the best model of a run by; the first entry decides, `lower_is_better` says which way.

    name: "sliced" (cheap, pixels or points), or one of `CHOICES` with the data set's own features; of pairs "ssim",
    "psnr", "mse" on those held out.  num_classes: of the model.  team: where `is_shared`, the processes that each have
    such a score and call it together.  Raises InputError at once for what could not be scored later.
    """
    if isinstance(reference, PairSet):
        return translation_scorer(name, reference)
    if isinstance(reference, Instances):
        reference = reference.images  # each once, not as often as it is a neighbour
    assert isinstance(reference, Images)
    known(name, reference.name, reference.is_points, bool(num_classes))
    if name == "sliced":
        return sliced_scorer(reference)
    metric, start = CHOICES[name]
    checked([metric], reference, bool(num_classes))
    if name == "is" and not (reference.y is not None and reference.y.any()):
        raise InputError(f"score is needs classes, which {reference.name} has not; use another, as --score fid")
    network = feature_network("own", reference, device=device, progress=progress, team=team)
    samples = Samples(n=min(n, len(reference)), seed=SAMPLED)
    hashes: list[str] = []  # of the reference: it is the same at every look

    def score(gan: GAN) -> dict[str, float]:
        against = Reference(reference, fingerprint=hashes[0] if hashes else None, team=team)
        found = score_gan(gan, against, [metric], network, samples)
        hashes[:] = [found[0].protocol.reference_hash]
        return {s.name: s.value for s in sorted(found, key=lambda s: not s.name.startswith(start))}

    return score


def is_shared(name: str, reference: Dataset) -> bool:
    """Is this a score whose samples several processes make together?  The others are too cheap for it."""
    return name in CHOICES and not isinstance(reference, PairSet)


def known(name: str, data: str, points: bool, classes: bool) -> None:
    """Raises InputError for a score that a run cannot be chosen by, found without looking at its data."""
    if name == "sliced":
        return
    if name not in CHOICES or points:
        expected = "sliced" if points else f"sliced, {', '.join(CHOICES)}"
        raise InputError(f"score {name!r} given for {data}, expected one of: {expected}")
    if name in ("intra_fid", "cas") and not classes:
        raise InputError(f"score {name} compares class by class, and this model has no classes; use --score fid")


def sliced_scorer(images: Images) -> Chooser:
    """Sliced Wasserstein distance of 1,000 samples to 1,000 real images: no network needed."""
    n = min(1000, len(images))
    index = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:n].numpy()
    real = torch.from_numpy(np.array(images.x[index]))
    real = (real if images.is_points else to_float(real)).flatten(1)

    def score(gan: GAN) -> dict[str, float]:
        return {"sliced_wasserstein": sliced_wasserstein(gan.sample(n, seed=SAMPLED).cpu().flatten(1), real)}

    return score
