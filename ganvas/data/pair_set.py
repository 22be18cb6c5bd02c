"""Pairs as a run reads them: what is trained on, what is held out, and the rows of a batch with one crop and one flip.

Held out is the val split, else the test split, else every tenth pair (of unpaired data: every tenth image of a side).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data.cache import digest
from ganvas.data.dataset import Take, Wanted
from ganvas.data.images import Kind
from ganvas.data.pairs import Pairs, load_pairs, peek_pairs
from ganvas.errors import InputError

if TYPE_CHECKING:  # looking at data needs no torch
    from torch import Tensor

    from ganvas.gan import Batch

EVERY = 10  # of a data set without a split for it, one row in so many is held out


@dataclass(frozen=True)
class PairSet:
    """A `Dataset` of pairs: x is an image of B, given.source its partner in A.

    Unpaired, A comes in the order of the epoch and an image of B is drawn beside it, as CycleGAN's loader has it; then
    either side has a crop and a flip of its own.
    """

    pairs: Pairs
    held_out: Pairs  # at the size of the players' images
    size: tuple[int, int]  # of those, (height, width); `pairs` may be larger and are then cropped at random
    shared: bool  # held_out is a tenth of `pairs`, which training leaves out

    @property
    def name(self) -> str:
        return self.pairs.name

    @property
    def fingerprint(self) -> str:
        return digest([self.pairs.fingerprint, self.held_out.fingerprint, self.shared, list(self.size)])

    @property
    def class_names(self) -> list[str]:
        return []

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Of the images trained on, and which are held out."""
        split = self.held_out.preprocessing["split"]
        held = f"every {EVERY}th of {split}" if self.shared else split
        return {**self.pairs.preprocessing, "crop": list(self.size), "held_out": held}

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {"a": self.pairs.a, "b": self.pairs.b}

    @property
    def chances(self) -> int:
        """A corner; unpaired an image of B, its corner and its flip besides."""
        return 2 if self.pairs.paired else 6

    def __len__(self) -> int:
        return trained(len(self.pairs), self.shared)

    def renewed(self, batch: Batch, take: Take, chance: Tensor) -> Batch:
        """Phases share all of a batch."""
        return batch

    def rows(self, take: Take, index: Tensor, mirrored: Tensor | None, chance: Tensor) -> Batch:
        """Both sides as floats in [-1, 1], channels last in memory, cut and mirrored."""
        import torch

        from ganvas.gan import Batch, Given
        from ganvas.ops.pixels import to_float

        rows_a, rows_b, corner_b, mirrored_b = index, index, chance[:, :2], mirrored
        if not self.pairs.paired:
            n_a, n_b = (trained(len(x), self.shared) for x in (self.pairs.a, self.pairs.b))
            rows_a, rows_b = index % n_a, (chance[:, 2] * n_b).long().clamp(max=n_b - 1)
            corner_b = chance[:, 3:5]
            mirrored_b = None if mirrored is None else (chance[:, 5] < 0.5).to(mirrored.device)
        sides = []
        for name, rows, corner, flipped in (
            ("a", rows_a, chance[:, :2], mirrored), ("b", rows_b, corner_b, mirrored_b),
        ):  # fmt: skip
            x = to_float(self._cropped(take(name, self._places(rows)), corner))
            x = x.contiguous(memory_format=torch.channels_last)
            sides.append(x if flipped is None else torch.where(flipped[:, None, None, None], x.flip(-1), x))
        return Batch(sides[1], Given(source=sides[0]))

    def _places(self, rows: Tensor) -> Tensor:
        """Where rows of the training part stand in the arrays: rows 0, 10, 20, ... are held out."""
        return rows + rows // (EVERY - 1) + 1 if self.shared else rows

    def _cropped(self, x: Tensor, corner: Tensor) -> Tensor:
        """x [N, C, H, W] cut to `size` at corner [N, 2], which is uniform in [0, 1)."""
        from ganvas.ops.aligned import crop_at

        room = [side - wanted for side, wanted in zip(x.shape[2:], self.size)]
        if not any(room):
            return x
        top, left = ((corner[:, i] * (free + 1)).long().clamp(max=free) for i, free in enumerate(room))
        return crop_at(x, top, left, self.size)


