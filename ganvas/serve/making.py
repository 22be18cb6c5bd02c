"""How a request becomes rows and rows become images: the kinds of work that the batcher puts side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ganvas import codes, instances, rows, sampling, translation
from ganvas.errors import InputError
from ganvas.gan import GAN, Given, Request, evaluating
from ganvas.serve.asked import Asked, InterpolateAsked, MixAsked, SampleAsked, TowardAsked
from ganvas.serve.limits import Limits
from ganvas.serve.shelf import Entry, Shelf

TRANSLATED_PIXELS = 2**20  # of a picture that is translated in its own size
TILE = 512


@dataclass(frozen=True)
class Order:
    """What the batcher needs: rows of one key have one shape and one `make`."""

    key: tuple[Any, ...]
    n: int
    most: int
    prepare: Callable[[], Any]
    make: Callable[[Any], Tensor]


@dataclass(frozen=True)
class Judged:
    """Rows that D judges: images or the codes to make them of, and their classes."""

    what: Any
    given: Given


def sample(shelf: Shelf, entry: Entry, asked: SampleAsked, limits: Limits) -> Order:
    """Images of seeds.  Raises InputError for what the model cannot do."""
    must_be_sampled(entry)
    seeds = asked.all_seeds()
    within(entry, len(seeds), asked.scale, limits)
    return decoding(shelf, entry, len(seeds), asked, lambda gan: coded(gan, seeds, asked))


def interpolate(shelf: Shelf, entry: Entry, asked: InterpolateAsked, limits: Limits) -> Order:
    """From seed to seed: each leg without its end, then the last seed's image."""
    must_be_sampled(entry)
    n = (len(asked.seeds) - 1) * asked.steps + 1
    within(entry, n, asked.scale, limits)

    def prepare(gan: GAN) -> Any:
        ends = coded(gan, asked.seeds, asked)
        legs = [
            gan.mix(row(ends, i), row(ends, i + 1), k / asked.steps)
            for i in range(len(asked.seeds) - 1)
            for k in range(asked.steps)
        ]
        return rows.concat([*legs, row(ends, len(asked.seeds) - 1)])

    return decoding(shelf, entry, n, asked, prepare)


def mix(shelf: Shelf, entry: Entry, asked: MixAsked, limits: Limits) -> Order:
    """Between two codes, or among four."""
    must_be_sampled(entry)
    within(entry, len(asked.u), asked.scale, limits)
    vs = asked.v if len(asked.v) == len(asked.u) else asked.v * len(asked.u)

    def prepare(gan: GAN) -> Any:
        ends = coded(gan, asked.seeds, asked)
        made = []
        for u, v in zip(asked.u, vs):
            top = gan.mix(row(ends, 0), row(ends, 1), u)
            made.append(gan.mix(top, gan.mix(row(ends, 2), row(ends, 3), u), v) if len(asked.seeds) == 4 else top)
        return rows.concat(made)

    return decoding(shelf, entry, len(asked.u), asked, prepare)


def toward(shelf: Shelf, entry: Entry, asked: TowardAsked, limits: Limits, code: Path) -> Order:
    """From a code file to the code of a seed.  Raises InputError."""
    must_be_sampled(entry)
    within(entry, len(asked.weights), asked.scale, limits)

    def prepare(gan: GAN) -> Any:
        found = codes.load(gan, [code])
        y = sampling.class_indices(gan, asked.classes, 1)
        found = rows.to(replace(found, **codes.of_class(gan, 1, y)), gan.device)
        end = rows.to(coded(gan, [asked.seed], asked), gan.device)
        return rows.concat([gan.mix(found, end, weight) for weight in asked.weights])

    return decoding(shelf, entry, len(asked.weights), asked, prepare)


def like(shelf: Shelf, entry: Entry, asked: SampleAsked, limits: Limits, picture: Image.Image) -> Order:
    """Images of seeds that are like a picture.  Raises InputError."""
    if not entry.takes_likes:
        raise InputError(f"{entry.id} is not conditioned on pictures; its abilities are {', '.join(abilities(entry))}")
    seeds = asked.all_seeds()
    within(entry, len(seeds), asked.scale, limits)

    def prepare(gan: GAN) -> Any:
        y = sampling.class_indices(gan, spread(asked, len(seeds)), len(seeds))
        given = instances.like(gan, [picture], seeds, y, None)
        return gan.code(Request(seeds, given, asked.truncation, asked.truncation_form))

    return decoding(shelf, entry, len(seeds), asked, prepare)


