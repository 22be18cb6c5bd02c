"""Images as an answer: PNG, WebP, a film, an array or a zip; and uploads, looked at before they are decoded."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from PIL import Image
from torch import Tensor

from ganvas.data import grid
from ganvas.data.decode import Unreadable, header, look
from ganvas.errors import InputError
from ganvas.ops.pixels import to_uint8

Format = Literal["png", "webp", "gif", "npy", "zip"]
MEDIA = {
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "npy": "application/octet-stream",
    "zip": "application/zip",
}
# first bytes -> what a picture may be.  Pillow knows more formats, some of which start other programs.
KNOWN = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"BM", "BMP"))


class Unacceptable(InputError):
    """An upload that is no picture, or one that is too large."""


def encoded(
    x: Tensor, form: Format, columns: int | None = None, gap: int = 0, scale: int = 1, names: Sequence[str] = ()
) -> bytes:
    """Images [N, C, H, W] in [-1, 1] (points: [N, D]) in this format.

    png, webp: one picture, in rows of `columns`; gif: one frame an image; zip: a PNG an image, called as in `names`;
    npy: the floats.
    """
    if form == "npy":
        file = io.BytesIO()
        np.save(file, x.numpy(), allow_pickle=False)
        return file.getvalue()
    if x.dim() == 2:
        return saved(grid.cloud(x.numpy()), "PNG" if form == "zip" else form.upper())
    pixels = to_uint8(x).numpy().repeat(scale, 2).repeat(scale, 3)
    if form == "zip":
        return zipped({name: grid.to_pil(image) for name, image in zip(names, pixels)})
    if form == "gif":
        return film([grid.to_pil(image) for image in pixels])
    return saved(grid.to_pil(sheet(pixels, columns or min(len(pixels), 8), gap)), form.upper())


def sheet(x: np.ndarray, columns: int, gap: int) -> np.ndarray:
    """uint8 [N, C, H, W] -> [C, H', W']: row by row on white, `gap` pixels between and none around."""
    n, c, h, w = x.shape
    rows, columns = -(-n // columns), min(columns, n)
    out = np.full((c, rows * (h + gap) - gap, columns * (w + gap) - gap), 255, np.uint8)
    for i, image in enumerate(x):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        out[:, top : top + h, left : left + w] = image
    return out


def saved(image: Image.Image, form: str) -> bytes:
    """The bytes of a picture."""
    file = io.BytesIO()
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    image.save(file, form, **options)
    return file.getvalue()


def film(pictures: Sequence[Image.Image]) -> bytes:
    """An endless GIF."""
    file = io.BytesIO()
    first, *rest = [picture.convert("RGB") for picture in pictures]
    first.save(file, "GIF", save_all=True, append_images=rest, duration=80, loop=0)
    return file.getvalue()


def zipped(pictures: dict[str, Image.Image]) -> bytes:
    """A zip of PNGs; the same pictures give the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, picture in pictures.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.png"), saved(picture, "PNG"))
    return file.getvalue()


def uploaded(content: bytes, most_pixels: int) -> Image.Image:
    """An uploaded picture, upright, mode L or RGB.  Raises Unacceptable before anything large is decoded."""
    kind = next((name for start, name in KNOWN if content.startswith(start)), None)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "WEBP"
    if kind is None:
        raise Unacceptable("the upload is no picture that is known here; expected PNG, JPEG, WebP, GIF or BMP")
    try:
        said = header(io.BytesIO(content))
        if said.width * said.height > most_pixels:
            size = f"{said.width}x{said.height}"
            raise Unacceptable(f"the picture has {size} pixels, at most {most_pixels:,} are taken; make it smaller")
        return look(io.BytesIO(content))[1]
    except Unreadable as error:
        raise Unacceptable(f"the upload cannot be decoded as {kind} ({error}); save it anew as PNG") from None
