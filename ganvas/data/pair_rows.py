"""The pictures of pairs by number: one side, or both at once, so that a row is whole or left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganvas.data.build import read_headers
from ganvas.data.decode import OPACITY, Header, How, Unreadable, header, look, pixels, plain
from ganvas.data.pair_files import Found
from ganvas.data.source import Row, open_file


class PairRows:
    """Rows of one side, or of both with their channels one after the other: `Items`.  sides: 0 is A, 1 is B"""

    def __init__(self, found: Found, sides: list[int], channels: tuple[int, ...], same_size: bool = False) -> None:
        self._files = [(found.a, found.b)[side].files for side in sides]
        # Of two sides the names that both have: `Found.is_paired` has refused others, the doctor has named them.
        self._names = [name for name in self._files[0] if name in self._files[-1]]
        self._halves = found.halves
        self._sides = sides
        self._channels = channels
        self._same_size = same_size

    def __len__(self) -> int:
        return len(self._names)

    def name(self, i: int) -> str:
        return self._names[i]

    def header(self, i: int) -> Header:
        said = _read(self._files[0][self._names[i]], header)
        return replace(said, width=said.width // 2) if self._halves else said

    def look(self, i: int) -> tuple[Header, Image.Image]:
        return self.header(i), self.pictures(i)[0]

    def pictures(self, i: int) -> list[Image.Image]:
        """Each side of row i, upright and of its own size; opaque unless some side has opacity."""
        transparent = any(c in OPACITY for c in self._channels)

        def one(files: dict[str, Path]) -> Image.Image:
            return _read(files[self._names[i]], lambda file: look(file, transparent)[1])

        if not self._halves:
            return [one(files) for files in self._files]
        whole = one(self._files[0])
        if whole.width % 2:
            raise Unreadable(f"{whole.width} pixels wide, which has no halves")
        middle = whole.width // 2
        return [whole.crop((side * middle, 0, (side + 1) * middle, whole.height)) for side in self._sides]

    def row(self, i: int, how: How) -> Row:
        images = self.pictures(i)
        if len(images) == 2 and (trouble := unlike(images[0], images[1], self._same_size, how.fit)):
            raise Unreadable(trouble)
        opaque = [image if c in OPACITY else plain(image) for image, c in zip(images, self._channels)]
        parts = [pixels(image, replace(how, channels=c)) for image, c in zip(opaque, self._channels)]
        sizes = [side for image in images for side in (image.height, image.width)]
        return np.concatenate(parts), tuple(sizes[:2] if sizes[:2] == sizes[2:] else sizes)


def unlike(a: Image.Image, b: Image.Image, same_size: bool, fit: str) -> str | None:
    """Why two pictures are no partners; None: they are.  Shapes may differ by the rounding of one pixel."""
    if a.size == b.size:
        return None
    says = f"A has {a.width}x{a.height} pixels, B {b.width}x{b.height}"
    if abs(a.width * b.height - a.height * b.width) > max(*a.size, *b.size) and (same_size or fit != "stretch"):
        return f"{says}: another shape"
    return f"{says}; a resolution would make them equal" if same_size else None


def _read(path: Path, read: Callable[[Any], Any]) -> Any:
    try:
        with open_file(path) as file:
            return read(file)
    except OSError as error:
        raise Unreadable(f"{path.name}: {error.strerror or error}") from None
    except Unreadable as error:
        raise Unreadable(f"{path.name}: {error}") from None


def headers(found: Found, most: int | None = None) -> tuple[list[Header], list[Header]]:
    """What the readable pictures of A and of B say of themselves; most: of so many at most, evenly spread."""
    sides = []
    for side in (0, 1):
        rows = PairRows(found, [side], (1,))
        chosen = range(0, len(rows), 1 if most is None else -(-len(rows) // most))
        sides.append([said for said in read_headers(rows, chosen) if isinstance(said, Header)])
    return sides[0], sides[1]


def channels_of(said: list[Header]) -> int:
    """1 if every picture is grey, else 3."""
    return 1 if said and all(one.channels == 1 for one in said) else 3