def judge(shelf: Shelf, entry: Entry, asked: SampleAsked, limits: Limits, picture: Image.Image | None) -> Order:
    """Images of seeds, or one picture, and beside each in the channels' axis what D says of its pixels, black to white.

    -> [N, 2 C, H, W]
    """
    if not entry.judges_pixels:
        raise InputError(f"{entry.id} has no judge of pixels; its abilities are {', '.join(abilities(entry))}")
    seeds = asked.all_seeds() if picture is None else [0]
    within(entry, 2 * len(seeds), asked.scale, limits)

    def prepare() -> Any:
        gan = shelf.load(entry)
        if picture is None:
            y = sampling.class_indices(gan, spread(asked, len(seeds)), len(seeds))
            given = sampling.condition(gan, seeds, y, 0)
            return Judged(gan.code(Request(seeds, given, asked.truncation, asked.truncation_form)), given)
        y = sampling.class_indices(gan, asked.classes or (0 if gan.config.num_classes else None), 1)
        x = translation.to_tensor(fitted(picture, gan.config.channels, gan.config.shape[1:]))
        return Judged(Given(source=x), Given(y=y))

    def make(judged: Judged) -> Tensor:
        gan = shelf.load(entry)
        with evaluating(gan):
            x = judged.what.source.to(gan.device) if picture is not None else sampling.images(gan, judged.what)
            logits = gan.pixel_scores(x, rows.to(judged.given, gan.device))
            assert logits is not None
            return torch.cat([x, (2 * torch.sigmoid(logits.float()) - 1).expand_as(x)], 1)

    return Order((entry.id, entry.stamp, "judge", picture is None), len(seeds), entry.rows_at_once, prepare, make)


def translate(shelf: Shelf, entry: Entry, picture: Image.Image, to: str, own_size: bool) -> Order:
    """A picture in the other domain, in its own size or in that of the training images.  Raises InputError."""
    if entry.seeds_suffice:
        raise InputError(
            f"{entry.id} makes images of seeds, not of images; its abilities: {', '.join(abilities(entry))}"
        )
    height, width = entry.config.shape[1:]
    if own_size:
        width, height = picture.size
        if width * height > TRANSLATED_PIXELS:
            raise InputError(
                f"{width}x{height} pixels given, at most {TRANSLATED_PIXELS:,} are translated in their own size; "
                "ask for size=model, or make the picture smaller"
            )
    channels = translation.generator(entry.blank, to).channels_in

    def prepare() -> Given:
        return Given(source=translation.to_tensor(fitted(picture, channels, (height, width))))

    def make(given: Given) -> Tensor:
        gan = shelf.load(entry)
        assert given.source is not None
        tile = TILE if max(height, width) > TILE else 0
        return translation.forward(gan, translation.generator(gan, to), given.source, tile, None)

    most = max(1, min(16, 2**18 // (height * width)))
    return Order((entry.id, entry.stamp, "translate", to, height, width), 1, most, prepare, make)


def decoding(shelf: Shelf, entry: Entry, n: int, asked: Asked, prepare: Callable[[GAN], Any]) -> Order:
    """Work that ends in `gan.decode`: samples, mixes and interpolations of one model share passes.

    Not those of unlike truncations: a code may hold its truncation as a number, which belongs to all of its rows.
    """

    def make(code: Any) -> Tensor:
        gan = shelf.load(entry)
        with evaluating(gan):
            return sampling.images(gan, code)

    return Order(
        (entry.id, entry.stamp, "decode", asked.truncation),
        n,
        entry.rows_at_once,
        lambda: prepare(shelf.load(entry)),
        make,
    )


def coded(gan: GAN, seeds: list[int], asked: Asked) -> Any:
    """The codes of seeds, with the classes and the truncation that were asked for."""
    y = sampling.class_indices(gan, spread(asked, len(seeds)), len(seeds))
    given = sampling.condition(gan, seeds, y, 0)
    return gan.code(Request(seeds, given, asked.truncation, asked.truncation_form))


def spread(asked: Asked, n: int) -> Any:
    """One class for all, or as many as images."""
    return asked.classes * n if asked.classes is not None and len(asked.classes) == 1 else asked.classes


def row(record: Any, i: int) -> Any:
    """One row of a record."""
    return rows.take(record, slice(i, i + 1))


def fitted(picture: Image.Image, channels: int, size: tuple[int, ...]) -> Image.Image:
    """An upright picture with so many channels, in (height, width)."""
    same = (size[1], size[0]) == picture.size
    return translation.picture(picture, channels, None if same else size)


def must_be_sampled(entry: Entry) -> None:
    """Raises InputError for a model that no seed suffices."""
    if not entry.seeds_suffice:
        raise InputError(f"{entry.id} makes images of images; send one to /api/models/{entry.id}/translate")


def within(entry: Entry, n: int, scale: int, limits: Limits) -> None:
    """Raises InputError where a request asks for more than one may."""
    shape = entry.config.shape
    most = limits.images if len(shape) > 1 else 100 * limits.images
    if n > most:
        raise InputError(f"{n} images asked for, at most {most} at once; ask several times")
    pixels = n * scale * scale * shape[-1] * shape[-2] if len(shape) > 1 else 0
    if pixels > limits.pixels:
        raise InputError(
            f"{pixels:,} pixels asked for, at most {limits.pixels:,} at once; ask for fewer or smaller images"
        )


def abilities(entry: Entry) -> list[str]:
    """What the model can do."""
    if not entry.seeds_suffice:
        return ["translate"]
    more = {"like": entry.takes_likes, "judge": entry.judges_pixels, "project": not entry.makes_points}
    return ["sample", "interpolate", "mix", *(name for name, able in more.items() if able)]
