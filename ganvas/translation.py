"""Images of one domain as images of the other: any size, a picture, a file or a tensor, whole or in tiles.

Here: how an image becomes what a generator takes, and back.  Not here: which generator that is (a paper's `toward`),
files in and files out (cli/translate.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Picture, evaluating
from ganvas.ops.pixels import to_float, to_uint8
from ganvas.ops.tiles import by_tiles

if TYPE_CHECKING:
    from PIL.Image import Image as Pillow

Image = Any  # a Pillow image, a path, or float [C, H, W] or [N, C, H, W] in [-1, 1]
ROWS = 8  # pairs on a run's picture
SMALLEST_TILE = 64


def translate(
    gan: GAN, image: Image, to: str = "b", tile: int = 0, progress: Callable[[int, int], None] | None = None
) -> Any:
    """The image in domain `to` ("a" or "b"), in its own size.  -> a Pillow image, or of a tensor a tensor

    tile: work in tiles of so many pixels a side, blended where they overlap, for images that memory would not hold;
    0: at once.  Instance norm sees each tile by itself (`ops.tiles`), so take large ones.  Raises InputError.
    """
    net = generator(gan, to)
    if isinstance(image, Tensor):
        x = image if image.dim() == 4 else image[None]
        if image.dim() not in (3, 4) or x.shape[1] != net.channels_in:
            expected = f"[{net.channels_in}, H, W] or [N, {net.channels_in}, H, W] in [-1, 1]"
            raise InputError(f"a tensor of {list(image.shape)} given, expected {expected}")
        made = forward(gan, net, x, tile, progress)
        return made if image.dim() == 4 else made[0]
    from ganvas.data import grid

    made = forward(gan, net, to_tensor(picture(image, net.channels_in)), tile, progress)
    return grid.to_pil(to_uint8(made)[0].cpu().numpy())


def generator(gan: GAN, to: str) -> Any:
    """The paper's generator towards that domain.  Raises InputError where there is none."""
    if to not in ("a", "b"):
        raise InputError(f"to={to!r} given, expected 'a' or 'b', the domain that images are translated to")
    return gan.toward(to)


@torch.no_grad()
def forward(gan: GAN, net: nn.Module, x: Tensor, tile: int, progress: Callable[[int, int], None] | None) -> Tensor:
    """x through the generator, on the GAN's device.  [N, C, H, W] -> float [N, C', H, W]"""
    if tile and tile < SMALLEST_TILE:
        raise InputError(f"tiles of {tile} pixels given, expected {SMALLEST_TILE} or more, as 512")
    with evaluating(gan):
        if not tile or max(x.shape[2:]) <= tile:
            return net(x.to(gan.device)).float()
        overlap = tile // 4
        return by_tiles(
            lambda part: net(part.to(gan.device)).float(), x, tile, overlap, margin=overlap // 4, progress=progress
        )


def picture(image: Pillow | str | Path, channels: int, size: tuple[int, ...] | None = None) -> Pillow:
    """A picture or a file, upright, with the channels that a generator takes.  size: (height, width), or its own"""
    from PIL import Image as pillow
    from PIL import ImageOps

    from ganvas.data.decode import Unreadable, look, plain, quiet_pillow

    try:
        if isinstance(image, str | Path):
            with quiet_pillow(), Path(image).expanduser().open("rb") as file:
                found = look(file, channels == 4)[1]
        elif isinstance(image, pillow.Image):
            found = ImageOps.exif_transpose(image)
        else:
            raise InputError(f"{type(image).__name__} given, expected a Pillow image, a path, or a tensor in [-1, 1]")
        found = (found if channels == 4 else plain(found)).convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])
    except OSError as error:
        raise InputError(f"{image} cannot be read: {error.strerror or error}") from None
    except Unreadable as error:
        raise InputError(f"{image} cannot be read: {error}") from None
    return found if size is None else found.resize((size[1], size[0]), pillow.Resampling.LANCZOS)


def to_tensor(image: Pillow) -> Tensor:
    """A picture -> float [1, C, H, W] in [-1, 1]"""
    import numpy as np

    return to_float(torch.from_numpy(np.atleast_3d(np.asarray(image)).transpose(2, 0, 1).copy()))[None]


@torch.no_grad()
def strip(gan: GAN, real: Batch) -> Picture:
    """A row for each of some pairs, evenly spread: input, output, truth, cycle; from A to B, then from B to A."""
    n = len(real.x)
    chosen = torch.linspace(0, n - 1, min(ROWS, n)).long()
    a, b = (x[chosen.to(x.device)].to(gan.device) for x in (real.given.source, real.x) if x is not None)
    cells = []
    with evaluating(gan):
        for source, truth, to, back in ((a, b, "b", "a"), (b, a, "a", "b")):
            made = generator(gan, to)(source)
            cells += [source, made, truth, generator(gan, back)(made)]
    cells = [x.float().expand(-1, 3, -1, -1) if x.shape[1] == 1 else x.float()[:, :3] for x in cells]
    return Picture(torch.stack(cells, 1).flatten(0, 1), len(cells))
