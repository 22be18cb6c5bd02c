"""One picture: from a file's bytes to uint8 pixels of the wanted size.  Nothing here knows of folders or caches.

Rules, recorded in `Images.preprocessing`: EXIF orientation is honoured; what is transparent shows white; 16-bit grey is
scaled; grey is ITU-R 601 luma; a picture is cut or padded to a square and resized by Pillow's Lanczos filter, whose
support grows when it shrinks a picture (antialiasing). Of an animation the first frame counts. Colour profiles are
ignored.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import Image

FITS = ("crop", "pad", "stretch")
FILTER = "lanczos"
BACKGROUND = "white"
MAX_PIXELS = 89_478_485  # Pillow's own threshold: a quarter of a gibibyte as RGB; more is a bomb or a map
_NAMES = "jpg jpeg jfif png webp avif bmp gif tif tiff ppm pgm pbm pnm"
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())  # file names that are taken for images

SIXTEEN = ("PNG", "PPM")  # formats whose 16 bits Pillow may hold in 32

_WHITE = 255
_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # of 8 bits, by number of channels
OPACITY = (2, 4)  # numbers of channels of which the last is opacity
_ALPHA_MODES = frozenset({"LA", "La", "RGBA", "RGBa", "PA"})
_ORIENTATION = 0x0112  # EXIF tag; values 2..8 mirror or turn
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Unreadable(Exception):
    """A picture that cannot be decoded; the message is the reason, in a few words."""


@dataclass(frozen=True)
class How:
    """What every picture is turned into: uint8 [channels, resolution, resolution], or [channels, resolution, width]."""

    resolution: int
    channels: int
    fit: str = "crop"
    width: int | None = None  # None: square

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)"""
        return self.resolution, self.resolution if self.width is None else self.width


@dataclass(frozen=True)
class Header:
    """What a picture says of itself before it is decoded, upright (after EXIF)."""

    height: int
    width: int
    channels: int  # 1 grey, 3 colour; transparency is not counted
    mode: str  # Pillow's name of the pixel format


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Pillow warns of huge or odd files on stderr; here they are refused by name instead. Enter in the main thread."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def header(file: IO[bytes]) -> Header:
    """Size and format of a picture, without decoding its pixels. Raises Unreadable."""
    with _reasons():
        return _header(_open(file))


def look(file: IO[bytes], transparent: bool = False) -> tuple[Header, Image.Image]:
    """What a picture says of itself, and itself decoded: upright, opaque, mode L or RGB. Raises Unreadable.

    transparent: what shows through is kept, mode RGBA.
    """
    with _reasons():
        image = _open(file)
        said = _header(image)
        if image.mode == "I" and image.format not in SIXTEEN:
            raise Unreadable("32-bit pixels have no agreed range")
        image.load()
        turn = _TURNS.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
        return said, upright.convert("RGBA") if transparent and upright.mode[0] not in "IF" else plain(upright)


def plain(image: Image.Image) -> Image.Image:
    """Any pixel format -> L or RGB with 8 bits a channel, composited on white. Raises Unreadable."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image)
    grey = _is_grey(image)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        front = image.convert("RGBA")
        back = Image.new("RGBA", image.size, (_WHITE, _WHITE, _WHITE, _WHITE))
        image = Image.alpha_composite(back, front).convert("RGB")
    return image.convert("L" if grey else "RGB")


def pixels(image: Image.Image, how: How) -> np.ndarray:
    """A plain picture -> uint8 [C, R, R]; of two or four channels the last is opacity."""
    wanted = MODES[how.channels]
    if image.mode != wanted:
        image = image.convert(wanted)
    x = np.asarray(_fitted(image, how))
    return x[None] if x.ndim == 2 else np.ascontiguousarray(x.transpose(2, 0, 1))


def _fitted(image: Image.Image, how: How) -> Image.Image:
    """A plain picture, given the wanted shape as `fit` says and resized."""
    width, height = image.size
    rows, columns = how.size
    size = (columns, rows)
    box = (0, 0, width, height)
    if how.fit == "crop":
        inner_width, inner_height = min(width, _share(height, columns, rows)), min(height, _share(width, rows, columns))
        left, top = (width - inner_width) // 2, (height - inner_height) // 2
        box = (left, top, left + inner_width, top + inner_height)
    elif how.fit == "pad" and width * rows != height * columns:
        return _padded(image, size)
    if box == (0, 0, width, height) and image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box=box)


def _share(side: int, of: int, to: int) -> int:
    """side * of / to, rounded, at least 1."""
    return max(1, round(side * of / to))


def _padded(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The whole picture, as large as fits into `size` (width, height), centred on white."""
    scale = min(wanted / side for wanted, side in zip(size, image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.LANCZOS)
    back = Image.new(image.mode, size, "white")
    back.paste(small, ((size[0] - width) // 2, (size[1] - height) // 2))
    return back


def _open(file: IO[bytes]) -> Image.Image:
    image = Image.open(file)
    if image.width * image.height > MAX_PIXELS:
        raise Unreadable(f"{image.width}x{image.height} pixels are too many")
    return image


def _header(image: Image.Image) -> Header:
    width, height = image.size
    if _orientation(image) >= 5:  # lies on its side
        width, height = height, width
    return Header(height, width, 1 if _is_grey(image) else 3, image.mode)


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def _is_grey(image: Image.Image) -> bool:
    """By format, not by content: an RGB file whose channels happen to be equal is colour; a grey palette is grey."""
    if image.mode in ("P", "PA"):
        palette = image.getpalette("RGB")
        if palette is None:
            return True
        colours = np.asarray(palette, dtype=np.uint8).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return image.mode in _GREY_MODES


def _from_deep(image: Image.Image) -> Image.Image:
    """More than 8 bits of grey: 0..65535 -> 0..255, scaled and rounded, never clipped."""
    x = np.asarray(image)
    if image.mode == "F":
        raise Unreadable("floating-point pixels have no agreed range")
    if x.size and (x.min() < 0 or x.max() > 65535):
        raise Unreadable("32-bit pixels have no agreed range")
    return Image.fromarray(np.rint(x.astype(np.float32) * (255.0 / 65535.0)).astype(np.uint8))


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn whatever a decoder raises into Unreadable with a short reason.

    Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, zlib.error, IndexError and more on damaged
    files, so every Exception is caught: a file from outside must never end a run with a traceback.
    """
    try:
        yield
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable("too many pixels") from None
    except Image.UnidentifiedImageError:
        raise Unreadable("not an image") from None
    except MemoryError:
        raise Unreadable("not enough memory to decode it") from None
    except Exception as error:
        text = str(error).strip().splitlines()
        raise Unreadable(text[0][:120] if text else type(error).__name__) from None
