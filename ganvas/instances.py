"""Instances as conditions: those that a model keeps of its data, so that seeds alone sample, and any pictures.

A model that is conditioned on the features of instances keeps some, and says which network made the features; a small
network travels with it.  Not here: how features and neighbours of a data set are made (data/), networks (features/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ganvas import features, rows
from ganvas import rng as random
from ganvas.data import Dataset, Instances
from ganvas.data import features as data_features
from ganvas.errors import InputError
from ganvas.features import Extractor, travel
from ganvas.ops.pixels import to_uint8

if TYPE_CHECKING:
    from ganvas.gan import GAN, Batch, Given, Picture

Image = Any  # a path, a Pillow image, or float [C, H, W] in [-1, 1]
TOLERANCE = 1e-3  # of a feature's length


@dataclass(frozen=True)
class Stored:
    """What travels with a model: S instances, and the network that made their features."""

    h: Tensor  # [S, F] float32, unit length
    y: Tensor | None = None  # [S, k] int64: the classes of each instance's neighbours; None without classes
    network: dict[str, Any] = field(default_factory=dict)  # its name, the SHA-256 of its weights, its resize
    weights: dict[str, Tensor] = field(default_factory=dict)  # its own, where it travels with the model
    fit: str = "crop"  # how pictures of other shapes were made square for training

    def __len__(self) -> int:
        return len(self.h)

    def pick(self, seeds: Sequence[int], y: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """An instance for each seed, uniform, and the class of one of its neighbours.  -> h [N, F], y [N] or None

        y [N]: classes asked for.  Then instance and neighbour are drawn from those pairs whose neighbour has the
        class; of a class that no neighbour has, any instance.
        """
        u = torch.stack([torch.rand(2, generator=random.generator("instance", seed)) for seed in seeds])
        if y is None or self.y is None:
            index = _which(u[:, 0], len(self))
            return self.h[index], None if self.y is None else self.y[index, _which(u[:, 1], self.y.shape[1])]
        chosen = []
        for wanted, at in zip(y.tolist(), u[:, 0]):
            having = (self.y == wanted).nonzero()[:, 0]
            chosen.append(having[_which(at, len(having))] if len(having) else _which(at, len(self)))
        return self.h[torch.stack(chosen)], y.cpu()

    def classes_near(self, h: Tensor, seeds: Sequence[int]) -> Tensor | None:
        """The class of a neighbour of the stored instance that is nearest to each feature.  [N, F] -> [N] or None"""
        if self.y is None or not len(self):
            return None
        u = torch.cat([torch.rand(1, generator=random.generator("class like", seed)) for seed in seeds])
        return self.y[(h.cpu() @ self.h.T).argmax(1), _which(u, self.y.shape[1])]


def _which(u: Tensor, count: int) -> Tensor:
    """Uniform numbers in [0, 1) as uniform indices below count."""
    return (u * count).long().clamp(max=count - 1)


def stored(data: Dataset) -> Stored:
    """The instances that a data set of instances has chosen to travel, and their network if that travels too."""
    assert isinstance(data, Instances), "a paper that reads instances is given some"
    chosen, network = data.stock, data.extractor
    near = None if chosen.near is None else torch.from_numpy(chosen.near)
    weights: dict[str, Tensor] = {}
    if travel.travels(name := str(network["features"])):
        weights = data_features.network(data.images, name).state_dict()
    return Stored(torch.from_numpy(chosen.h), near, network, weights, data.preprocessing.get("fit", "crop"))


def drawn(gan: GAN, seeds: Sequence[int], y: Tensor | None = None) -> Given:
    """The condition that seeds, and classes if they were asked for, decide.  Raises InputError where none are stored"""
    kept = expected(gan)
    if not len(kept):
        raise InputError("this model keeps no instances, so seeds alone do not sample it; give pictures (like)")
    h, classes = kept.pick(seeds, y)
    return condition(gan, h, classes)


def like(
    gan: GAN, pictures: Sequence[Image], seeds: Sequence[int], y: Tensor | None, weights: str | Path | None
) -> Given:
    """The condition of samples that are like pictures, these in equal shares, the first first.

    y [N]: classes asked for; else, where there are classes, those of what is stored near a picture.
    """
    if not pictures:
        raise InputError("like was given no picture; give one or more")
    n, h = len(seeds), encode(gan, pictures, weights)
    h = h[[i * len(h) // n for i in range(n)]]
    if y is None and gan.config.num_classes:
        y = expected(gan).classes_near(h, seeds)
    if y is None and gan.config.num_classes:
        raise InputError("this model has classes but none are stored with its instances; say which (classes)")
    return condition(gan, h, y)


def condition(gan: GAN, h: Tensor, y: Tensor | None) -> Given:
    """Features, and classes where the model has some, on its device."""
    from ganvas.gan import Given

    return Given(y=y.to(gan.device) if y is not None and gan.config.num_classes else None, h=h.to(gan.device))


def expected(gan: GAN) -> Stored:
    """What the model keeps.  Raises InputError"""
    if gan.reads != "instances":
        raise InputError(f"{gan.title} is not conditioned on instances; leave pictures out, or use an IC-GAN")
    if gan.stored is None:
        raise InputError("this model does not say which network its conditions are of; give features (given)")
    return gan.stored


@torch.no_grad()
def encode(gan: GAN, pictures: Sequence[Image], weights: str | Path | None = None) -> Tensor:
    """Features of pictures as the model's conditions are.  -> float32 [N, F], unit length

    weights: a file for a network that does not travel with the model.  Raises InputError, also for weights of another
    network.
    """
    kept = expected(gan)
    x = torch.from_numpy(np.stack([pixels(gan, picture, kept.fit) for picture in pictures]))
    return normalize(network_of(gan, weights)(x.to(gan.device)).features.float(), dim=1)


def network_of(gan: GAN, weights: str | Path | None = None) -> Extractor:
    """The network that made the features that the model was trained with.  Raises InputError"""
    kept = expected(gan)
    said = f"{kept.network.get('name')} ({str(kept.network.get('weights', 'as published'))[:12]})"
    if kept.weights:
        if weights is not None:
            raise InputError(f"{weights} given, but the network {said} travels with this model; leave weights out")
        network = travel.rebuilt(kept.network, kept.weights, gan.config.shape)
    else:
        network = features.extractor(str(kept.network.get("features")), weights=weights)
    known = kept.network.get("weights")  # of published models the name alone is known
    if known is not None and network.weights_hash != known:
        found = f"{network.name} ({network.weights_hash[:12]})"
        raise InputError(f"features of {found} given, this model was trained with those of {said}; give its weights")
    return network.to(gan.device)


def pixels(gan: GAN, picture: Image, fit: str) -> np.ndarray:
    """A picture as the training images were made.  -> uint8 [C, R, R]"""
    from ganvas import translation
    from ganvas.data import decode, grid

    c = gan.config
    if isinstance(picture, Tensor):
        if picture.dim() != 3 or picture.shape[0] not in (1, 3):
            raise InputError(f"a tensor of {list(picture.shape)} given, expected a picture [C, H, W] in [-1, 1]")
        picture = grid.to_pil(to_uint8(picture).cpu().numpy())
    return decode.pixels(translation.picture(picture, c.channels), decode.How(c.resolution, c.channels, fit))


def checked(gan: GAN, h: Tensor) -> None:
    """Raises InputError where h are no features of unit length, as many as G was trained with."""
    dim = gan.blank(1, gan.device).given.h
    if dim is None:
        raise InputError(f"{gan.title} is not conditioned on instances; leave features and pictures out")
    if h.dim() != 2 or h.shape[1] != dim.shape[1]:
        raise InputError(
            f"features of shape {list(h.shape)} given, this model takes [N, {dim.shape[1]}]: they are another network's"
        )
    length = h.norm(dim=1)
    if not bool(((length - 1).abs() < TOLERANCE).all()):
        raise InputError(f"features of length {length.max().item():.3g} given, expected 1: divide each by its length")


def sheet(gan: GAN, real: Batch) -> Picture:
    """Of ten instances a row each: a real neighbour, then seven samples."""
    from ganvas.gan import Given, Picture

    if gan.stored is not None and len(gan.stored) and len(real.x) < 2:
        return Picture(gan.sample(64, seed=0), 8)
    assert real.given.h is not None
    n, at = min(10, len(real.x)), slice(0, None, max(1, len(real.x) // 10))
    x, given = real.x[at][:n], rows.take(condition(gan, real.given.h, real.given.y), at)
    of_all = (None if t is None else t[:n].repeat_interleave(7, 0) for t in (given.y, given.h))
    made = gan.sample(7 * n, seed=0, given=Given(*of_all), batch=64 if x.shape[-1] <= 64 else 8)
    return Picture(torch.cat([x[:, None].to(made), made.unflatten(0, (n, 7))], 1).flatten(0, 1), 8)
