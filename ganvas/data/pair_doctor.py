"""The doctor for pairs: which files have no partner, cannot be read, or are of another size than their partner."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from ganvas.data import made_pairs
from ganvas.data.build import Progress, workers
from ganvas.data.decode import Unreadable, quiet_pillow
from ganvas.data.pair_files import Data, Found, find
from ganvas.data.pair_rows import PairRows, unlike
from ganvas.data.report import NAMED
from ganvas.errors import InputError


@dataclass(frozen=True)
class PairReport:
    """What was found. Lists name the first fifty, counts are of all."""

    name: str
    layout: str
    split: str
    splits: list[str]
    counts: tuple[int, int]  # files of A and of B
    pairs: int  # names that both sides have
    looked_at: int
    sizes: tuple[dict[str, int], dict[str, int]]  # "256x256" (width x height) -> images, of A and of B
    modes: tuple[dict[str, int], dict[str, int]]  # pixel formats after decoding, of A and of B
    lone: tuple[list[str], list[str]]  # names that only A, only B has
    num_lone: tuple[int, int]
    repeated: list[str]  # files whose name another file of their side has
    unreadable: dict[str, str]  # name -> reason
    num_unreadable: int
    unlike: dict[str, str]  # name -> how its halves differ in size
    num_unlike: int
    same: list[str]  # A is B, pixel by pixel
    num_same: int
    duplicates: list[list[str]]  # pairs that are equal on both sides
    num_duplicates: int
    constant: list[str]  # one side is of one colour

    @property
    def readable(self) -> bool:
        """Could any of the pairs be read?"""
        return not self.looked_at or self.num_unreadable < self.looked_at

    @property
    def warnings(self) -> list[str]:
        """What is odd, the gravest first, one line each."""
        a, b = self.num_lone
        unpaired = not self.pairs
        found = [
            "no name is in both A and B: the data can only be used as unpaired" if unpaired else None,
            f"{a} images of A have no partner: {_some(self.lone[0], a)}" if a and not unpaired else None,
            f"{b} images of B have no partner: {_some(self.lone[1], b)}" if b and not unpaired else None,
            f"files of one side with one name: {_some(self.repeated)}" if self.repeated else None,
            f"{self.num_unreadable} pairs cannot be read: {_reasons(self.unreadable, self.num_unreadable)}"
            if self.num_unreadable
            else None,
            f"{self.num_unlike} pairs differ in size: {_reasons(self.unlike, self.num_unlike)}"
            if self.num_unlike
            else None,
            f"{self.num_same} pairs have two equal halves: {_some(self.same, self.num_same)}"
            if self.num_same
            else None,
            f"{self.num_duplicates} pairs are copies of others, for instance {_some(self.duplicates[0])}"
            if self.num_duplicates
            else None,
            f"pairs with a side of one colour: {_some(self.constant)}" if self.constant else None,
        ]
        return [line for line in found if line is not None]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return asdict(self) | {"warnings": self.warnings}

    def lines(self) -> list[str]:
        """The report for people."""
        looked = "" if self.looked_at == self.pairs else f", {self.looked_at} looked at"
        out = [
            f"{self.name}: {self.layout}, {self.pairs} pairs in {self.split} (of {', '.join(self.splits)}){looked}; "
            f"{self.counts[0]} images in A, {self.counts[1]} in B"
        ]
        for side, sizes, modes in zip("AB", self.sizes, self.modes):
            out.append(f"{side}: {_counted(sizes)} pixels; {_counted(modes)}")
        return out + ([f"warning: {line}" for line in self.warnings] or ["nothing odd was found"])


@dataclass(frozen=True)
class _Look:
    sizes: tuple[str, str]
    modes: tuple[str, str]
    digests: tuple[bytes, bytes]
    constant: bool
    unlike: str | None


def check_pairs(
    data: Data,
    *,
    split: str = "train",
    layout: str | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> PairReport:
    """Look pairs over, each decoded in its own size.  limit: look at this many, evenly spread.

    Raises InputError when there is nothing to look at.
    """
    if isinstance(data, str) and data in made_pairs.MADE:
        raise InputError(f"{data} is made on the spot; check looks at files")
    found = find(data, split, layout)
    rows = PairRows(found, [0, 1], (3, 3))
    count = len(rows) if limit is None else min(max(1, limit), len(rows))
    chosen = [i * len(rows) // count for i in range(count)]
    with quiet_pillow():
        looks = _looks(rows, chosen, progress)
    return _report(found, [rows.name(i) for i in chosen], looks, len(rows))


def _looks(rows: PairRows, chosen: list[int], progress: Progress | None) -> list[_Look | Unreadable]:
    def one(i: int) -> _Look | Unreadable:
        try:
            a, b = rows.pictures(i)
        except Unreadable as error:
            return error
        return _look(a, b)

    out: list[_Look | Unreadable] = []
    with ThreadPoolExecutor(workers()) as pool:
        for found in pool.map(one, chosen):
            out.append(found)
            if progress is not None:
                progress(len(out), len(chosen))
    return out


def _look(a: Image.Image, b: Image.Image) -> _Look:
    digests = [hashlib.blake2b(f"{x.mode}{x.size}".encode() + x.tobytes(), digest_size=16).digest() for x in (a, b)]
    arrays = [np.asarray(x) for x in (a, b)]
    return _Look(
        (f"{a.width}x{a.height}", f"{b.width}x{b.height}"),
        (a.mode, b.mode),
        (digests[0], digests[1]),
        any(bool((x == x[:1, :1]).all()) for x in arrays),
        unlike(a, b, same_size=True, fit="crop"),
    )


def _report(found: Found, names: list[str], looks: list[_Look | Unreadable], pairs: int) -> PairReport:
    good = [(name, look) for name, look in zip(names, looks) if isinstance(look, _Look)]
    bad = {name: str(look) for name, look in zip(names, looks) if isinstance(look, Unreadable)}
    different = {name: look.unlike for name, look in good if look.unlike is not None}
    same = [name for name, look in good if look.digests[0] == look.digests[1]]
    copies: dict[tuple[bytes, bytes], list[str]] = {}
    for name, look in good:
        copies.setdefault(look.digests, []).append(name)
    groups = [group for group in copies.values() if len(group) > 1]
    lone_a, lone_b = found.lone
    return PairReport(
        name=found.name,
        layout=found.layout,
        split=found.split,
        splits=found.splits,
        counts=(len(found.a.files), len(found.b.files)),
        pairs=pairs,
        looked_at=len(names),
        sizes=(_count([look.sizes[0] for _, look in good]), _count([look.sizes[1] for _, look in good])),
        modes=(_count([look.modes[0] for _, look in good]), _count([look.modes[1] for _, look in good])),
        lone=(lone_a[:NAMED], lone_b[:NAMED]),
        num_lone=(len(lone_a), len(lone_b)),
        repeated=(found.a.repeated + ([] if found.halves else found.b.repeated))[:NAMED],
        unreadable=dict(list(bad.items())[:NAMED]),
        num_unreadable=len(bad),
        unlike=dict(list(different.items())[:NAMED]),
        num_unlike=len(different),
        same=same[:NAMED],
        num_same=len(same),
        duplicates=groups[:NAMED],
        num_duplicates=sum(len(group) - 1 for group in groups),
        constant=[name for name, look in good if look.constant][:NAMED],
    )


def _count(values: list[str]) -> dict[str, int]:
    """Value -> how often, the most frequent first."""
    return dict(Counter(values).most_common())


def _some(names: Sequence[str], count: int | None = None, limit: int = 3) -> str:
    left = (count or len(names)) - limit
    return ", ".join(names[:limit]) + (f" and {left} more" if left > 0 else "")


def _reasons(reasons: dict[str, str], count: int) -> str:
    return _some([f"{name} ({reason})" for name, reason in reasons.items()], count)


def _counted(counts: dict[str, int]) -> str:
    shown = ", ".join(f"{key} ({count})" for key, count in list(counts.items())[:5])
    return shown + (f" and {len(counts) - 5} more" if len(counts) > 5 else "") if counts else "none"
