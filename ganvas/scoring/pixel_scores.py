"""What a discriminator says of every pixel, as a picture: samples, real images and mixes of both over their maps.

Here: which images, and how a map is drawn.  Not here: the map itself (each paper's `pixel_scores`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ganvas import data as datasets
from ganvas import rng, sampling
from ganvas.data import Wanted
from ganvas.engine.feed import Feed
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Given, Picture, evaluating
from ganvas.ops.cutmix import cutmix_masks, mix

COLUMNS = 8


@torch.no_grad()
def maps(gan: GAN, x: Tensor, given: Given) -> Tensor:
    """The probability that each pixel is real, from black (0) to white (1).  -> [N, C, H, W] in [-1, 1]"""
    with evaluating(gan):
        logits = gan.pixel_scores(x, given)
    if logits is None:
        raise InputError(f"D of this model scores whole images, not pixels ({gan.title}); leave --scores out")
    return (2 * torch.sigmoid(logits.float()) - 1).expand_as(x)


def of_samples(gan: GAN, n: int, seed: int, classes: Sequence[int | str] | None) -> Picture:
    """Rows of samples, each over the row of its maps."""
    y = sampling.class_indices(gan, classes, n)
    given = sampling.condition(gan, list(range(seed, seed + n)), y, 0)
    x = gan.sample(n, seed, given=given)
    return rows_of([x, maps(gan, x, given)])


def of_both(gan: GAN, real: Batch, seed: int) -> Picture:
    """Rows of real images, of samples of the same classes, and of mixes of the two, each over the row of its maps."""
    n, _, h, w = real.x.shape
    given = real.given if gan.config.num_classes else replace(real.given, y=None)
    fake = gan.sample(n, seed, given=given)
    mixed = mix(real.x, fake, cutmix_masks(n, h, w, rng.generator("mix", seed)).to(real.x.device))
    return rows_of([part for x in (real.x, fake, mixed) for part in (x, maps(gan, x, given))])


def real_images(gan: GAN, data: str, n: int, seed: int) -> Batch:
    """n images of a data set, drawn by the seed, as the model's D wants them.  Raises InputError."""
    k = gan.config.num_classes
    images = datasets.READERS[gan.reads].load(data, Wanted(gan.config.shape))
    index = torch.randperm(len(images), generator=rng.generator("real", seed))[:n]
    real = images.rows(Feed(images, seed, gan.device).take, index, None, torch.full((len(index), images.chances), 0.5))
    if k and (real.given.y is None or len(images.class_names) != k):
        raise InputError(f"{data} has {len(images.class_names)} classes, the model has {k}; give data like its own")
    return real


def rows_of(parts: Sequence[Tensor]) -> Picture:
    """Pictures of one size, in blocks of a row of each part; a last row that is not full ends in white."""
    n = len(parts[0])
    columns = min(n, COLUMNS)
    missing = parts[0].new_ones(-n % columns, *parts[0].shape[1:])
    full = [torch.cat([part, missing]).unflatten(0, (-1, columns)) for part in parts]
    return Picture(torch.stack(full, 1).flatten(0, 2), columns)
