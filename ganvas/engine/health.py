"""The watch over a run: is it collapsing?  A sentence with the evidence; what follows is the loop's affair."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas import rows
from ganvas.gan import GAN, Batch, evaluating
from ganvas.metrics import health
from ganvas.sampling import condition_like

LOOK = 256  # samples and real images that a look compares
FIRST = 2_000_000  # the first seed of those samples
SIDE = 32  # pixels: larger images are compared by the means of their parts
AT_A_TIME = 2**16  # pixels of the images that a network takes together, if a look should not be a run's peak of memory

COLLAPSED_DIVERSITY = 0.25  # of the real images' mean pairwise distance
COLLAPSED_FALL = 0.4  # of the best diversity that the run has had
COLLAPSED_DUPLICATES = 0.5  # share of samples with a twin
COLLAPSED_BLANK = 0.5  # share of samples without content
LATE = 0.5  # share of a run after which something should have been learned
SATURATED = 0.999  # chance that D ranks a real image above a sample
WEAK = 1e-3  # norm of a gradient beside which that is a fault: a Wasserstein critic is meant to know all samples
VANISHED = 1e-7  # norm of a player's gradient
EXPLODED = 1e4
FADED = 0.5  # of the diversity of the generator that learns: what is saved should not be so much blander


@dataclass(frozen=True)
class Verdict:
    """What a look found.  sentence is empty if all is well; collapsed asks for action, anything else is a warning."""

    evidence: dict[str, float]
    sentence: str = ""
    collapsed: bool = False


def look(gan: GAN, real: Batch, means: dict[str, float], peak: float) -> Verdict:
    """Compares 256 samples with as many real images, pixel by pixel, and reads the gradients in the log's means.

    peak: the best diversity of the run so far; before anything has been learned, blandness is no collapse.
    """
    samples = samples_beside(gan, real)
    made, given = compared(samples), compared(real.x)
    found = {
        "health/diversity": health.diversity_ratio(made, given),
        "health/duplicates": health.duplicate_share(made, given),
        "health/blank": health.constant_share(samples.cpu()),
    }
    scores = scored(gan, real, samples)
    if scores is not None:
        found["health/separation"] = health.separation(*scores)
    found |= {f"health/{key}": value for key, value in means.items() if key.endswith("/grad")}
    return judged(found, peak, gan.images_seen / gan.config.images)


def with_saved(verdict: Verdict, gan: GAN, real: Batch) -> Verdict:
    """The verdict, with a look at what is saved: an average that has not moved yet is flat where the live G is not."""
    saved = health.diversity_ratio(compared(samples_beside(gan, real)), compared(real.x))
    live = verdict.evidence["health/diversity"]
    evidence = {**verdict.evidence, "health/saved_diversity": saved}
    if verdict.sentence or saved >= COLLAPSED_DIVERSITY or saved >= FADED * live:
        return replace(verdict, evidence=evidence)
    text = f"what is saved is the average of G, and its samples differ {saved:.2f} times as much as real images do"
    why = f"those of the live G {live:.2f} times: the average has hardly left its first weights"
    return Verdict(evidence, f"warning: {text}, {why}; train longer, or start anew with ema_ramp=true or a lower ema")


def samples_beside(gan: GAN, real: Batch) -> Tensor:
    """As many samples as there are real images, always the same ones."""
    seeds = list(range(FIRST, FIRST + len(real.x)))
    return gan.sample(len(seeds), seed=FIRST, batch=at_a_time(gan), given=condition_like(gan, real, seeds))


def compared(x: Tensor) -> Tensor:
    """Images as a look compares them, on the CPU: at most `SIDE` pixels a side."""
    if max(x.shape[2:], default=0) <= SIDE:
        return x.cpu()
    height, width = (min(side, SIDE) for side in x.shape[2:])
    return F.adaptive_avg_pool2d(x, (height, width)).cpu()


def at_a_time(gan: GAN) -> int:
    """Images for one pass of a network: whole groups of those that D compares."""
    fits = AT_A_TIME // math.prod(gan.config.shape[1:])
    return max(fits // gan.grain, 1) * gan.grain


@torch.no_grad()
def scored(gan: GAN, real: Batch, samples: Tensor) -> tuple[Tensor, Tensor] | None:
    """D's scores of real images and of samples with the classes their seeds drew, where the paper has such scores."""
    given = condition_like(gan, real, list(range(FIRST, FIRST + len(samples))))
    with evaluating(gan):
        first, second = (scores_of(gan, batch) for batch in (real, Batch(samples, given)))
    return None if first is None or second is None else (first, second)


def scores_of(gan: GAN, batch: Batch) -> Tensor | None:
    """D's score of each image, on the CPU, a part of the batch at a time."""
    found = [gan.scores(part) for part in rows.parts(batch, at_a_time(gan))]
    return torch.cat([part.float().cpu() for part in found if part is not None]) if found[0] is not None else None


def judged(found: dict[str, float], peak: float, share: float = 0.0) -> Verdict:
    """The verdict on the evidence of one look.  share: of the run that is over."""
    diversity, learned = found["health/diversity"], peak > COLLAPSED_DIVERSITY
    if learned and (diversity < COLLAPSED_DIVERSITY or diversity < COLLAPSED_FALL * peak):
        text = f"samples differ {diversity:.2f} times as much as real images do; {peak:.2f} was the most so far"
        return Verdict(found, f"collapse: {text}", collapsed=True)
    if learned and found["health/duplicates"] > COLLAPSED_DUPLICATES:
        text = f"{found['health/duplicates']:.0%} of the samples have a twin"
        return Verdict(found, f"collapse: {text}", collapsed=True)
    if learned and found["health/blank"] > COLLAPSED_BLANK:
        return Verdict(found, f"collapse: {found['health/blank']:.0%} of the samples are blank", collapsed=True)
    for key, value in found.items():
        player = key.split("/")[1]
        if key.endswith("/grad") and not VANISHED < value < EXPLODED:
            what = "vanished" if value <= VANISHED else "exploded"
            return Verdict(found, f"warning: the gradient of {player} has {what}, its norm is {value:.2g}")
    if not learned and share >= LATE and found["health/duplicates"] > COLLAPSED_DUPLICATES:
        text = f"{found['health/duplicates']:.0%} of the samples have a twin, and never did they differ much"
        return Verdict(found, f"warning: {text}; the run has not begun to learn, try other learning rates")
    weakest = min((value for key, value in found.items() if key.endswith("/grad")), default=0.0)
    if learned and found.get("health/separation", 0.5) > SATURATED and weakest < WEAK:
        text = f"it ranks a real image above a sample {found['health/separation']:.2%} of the time"
        return Verdict(found, f"warning: D is saturated, {text}, and a player's gradient is down to {weakest:.2g}")
    return Verdict(found)
