"""Scores of a model that translates: images of one domain through it, beside their partners in the other.

Here: held-out pairs or a split of any data set, both ways.  Not here: the scores themselves (metrics/paired.py), images
that have been translated already (pairs.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ganvas import translation
from ganvas.data import Pairs, PairSet, Wanted
from ganvas.data.pair_set import load_held_out
from ganvas.errors import InputError
from ganvas.features.lpips import LPIPS
from ganvas.gan import GAN
from ganvas.metrics.evaluate import PAIRED, evaluate_pairs
from ganvas.metrics.protocol import Protocol, Score
from ganvas.metrics.reference import Progress
from ganvas.metrics.sliced_wasserstein import sliced_wasserstein
from ganvas.ops.pixels import to_float, to_uint8
from ganvas.team import ALONE, Team

AT_A_TIME = 2**14  # pixels of the images that are translated together; no score depends on it
LOOKED_AT = 200  # held-out pairs that a look at a run scores, evenly spread
DEFAULT = ("ssim", "psnr", "mse")


def score_model(
    gan: GAN,
    data: str,
    names: Sequence[str],
    *,
    fit: str = "stretch",
    split: str | None = None,
    lpips: LPIPS | None = None,
    ema: bool | None = None,
    progress: Progress | None = None,
    team: Team = ALONE,
) -> list[Score]:
    """Scores of a model on pairs, towards b and then, with "-to-a" behind their names, towards a.

    split: None is the held-out pairs, as training has them.  team: translates them together.
    """
    wanted = Wanted(gan.config.shape, fit, options=gan.config.reading())
    pairs, shared = team.in_turn(lambda: load_held_out(data, wanted, True, split))
    team.must_share(pairs.fingerprint, f"data set under the name {pairs.name}")
    here = f"every tenth of {pairs.preprocessing['split']}" if shared else str(pairs.preprocessing["split"])
    decoding = f"{'x'.join(map(str, pairs.b.shape[1:]))}, {pairs.preprocessing.get('fit', 'as it is')}"
    record = Protocol(reference=pairs.name, split=here, decoding=decoding, ema=ema)
    return [score for to in "ba" for score in scores_towards(gan, pairs, names, to, record, lpips, progress, team)]


def scores_towards(
    gan: GAN,
    pairs: Pairs,
    names: Sequence[str],
    to: str,
    record: Protocol | None = None,
    lpips: LPIPS | None = None,
    progress: Progress | None = None,
    team: Team = ALONE,
) -> list[Score]:
    """Scores of the images in domain `to`; their names say so where it is A."""
    made = translated(gan, pairs, to, team)
    found = evaluate_pairs(made, names, protocol=record, lpips=lpips, progress=progress, team=team)
    return found if to == "b" else [score.model_copy(update={"name": f"{score.name}-to-a"}) for score in found]


def translated(gan: GAN, pairs: Pairs, to: str, team: Team = ALONE) -> Iterator[tuple[Tensor, Tensor]]:
    """(output, truth) in batches, uint8 [N, C, H, W]; of a team this process's."""
    sources, targets = (pairs.a, pairs.b) if to == "b" else (pairs.b, pairs.a)
    size = max(1, AT_A_TIME // math.prod(sources.shape[2:]))
    for start in team.mine(range(0, len(sources), size)):
        part = slice(start, start + size)
        x = to_float(torch.from_numpy(np.array(sources[part])))
        yield to_uint8(translation.translate(gan, x, to)).cpu(), torch.from_numpy(np.array(targets[part]))


def translation_scorer(name: str, data: PairSet) -> Callable[[GAN], dict[str, float]]:
    """What chooses the best model: a score of held-out pairs towards b, with the others, both ways, behind it.

    sliced, for data without pairs: the distance of the translated images' pixels to those of domain B.
    """
    held = looked_at(data.held_out)
    if not data.pairs.paired or name == "sliced":
        if name not in ("sliced", "ssim"):
            raise InputError(f"score {name!r} given, but {data.name} is not paired; expected sliced")
        return unpaired_scorer(held)
    if name not in PAIRED:
        raise InputError(f"score {name!r} given for {data.name}, expected one of: {', '.join((*DEFAULT, 'sliced'))}")
    names = [name, *(other for other in DEFAULT if other != name)]
    if name != "ssim" and min(data.size) < 11:
        names.remove("ssim")

    def score(gan: GAN) -> dict[str, float]:
        return {s.name: s.value for to in "ba" for s in scores_towards(gan, held, names, to)}

    return score


def unpaired_scorer(held: Pairs) -> Callable[[GAN], dict[str, float]]:
    """Sliced Wasserstein distance of held-out images of A, translated, to those of B."""
    real = to_float(torch.from_numpy(np.array(held.b))).flatten(1)

    def score(gan: GAN) -> dict[str, float]:
        made = torch.cat([to_float(x).flatten(1) for x, _ in translated(gan, replace(held, b=held.a), "b")])
        n = min(len(made), len(real))
        return {"sliced_wasserstein": sliced_wasserstein(made[:n], real[:n])}

    return score


def looked_at(pairs: Pairs) -> Pairs:
    """At most 200 of them, evenly spread; of unpaired data at most 200 of either side."""
    a, b = (x[:: max(1, -(-len(x) // LOOKED_AT))] for x in (pairs.a, pairs.b))
    return replace(pairs, a=a, b=b)