def trained(count: int, shared: bool) -> int:
    """How many of so many rows are trained on."""
    return count - len(range(0, count, EVERY)) if shared else count


def load_pair_set(data: str, wanted: Wanted) -> PairSet:
    """What a paper with `reads = "pairs"` trains on.

    Options: channels_A, load_size (height before the crop; 0: no crop), paired (False: in orders of their own).
    Raises InputError where pairs are needed and the data have none.
    """
    height, width = wanted.shape[1:]
    load_size = wanted.options["load_size"] or height
    paired = wanted.options["paired"]
    if paired and not is_paired(data):
        reason = unpaired_reason(data)
        raise InputError(
            f"{data} has no pairs ({reason}), and the cyclic-synthesised loss would compare images that do not belong "
            "together; name partners alike, or train cyclegan (cs=0 direct=0 paired=false)"
        )
    pairs = load(data, wanted, (load_size, round(load_size * width / height)), paired, "train")
    held_out, shared = load_held_out(data, wanted, paired)
    if not trained(min(len(pairs.a), len(pairs.b)), shared):
        raise InputError(f"{data} holds {len(pairs)} pair; two are the least, of which one is held out")
    return PairSet(pairs, held_out, (height, width), shared)


def load(data: str, wanted: Wanted, size: tuple[int, int], paired: bool, split: str) -> Pairs:
    """One split as it is wanted, at a size of its own."""
    return load_pairs(
        data,
        resolution=size,
        channels=(wanted.options["channels_A"], wanted.shape[0]),
        fit=wanted.fit,
        split=split,
        paired=paired,
        max_unreadable=wanted.max_unreadable,
        progress=wanted.progress,
    )


def load_held_out(data: str, wanted: Wanted, paired: bool, split: str | None = None) -> tuple[Pairs, bool]:
    """The pairs that scores are made on: those of a split, or by default the held-out ones.

    -> pairs, whether they are a tenth of the train split
    """
    size = (wanted.shape[1], wanted.shape[2])
    chosen = split or held_out_split(peek_pairs(data, paired=False).splits)
    if chosen is not None:
        return load(data, wanted, size, paired, chosen), False
    whole = load(data, wanted, size, paired, "train")
    names = whole.names[::EVERY]
    names_b = names if whole.paired else whole.names_b[::EVERY]
    fingerprint = digest([whole.fingerprint, EVERY])
    part = replace(whole, a=whole.a[::EVERY], b=whole.b[::EVERY], names=names, names_b=names_b, fingerprint=fingerprint)
    return part, True


def held_out_split(splits: list[str]) -> str | None:
    """The split to hold out, if there is one."""
    return next((name for name in ("val", "test") if name in splits), None)


def is_paired(data: str) -> bool:
    """Do the names of the files pair them?"""
    return not unpaired_reason(data)


def unpaired_reason(data: str) -> str:
    """Why not; "" if they do."""
    try:
        found = peek_pairs(data)
    except InputError as error:
        peek_pairs(data, paired=False)  # what is wrong with the data besides is said as it is
        return str(error)
    return "" if found.paired else "no name is in both A and B"


def peek_pair_set(data: str) -> Kind:
    """What DATA is, with the settings that pairs want."""
    found = peek_pairs(data, paired=False)
    count = trained(max(found.counts), held_out_split(found.splits) is None)
    return Kind(
        "pairs",
        found.name,
        count,
        found.native,
        found.channels[1],
        0,
        [],
        found.splits,
        values={"channels_A": found.channels[0]},
        settings={"fit": "stretch", "score": "ssim" if is_paired(data) else "sliced"},
    )
