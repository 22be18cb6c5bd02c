"""The doctor: looks a data set over before anything is trained on it, and says what is odd in plain words.

Every picture is decoded once, in its own size; nothing is written but the contact sheet that was asked for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas.data import grid, toys
from ganvas.data.build import Progress, workers
from ganvas.data.decode import How, Unreadable, pixels, quiet_pillow
from ganvas.data.images import Images, open_source
from ganvas.data.neighbours import SIDE, groups, near_pairs
from ganvas.data.report import NAMED, Report, warnings_of
from ganvas.data.source import Content, Items, Source
from ganvas.errors import InputError

_SHEET_RESOLUTION = 64


@dataclass(frozen=True)
class _Look:
    """What one picture contributes."""

    width: int
    height: int
    mode: str
    channels: int
    digest: bytes  # of size, format and pixels
    thumb: np.ndarray  # uint8 [SIDE * SIDE * 3]
    constant: bool


def check(
    data: str | Path,
    *,
    resolution: int | None = None,
    limit: int | None = None,
    split: str = "train",
    sheet: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Look DATA over.

    resolution: to count pictures that are smaller. limit: look at this many, evenly spread. sheet: write a contact
    sheet there. Raises InputError when there is nothing to look at.
    """
    if data in toys.TOYS:
        raise InputError(f"{data} is made of points; check looks at pictures")
    source = open_source(data, split, classes=False)
    content = source.content
    total = len(content.items)
    count = total if limit is None else max(1, min(limit, total))
    chosen = [i * total // count for i in range(count)]
    with quiet_pillow():
        looks = _looks(content.items, chosen, progress)
        if sheet is not None:
            _write_sheet(content, chosen, resolution or _SHEET_RESOLUTION, sheet)
    return _report(source, chosen, looks, resolution, sheet)


def contact_sheet(images: Images, *, rows: int = 10, columns: int = 16) -> Image.Image:
    """A grid: one row per class, evenly spread over its images; without classes, over all of them."""
    if images.is_points:
        return grid.cloud(images.x[:: max(1, len(images) // 4000)])
    return grid.grid(np.ascontiguousarray(images.x[_spread(images.y, len(images), rows, columns)]), columns)


def _spread(y: np.ndarray | None, count: int, rows: int, columns: int) -> np.ndarray:
    """Numbers of the pictures on a sheet, row by row."""
    if y is None:
        n = min(count, rows * columns)
        return np.arange(n) * count // n
    picked = []
    for k in np.unique(y)[:rows]:
        members = np.flatnonzero(y == k)
        picked.append(members[np.arange(columns) * len(members) // columns])  # a small class repeats its images
    return np.concatenate(picked)


def _looks(items: Items, chosen: list[int], progress: Progress | None) -> list[_Look | Unreadable]:
    """Every chosen picture, in parallel, in order."""

    def one(i: int) -> _Look | Unreadable:
        try:
            return _look(items, i)
        except Unreadable as error:
            return error

    block = 64
    out: list[_Look | Unreadable] = []
    with ThreadPoolExecutor(workers()) as pool:
        parts = [chosen[start : start + block] for start in range(0, len(chosen), block)]
        for part in pool.map(lambda part: [one(i) for i in part], parts):
            out += part
            if progress is not None:
                progress(len(out), len(chosen))
    return out


def _look(items: Items, i: int) -> _Look:
    said, image = items.look(i)
    x = np.asarray(image)
    digest = hashlib.blake2b(f"{image.mode}{image.size}".encode(), digest_size=16)
    digest.update(x.tobytes())
    # Pillow's box filter takes whole pixels only, so a thumbnail of a copy of another size would be shifted
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR).convert("RGB")
    constant = bool((x == x[:1, :1]).all())
    return _Look(
        said.width, said.height, said.mode, said.channels, digest.digest(), np.asarray(small).ravel(), constant
    )


def _write_sheet(content: Content, chosen: list[int], resolution: int, path: Path) -> None:
    """The contact sheet of what can be read, padded and not cut, so that whole pictures are seen."""
    y = None if content.labels is None else content.labels[chosen]
    rows = []
    for i in _spread(y, len(chosen), 10, 16):
        try:
            rows.append(pixels(content.items.look(chosen[i])[1], How(resolution, 3, "pad")))
        except Unreadable:
            continue
    if rows:
        grid.save(grid.grid(np.stack(rows), 16), path)


def _report(
    source: Source, chosen: list[int], looks: list[_Look | Unreadable], resolution: int | None, sheet: Path | None
) -> Report:
    content = source.content
    names = [content.items.name(i) for i in chosen]
    good = [(name, look) for name, look in zip(names, looks) if isinstance(look, _Look)]
    unreadable = {name: str(look) for name, look in zip(names, looks) if isinstance(look, Unreadable)}
    unreadable.update(dict.fromkeys(content.notes.get("outside", []), "its path leaves the archive"))
    sizes = Counter((look.width, look.height) for _, look in good)
    equal, near = _duplicates(good)
    constant = [name for name, look in good if look.constant]
    label = {} if content.labels is None else dict(zip(names, content.labels[chosen].tolist()))
    conflicts = [group for group in equal if len({label.get(name) for name in group}) > 1]
    small = None if resolution is None else sum(n for size, n in sizes.items() if min(size) < resolution)
    partial = Report(
        name=source.name,
        kind=source.kind,
        split=source.split,
        splits=source.splits,
        count=len(content.items),
        looked_at=len(chosen),
        sizes=[{"width": w, "height": h, "count": n} for (w, h), n in sizes.most_common(NAMED)],
        num_sizes=len(sizes),
        modes=dict(Counter(look.mode for _, look in good).most_common()),
        channels=1 if good and all(look.channels == 1 for _, look in good) else 3,
        classes=_histogram(content),
        unreadable=dict(list(unreadable.items())[:NAMED]),
        num_unreadable=len(unreadable),
        duplicates=equal[:NAMED],
        num_duplicates=sum(len(group) - 1 for group in equal),
        near_duplicates=near[:NAMED],
        num_near_duplicates=sum(len(group) - 1 for group in near),
        conflicts=conflicts[:NAMED],
        num_conflicts=len(conflicts),
        constant=constant[:NAMED],
        num_constant=len(constant),
        smaller=small,
        warnings=[],
        sheet=None if sheet is None or not good else str(sheet),
    )
    partial.warnings.extend(warnings_of(partial, content.notes, resolution))
    return partial


def _histogram(content: Content) -> dict[str, int]:
    if content.labels is None:
        return {}
    counts = np.bincount(content.labels, minlength=len(content.class_names))
    return {name: int(count) for name, count in zip(content.class_names, counts)}


def _duplicates(good: list[tuple[str, _Look]]) -> tuple[list[list[str]], list[list[str]]]:
    """Groups of equal pictures, and of nearly equal ones among one of each; pictures of one colour are left out."""
    by_digest: dict[bytes, list[int]] = {}
    for i, (_, look) in enumerate(good):
        if not look.constant:
            by_digest.setdefault(look.digest, []).append(i)
    equal = sorted((group for group in by_digest.values() if len(group) > 1), key=lambda group: (-len(group), group))
    single = [group[0] for group in by_digest.values()]
    near: list[list[int]] = []
    if single:
        thumbs = np.stack([good[i][1].thumb for i in single])
        near = [[single[k] for k in group] for group in groups(near_pairs(thumbs), len(single))]
    return [[good[i][0] for i in group] for group in equal], [[good[i][0] for i in group] for group in near]
