"""What helps where images are few, the same for every paper: augmentation in front of D, LeCam, consistency.

A paper asks for it in three places: `draw_shown` in its draws, `shown` around what D sees, `limited` around D's loss.
Switched off, the three draw nothing, change nothing and add nothing.  What they learn by (ADA's probability, the means
of D's scores) is training's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ganvas import losses, rows
from ganvas.ops import augment
from ganvas.ops.ada import AdaptiveProbability
from ganvas.ops.lecam import ScoreAverages

if TYPE_CHECKING:
    from ganvas.config import Config
    from ganvas.gan import Loss

UPDATE_EVERY = 4  # iterations between moves of ADA's probability, as in the paper


def remember(memory: nn.Module, config: Config) -> None:
    """Adds to training's memory what the settings need."""
    if config.augment == "ada":
        memory.ada = AdaptiveProbability(config.ada_target, config.ada_speed)
    if config.lecam:
        memory.score_means = ScoreAverages(config.lecam_decay)


def draw_shown(memory: nn.Module, config: Config, n: int, rng: torch.Generator) -> augment.Transform | None:
    """The transforms of n images on their way to D, drawn by rng; None where none are asked for."""
    if config.augment == "none":
        return None
    channels, height, width = config.shape
    if config.augment == "diffaugment":
        return augment.draw_diffaugment(n, channels, height, width, rng, policy=config.augment_policy)
    assert isinstance(memory.ada, AdaptiveProbability)
    return augment.draw_ada(n, channels, height, width, rng, memory.ada.p)


def draw_again(config: Config, n: int, rng: torch.Generator) -> augment.Transform | None:
    """The shifts under which D's score of n real images should stay; None where nothing asks for it."""
    if not config.shift_consistency:
        return None
    channels, height, width = config.shape
    return augment.draw_diffaugment(n, channels, height, width, rng, policy=("translation",))


def shown(x: Tensor, transform: augment.Transform | None, start: int = 0) -> Tensor:
    """What D sees of images [N, ...]: transformed by rows start, start + 1, ... of the transform."""
    return x if transform is None else augment.apply(x, rows.take(transform, slice(start, start + len(x))))


def limited(
    memory: nn.Module,
    config: Config,
    loss: Loss,
    real: Tensor,
    fake: Tensor,
    again: Callable[[], Tensor],
) -> Loss:
    """D's loss with LeCam's term (Tseng et al. 2021) and consistency (Zhang et al. 2020), and what `observe` needs.

    real, fake: D's scores [N, ...]; again: its scores of the same real images, shifted, made only if needed.
    """
    total, logs, kept = loss.total, dict(loss.logs), dict(loss.kept)
    if config.lecam and isinstance(memory.score_means, ScoreAverages):
        means = memory.score_means
        term = losses.lecam(real, fake, means.real, means.fake) * (means.updates > 0)
        total, logs["D/lecam"] = total + config.lecam * term, term
    if config.shift_consistency:
        term = losses.consistency(again(), real)
        total, logs["D/shift_consistency"] = total + config.shift_consistency * term, term
    if config.augment == "ada" and isinstance(memory.ada, AdaptiveProbability):
        logs["D/augmented"] = memory.ada.p.clamp(max=1)
    if config.augment == "ada" or config.lecam:
        kept |= {"real_scores": real.detach(), "fake_scores": fake.detach()}
    return type(loss)(total, logs, kept)


def observe(memory: nn.Module, config: Config, iteration: int, kept: Sequence[dict[str, Tensor]]) -> None:
    """After a step of D: the scores it gave move LeCam's means and, every few iterations, ADA's probability."""
    if not kept or "real_scores" not in kept[0]:
        return
    real, fake = (torch.cat([part[name] for part in kept]) for name in ("real_scores", "fake_scores"))
    if isinstance(means := getattr(memory, "score_means", None), ScoreAverages):
        means.update(real, fake)
    if isinstance(ada := getattr(memory, "ada", None), AdaptiveProbability):
        ada.observe(real)
        if iteration % UPDATE_EVERY == UPDATE_EVERY - 1:
            ada.update(config.batch * UPDATE_EVERY)
