"""Pictures of samples: grids of images, plots of points, films of either."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ganvas.files import write_atomic

if TYPE_CHECKING:
    from ganvas.gan import Picture

GREY, BLUE = (190, 190, 190), (30, 90, 200)
CHOSEN_FROM = 20_000  # pixels of a film's picture that its colours are chosen from
MIN_CELL = 48  # small images are enlarged, pixel by pixel, to at least this many


def to_pil(x: np.ndarray) -> Image.Image:
    """uint8 [C, H, W] -> a picture: grey or RGB, of 2 or 4 channels with opacity"""
    return Image.fromarray(x[0] if x.shape[0] == 1 else np.ascontiguousarray(x.transpose(1, 2, 0)))


def grid(x: np.ndarray, columns: int | None = None, gap: int = 2) -> Image.Image:
    """uint8 [N, C, H, W] -> one picture, row by row, on white; small images enlarged without smoothing."""
    n, c, h, w = x.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    scale = max(1, math.ceil(MIN_CELL / max(h, w)))
    cell_h, cell_w = h * scale + gap, w * scale + gap
    sheet = np.full((c, rows * cell_h + gap, columns * cell_w + gap), 255, np.uint8)
    for i, image in enumerate(x):
        top, left = gap + (i // columns) * cell_h, gap + (i % columns) * cell_w
        sheet[:, top : top + h * scale, left : left + w * scale] = image.repeat(scale, 1).repeat(scale, 2)
    return to_pil(sheet)


def cloud(points: np.ndarray, real: np.ndarray | None = None, side: int = 512) -> Image.Image:
    """float [N, D] -> a picture: of one coordinate its histogram, of two or more the plane of the first two.

    Real points are grey, samples blue; the frame is that of the data.
    """
    reference = real if real is not None and len(real) else points
    draw = histogram if points.shape[1] == 1 else scatter
    return draw(points, real, 1.15 * float(np.abs(reference).max()) or 1.0, side)


def scatter(points: np.ndarray, real: np.ndarray | None, reach: float, side: int) -> Image.Image:
    """Points [N, D] in the square [-reach, reach]^2 of their first two coordinates."""
    picture = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(picture)
    for some, colour in ((real, GREY), (points, BLUE)):
        for px, py in [] if some is None else ((some[:, :2] * [1, -1] / reach + 1) / 2 * side).tolist():
            draw.ellipse((px - 1.5, py - 1.5, px + 1.5, py + 1.5), fill=colour)
    return picture


def histogram(points: np.ndarray, real: np.ndarray | None, reach: float, side: int, bins: int = 64) -> Image.Image:
    """Points [N, 1] as shares of bins over [-reach, reach]: the real ones filled, the samples as a line over them."""
    picture = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(picture)
    edges = np.linspace(-reach, reach, bins + 1)
    shares = {
        colour: np.histogram(some[:, 0], edges)[0] / len(some)
        for some, colour in ((real, GREY), (points, BLUE))
        if some is not None and len(some)
    }
    top, width = 1.1 * max(float(s.max()) for s in shares.values()) or 1.0, side / bins
    for colour, share in shares.items():
        heights = side * (1 - share / top)
        if colour == GREY:
            for i, y in enumerate(heights.tolist()):
                draw.rectangle((i * width, y, (i + 1) * width, side), fill=colour)
        else:
            corners = [(x, y) for i, y in enumerate(heights.tolist()) for x in (i * width, (i + 1) * width)]
            draw.line(corners, fill=colour, width=2)
    return picture


def drawn(picture: Picture) -> Image.Image:
    """A grid of images, or a cloud of points, by the shape of x."""
    from ganvas.ops.pixels import to_uint8

    x = picture.x.detach().cpu()
    if x.dim() == 2:
        return cloud(x.numpy(), picture.real.cpu().numpy() if picture.real is not None else None)
    return grid(to_uint8(x).numpy(), picture.columns)


def save(image: Image.Image, path: Path) -> None:
    """The picture at `path`, in the format that its ending names, atomically."""
    write_atomic(path, image.save)


def film(frames: Sequence[Path], path: Path, seconds: float = 8.0, most: int = 120, size_bytes: int = 8 << 20) -> None:
    """An endless GIF of pictures of one size, thinned to `most` frames, the last one held for two seconds.

    What comes out larger than `size_bytes` is drawn again, smaller and with fewer frames.
    """
    width = 0  # 0: as the pictures are
    for _ in range(6):
        step = max(1, math.ceil(len(frames) / most))
        pictures = [reduced(Image.open(p), width) for p in [*frames[:-1:step], frames[-1]]]
        save_film(pictures, path, seconds)
        if (size := path.stat().st_size) <= size_bytes:
            return
        share = (0.9 * size_bytes / size) ** (1 / 3)  # of width, of height, and of the number of frames
        width, most = max(32, int(pictures[0].width * share)), max(8, int(min(most, len(pictures)) * share))


def reduced(picture: Image.Image, width: int) -> Image.Image:
    """The picture in this width, in its own proportions; 0: as it is"""
    if not width:
        return picture
    return picture.convert("RGB").resize((width, max(1, round(picture.height * width / picture.width))))


def save_film(pictures: Sequence[Image.Image], path: Path, seconds: float = 8.0) -> None:
    """An endless GIF of pictures of one size, the last one held for two seconds."""
    images = [indexed(picture) for picture in pictures]
    each = max(40, int(1000 * seconds / len(images)))
    durations = [each] * (len(images) - 1) + [2000]
    write_atomic(path, lambda p: images[0].save(p, save_all=True, append_images=images[1:], duration=durations, loop=0))


def indexed(picture: Image.Image) -> Image.Image:
    """The picture in 256 colours, which are chosen from about `CHOSEN_FROM` of its pixels.

    Pillow's choice from all of them takes a second for a grid of photos, and comes out a twentieth nearer.
    """
    picture = picture.convert("RGB")
    step = max(1, int((picture.width * picture.height / CHOSEN_FROM) ** 0.5))
    some = picture.resize((max(1, picture.width // step), max(1, picture.height // step)), Image.Resampling.NEAREST)
    return picture.quantize(palette=some.quantize(256), dither=Image.Dither.NONE)
