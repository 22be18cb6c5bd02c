"""From a source to a cache entry: settle the size, convert every picture in parallel, write the rows in order."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ganvas.data import decode
from ganvas.data.decode import Header, How, Unreadable
from ganvas.data.source import ArrayItems, Items, Row, Source
from ganvas.errors import InputError

Progress = Callable[[int, int], None]  # (done, of how many)

_BLOCK = 32  # pictures a thread takes at once


def refuse(unreadable: dict[str, str], count: int, max_unreadable: float, what: str = "images cannot be read") -> None:
    """Raise when more than allowed had to be left out, naming the first."""
    if len(unreadable) <= max_unreadable * count:
        return
    first = ", ".join(f"{name} ({reason})" for name, reason in list(unreadable.items())[:3])
    more = f" and {len(unreadable) - 3} more" if len(unreadable) > 3 else ""
    share = -(-len(unreadable) * 1000 // count) / 1000  # rounded up, so that the advice is enough
    allow = f", or allow a share: --max-unreadable {share:g} (in Python max_unreadable={share:g})"
    allow = allow if len(unreadable) < count else ""
    raise InputError(f"{len(unreadable)} of {count} {what}: {first}{more}; remove them{allow}")


def build(
    source: Source, resolution: int | None, channels: int | None, fit: str, folder: Path, progress: Progress | None
) -> dict[str, Any]:
    """Settle what was not asked for, then `write`.  -> the entry's meta"""
    if not len(source.content.items):
        raise InputError(f"{source.name} holds no images")
    return write(source, _settle(source, resolution, channels, fit), folder, progress)


def write(
    source: Source, how: How, folder: Path, progress: Progress | None, what: str = "images cannot be read"
) -> dict[str, Any]:
    """Decode everything into `folder`, rows in order.  -> the entry's meta

    what: the words for rows of which none is left.
    """
    items, labels = source.content.items, source.content.labels
    count = len(items)
    unreadable: dict[str, str] = {}
    total = hashlib.sha256()
    sizes: set[tuple[int, ...]] = set()
    kept: list[int] = []
    with (folder / "x.raw").open("wb") as file:
        for i, found in enumerate(_rows(items, how)):
            if isinstance(found, Unreadable):
                unreadable[items.name(i)] = str(found)
            else:
                x, size = found
                raw = x.tobytes()
                total.update(raw)
                sizes.add(size)
                file.write(raw)
                kept.append(i)
            if progress is not None and ((i + 1) % _BLOCK == 0 or i + 1 == count):
                progress(i + 1, count)
    if not kept:
        refuse(unreadable, count, 0.0, what)
    if labels is not None:
        (folder / "y.raw").write_bytes(labels[kept].astype("<i8").tobytes())
    shape = (len(kept), how.channels, *how.size)
    return meta_of(source, how, sizes, shape, total.hexdigest(), unreadable)


def meta_of(
    source: Source,
    how: How,
    sizes: set[tuple[int, ...]],
    shape: tuple[int, ...],
    pixels: str,
    unreadable: dict[str, str],
) -> dict[str, Any]:
    """What is stored beside the pixels; `preprocessing` in it is what a model folder will quote."""
    as_is = sizes == {how.size}
    native = list(next(iter(sizes))) if len(sizes) == 1 else None
    preprocessing = {
        "kind": source.kind,
        "split": source.split,
        "count": shape[0],
        "left_out": len(unreadable),
        "native": native,  # [height, width], or null when mixed
        "resolution": how.resolution if how.width is None else list(how.size),
        "channels": how.channels,
        "fit": how.fit,
        "filter": None if as_is else decode.FILTER,
        "background": decode.BACKGROUND,
    }
    return {
        "shape": list(shape),
        "pixels": pixels,  # SHA-256 of x
        "class_names": source.content.class_names,
        "unreadable": unreadable,  # name -> reason
        "preprocessing": preprocessing,
    }


def _settle(source: Source, resolution: int | None, channels: int | None, fit: str) -> How:
    """What every picture is turned into; the headers decide what was not asked for."""
    if resolution is not None and channels is not None:
        return How(resolution, channels, fit)
    items = source.content.items
    headers = [found for found in read_headers(items, range(len(items))) if isinstance(found, Header)]
    if channels is None:
        channels = 1 if headers and all(found.channels == 1 for found in headers) else 3
    sizes = Counter((found.height, found.width) for found in headers)
    return How(resolution or _native(sizes, source.name), channels, fit)


def _native(sizes: Counter[tuple[int, int]], name: str) -> int:
    if not sizes:
        return 1  # nothing can be read; `refuse` will say so by name
    if len(sizes) == 1 and len(set(next(iter(sizes)))) == 1:
        return next(iter(sizes))[0]
    shown = ", ".join(f"{width}x{height}" for (height, width), _ in sizes.most_common(3))
    more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
    raise InputError(f"{name} holds images of {shown}{more}; pass a resolution to make them equal, as resolution=64")


def workers() -> int:
    return min(32, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def read_headers(items: Items, chosen: range) -> list[Header | Unreadable]:
    """The headers of the chosen pictures, in order; of an array one, for all are alike."""
    if isinstance(items, ArrayItems):
        return [items.header(0)]

    def one(i: int) -> Header | Unreadable:
        try:
            return items.header(i)
        except Unreadable as error:
            return error

    with ThreadPoolExecutor(workers()) as pool:
        return list(pool.map(one, chosen))


def _rows(items: Items, how: How) -> Iterator[Row | Unreadable]:
    """Every picture converted, in order, by as many threads as there are cores; few blocks wait at a time."""

    def block(start: int) -> list[Row | Unreadable]:
        out: list[Row | Unreadable] = []
        for i in range(start, min(start + _BLOCK, len(items))):
            try:
                out.append(items.row(i, how))
            except Unreadable as error:
                out.append(error)
        return out

    threads = workers()
    waiting: deque[Future[list[Row | Unreadable]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(items), _BLOCK):
            waiting.append(pool.submit(block, start))
            if len(waiting) > 2 * threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
