"""Scores of image pairs: a folder of outputs beside a folder of targets, matched by file name.

Here: what belongs to what.  Not here: SSIM, PSNR, MSE (metrics/paired.py) and LPIPS (features/lpips.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from ganvas import data as datasets
from ganvas.data import Images
from ganvas.data.images import open_source
from ganvas.errors import InputError
from ganvas.features.lpips import LPIPS, lpips
from ganvas.metrics.evaluate import PAIRED, evaluate_pairs
from ganvas.metrics.protocol import Protocol, Score
from ganvas.metrics.reference import Progress
from ganvas.team import ALONE, Team

BATCH = 32  # pairs at a time
NAMES = (*PAIRED, "lpips")


def are_paired(names: Sequence[str]) -> bool:
    """Are these metrics of pairs?  Raises InputError where some are and some are not."""
    pairs = [name for name in names if name in NAMES]
    others = [name for name in names if name not in NAMES]
    if pairs and others:
        raise InputError(
            f"{', '.join(pairs)} compare pairs of images, {', '.join(others)} whole sets; evaluate them one by one"
        )
    return bool(pairs)


def score_pairs(
    outputs: Path,
    targets: str | Path,
    names: Sequence[str],
    split: str = "train",
    weights: Sequence[Path] = (),
    progress: Progress | None = None,
    team: Team = ALONE,
) -> list[Score]:
    """Mean and standard deviation over the pairs of two folders whose files have the same names.

    weights: of LPIPS, backbone and lin.  Raises InputError where the folders do not match.
    """
    lpips_network = network(weights) if "lpips" in names else None
    left_names, right_names = stems(outputs, "train"), stems(targets, split)
    if left_names != right_names:
        lone = sorted(set(left_names) ^ set(right_names))
        first = f", {lone[0]!r} is in one of them only" if lone else ""
        raise InputError(
            f"{outputs} holds {len(left_names)} images, {targets} {len(right_names)}{first}; "
            "pairs are files of the same name"
        )
    both = partial(_both, outputs, targets, split)
    left, right = team.in_turn(both)
    if left.x.shape[1] != right.x.shape[1]:  # one of them is grey: its channel is repeated
        left, right = team.in_turn(partial(both, 3))
    team.must_share(left.fingerprint + right.fingerprint, f"{outputs} or {targets}")
    if left.x.shape[1:] != right.x.shape[1:]:
        sizes = " and ".join(f"{i.x.shape[3]}x{i.x.shape[2]}" for i in (left, right))
        raise InputError(
            f"{outputs} and {targets} hold images of {sizes} pixels; make them equal, pairs are not resized"
        )
    record = Protocol(
        reference=right.name,
        split=str(right.preprocessing["split"]),
        decoding=f"{'x'.join(map(str, right.x.shape[1:]))}, as it is",
    )
    batches = _batches(left, right, team)
    return evaluate_pairs(batches, names, protocol=record, lpips=lpips_network, progress=progress, team=team)


def stems(path: str | Path, split: str) -> list[str]:
    """The names of a data set's images, in its order, below what folders they share and without their endings."""
    items = open_source(path, split, classes=False).content.items
    names = [PurePosixPath(items.name(i)) for i in range(len(items))]
    shared = os.path.commonpath([name.parent for name in names]) if names else ""
    return [str(name.relative_to(shared).with_suffix("")) for name in names]


def network(weights: Sequence[Path]) -> LPIPS:
    if len(weights) not in (0, 2):
        raise InputError(f"lpips needs two files, {len(weights)} given; pass --weights BACKBONE --weights LIN")
    return lpips(None, *weights)


def _both(outputs: Path, targets: str | Path, split: str, channels: int | None = None) -> tuple[Images, Images]:
    left = datasets.load(outputs, split="train", classes=False, channels=channels)
    return left, datasets.load(targets, split=split, classes=False, channels=channels)


def _batches(left: Images, right: Images, team: Team) -> Iterator[tuple[Tensor, Tensor]]:
    for start in team.mine(range(0, len(left), BATCH)):
        part = slice(start, start + BATCH)
        yield torch.from_numpy(np.array(left.x[part])), torch.from_numpy(np.array(right.x[part]))
