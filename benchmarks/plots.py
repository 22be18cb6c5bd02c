"""Plots on logarithmic axes as small PNGs, drawn with Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#777777")
WIDTH, HEIGHT = 430, 300
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 26, 40
LINE = 15  # pixels of a line of the legend


@dataclass(frozen=True)
class Line:
    """Points (x, y) under a name; dashed: how it was before, in the colour of its name's other line."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """A plot: title, what the axes say, its lines, and the slope of the grey line that is drawn as a measure."""

    title: str
    across: str
    up: str
    lines: Sequence[Line]
    slope: float | None = None


def draw(panels: Sequence[Panel], path: Path) -> None:
    """The panels side by side, each with its legend below."""
    rows = max(len(names(panel)) for panel in panels)
    image = Image.new("RGB", (WIDTH * len(panels), HEIGHT + LINE * rows + 10), "white")
    for i, panel in enumerate(panels):
        one(ImageDraw.Draw(image), panel, i * WIDTH)
    image.quantize(64).save(path, optimize=True)


def names(panel: Panel) -> list[str]:
    """Of the lines, each once."""
    return list(dict.fromkeys(line.name for line in panel.lines))


def one(pen: ImageDraw.ImageDraw, panel: Panel, left: int) -> None:
    """A panel whose left edge is there."""
    font, small = ImageFont.load_default(13), ImageFont.load_default(11)
    points = [point for line in panel.lines for point in line.points]
    spans = [span([point[axis] for point in points]) for axis in (0, 1)]
    box = (left + LEFT, TOP, left + WIDTH - RIGHT, HEIGHT - BOTTOM)

    def at(point: tuple[float, float]) -> tuple[float, float]:
        share = [(math.log10(v) - low) / (high - low) for v, (low, high) in zip(point, spans)]
        return box[0] + share[0] * (box[2] - box[0]), box[3] - share[1] * (box[3] - box[1])

    pen.text(((box[0] + box[2]) / 2, 12), panel.title, "black", font, "mm")
    pen.text(((box[0] + box[2]) / 2, HEIGHT - 9), panel.across, "black", small, "mm")
    pen.text((left + 4, 12), panel.up, "black", small, "lm")
    xs = sorted({x for x, _ in points})
    for x in xs if len(xs) <= 6 else ticks(spans[0]):
        where = at((x, 10 ** spans[1][0]))[0]
        pen.line((where, box[1], where, box[3]), "#e4e4e4")
        pen.text((where, box[3] + 5), said(x), "black", small, "mt")
    for y in ticks(spans[1]):
        where = at((10 ** spans[0][0], y))[1]
        pen.line((box[0], where, box[2], where), "#e4e4e4")
        pen.text((box[0] - 5, where), said(y), "black", small, "rm")
    pen.rectangle(box, outline="#666666")
    if panel.slope is not None:
        measure(pen, panel.slope, spans, box)
    for k, name in enumerate(names(panel)):
        colour = COLOURS[k % len(COLOURS)]
        for line in (line for line in panel.lines if line.name == name):
            where = [at(point) for point in line.points]
            for a, b in pairwise(where):
                dashed(pen, a, b, colour) if line.dashed else pen.line((*a, *b), colour, 2)
            for x, y in where:
                pen.ellipse((x - 3, y - 3, x + 3, y + 3), "white" if line.dashed else colour, colour)
        y = HEIGHT + 6 + LINE * k
        pen.line((left + LEFT, y, left + LEFT + 18, y), colour, 3)
        before = " (dashed: before)" if any(line.dashed for line in panel.lines if line.name == name) else ""
        pen.text((left + LEFT + 24, y), name + before, "black", small, "lm")


def span(values: Sequence[float]) -> tuple[float, float]:
    """Decimal logarithms between which all values lie, with some room."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.06 * (high - low), 0.08)
    return low - room, high + room


def ticks(span: tuple[float, float]) -> list[float]:
    """Powers of ten within the span; 1, 2 and 5 times them where it is short."""
    steps = (1,) if span[1] - span[0] > 2.2 else (1, 2, 5)
    decades = range(math.floor(span[0]), math.ceil(span[1]) + 1)
    return [k * 10.0**n for n in decades for k in steps if span[0] <= math.log10(k * 10.0**n) <= span[1]]


def said(value: float) -> str:
    """A number as an axis has it."""
    if value >= 1000 and value % 1000 == 0:
        return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1000:g}k"
    return f"{value:.3g}"


def measure(
    pen: ImageDraw.ImageDraw, slope: float, spans: list[tuple[float, float]], box: tuple[int, int, int, int]
) -> None:
    """A grey line of this slope from the lower left corner, to hold the others against."""
    (left, right), (low, high) = spans
    wide = min(right - left, (high - low) / slope)
    x = box[0] + wide / (right - left) * (box[2] - box[0])
    y = box[3] - slope * wide / (high - low) * (box[3] - box[1])
    dashed(pen, (box[0], box[3]), (x, y), "#aaaaaa", 2)


def dashed(
    pen: ImageDraw.ImageDraw, a: tuple[float, float], b: tuple[float, float], colour: str, long: float = 6
) -> None:
    """A broken line."""
    parts = max(int(math.dist(a, b) / long), 1)
    for i in range(0, parts, 2):
        ends = [(p + (q - p) * min(i + k, parts) / parts) for k in (0, 1) for p, q in zip(a, b)]
        pen.line(tuple(ends), colour, 1 if long < 6 else 2)
