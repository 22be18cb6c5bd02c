"""Images of one domain as images of the other: any size, a picture, a file or a tensor, whole or in tiles.

Here: what every paper on pairs of images has; how an image becomes what a generator takes, and back.  Not here: which
generator that is (a paper's `toward`), files in and files out (cli/translate.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from ganvas import config
from ganvas.config import ANY, only
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Given, Picture, Request, evaluating
from ganvas.ops.pixels import to_float, to_uint8

if TYPE_CHECKING:
    from PIL.Image import Image as Pillow

Image = Any  # a Pillow image, a path, or float [C, H, W] or [N, C, H, W] in [-1, 1]
ROWS = 8  # pairs on a run's picture
SMALLEST_TILE = 64


class Config(config.Config):
    """What is read, and for how long: the fields of every paper on pairs.  `channels` are those of domain B."""

    resolution: int = 256  # pixels of height, and of width too where `width` is 0
    width: int = 0  # pixels, of oblong images
    channels_A: int = 3
    load_size: int = 0  # height at which images are loaded, to be cropped at random (CycleGAN: 286); 0: no crop
    paired: bool = True  # a and b of a row belong together; false: either side in an order of its own
    flip: bool = only(True, resolution=ANY)
    epochs: int = 200  # passes over the data, where `images` is not said
    epochs_constant: int = only(100, lr_schedule="epochs")  # then the learning rate falls, to 0 at `epochs`
    lr_schedule: Literal["epochs", "constant", "linear", "cosine"] = "epochs"  # type: ignore[assignment]
    images: int = 80_000  # the 400 pairs of Facades 200 times

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.resolution, self.width or self.resolution)

    @property
    def by_epochs(self) -> bool:
        """Does the learning rate go by epochs of the data?"""
        return self.lr_schedule == "epochs"

    def reading(self) -> dict[str, Any]:
        return {"channels_A": self.channels_A, "load_size": self.load_size, "paired": self.paired}

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if self.conditional or self.num_classes:
            raise ValueError("images that are made of images have no classes: set conditional=false")
        if self.load_size and self.load_size < self.resolution:
            raise ValueError(f"load_size={self.load_size}, expected the resolution of {self.resolution} or more")
        if self.by_epochs and self.epochs_constant > self.epochs:
            raise ValueError(f"epochs_constant={self.epochs_constant}, expected at most epochs={self.epochs}")
        return self


def lr_share(c: Config, epoch: int) -> float:
    """1, then from epoch `epochs_constant` on in equal steps to 0, which is the last epoch's (CycleGAN).

    epoch: whole passes so far.
    """
    over = max(0, epoch + 2 - c.epochs_constant)
    return max(0.0, 1.0 - over / (c.epochs - c.epochs_constant + 1))


def blank(c: Config, n: int, device: torch.device) -> Batch:
    """Empty pairs in the shape of what is read."""
    x = torch.zeros((n, *c.shape), device=device)
    return Batch(x, Given(source=x.new_zeros((n, c.channels_A, *c.shape[1:]))))


def given(request: Request) -> Given:
    """The images to translate, the code of such a paper; seeds play no part.  Raises InputError without images."""
    if request.given.source is None:
        raise InputError("this model makes images of images, not of seeds; use ganvas translate, or gan.translate")
    return Given(source=request.given.source)


def translate(
    gan: GAN, image: Image, to: str = "b", tile: int = 0, progress: Callable[[int, int], None] | None = None
) -> Any:
    """The image in domain `to` ("a" or "b"), in its own size.  -> a Pillow image, or of a tensor a tensor

    tile: work in tiles of so many pixels a side, for images that memory would not hold; 0: at once.  The result is the
    same up to rounding.  Raises InputError.
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
def forward(gan: GAN, net: Any, x: Tensor, tile: int, progress: Callable[[int, int], None] | None) -> Tensor:
    """x through the generator, on the GAN's device.  [N, C, H, W] -> float [N, C', H, W]"""
    if tile and tile < SMALLEST_TILE:
        raise InputError(f"tiles of {tile} pixels given, expected {SMALLEST_TILE} or more, as 512")
    with evaluating(gan):
        if not tile or max(x.shape[2:]) <= tile:
            return net(x.to(gan.device)).float()
        return net.in_tiles(x, tile, progress).float()


def picture(image: Pillow | str | Path, channels: int, size: tuple[int, ...] | None = None) -> Pillow:
    """A picture or a file, upright, with the channels that a generator takes.  size: (height, width), or its own"""
    from PIL import Image as pillow
    from PIL import ImageOps

    from ganvas.data.decode import MODES, OPACITY, Unreadable, look, plain, quiet_pillow

    try:
        if isinstance(image, str | Path):
            with quiet_pillow(), Path(image).expanduser().open("rb") as file:
                found = look(file, channels in OPACITY)[1]
        elif isinstance(image, pillow.Image):
            found = ImageOps.exif_transpose(image)
        else:
            raise InputError(f"{type(image).__name__} given, expected a Pillow image, a path, or a tensor in [-1, 1]")
        found = (found if channels in OPACITY else plain(found)).convert(MODES[channels])
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
    cells = [x[:, :1].expand(-1, 3, -1, -1) if x.shape[1] < 3 else x[:, :3] for x in cells]
    return Picture(torch.stack(cells, 1).flatten(0, 1).float(), len(cells))
