"""What StyleGAN2's images are made from: two latents with a change-over, noise of every layer; a sample's w and noise.

Here: settings of networks and draws, the records, how they become images.  Not here: networks (stylegan2.py), losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, cast

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor

from ganvas import config, limited, rows
from ganvas import rng as random
from ganvas.config import ANY, only
from ganvas.gan import GAN, Batch, Given, Request
from ganvas.nets.stylegan2 import Discriminator, Generator
from ganvas.nets.stylegan2_parts import draw_cutoff, mix_styles, truncate
from ganvas.ops.augment import Transform

Noise = Literal["seed", "constant", "none"]


class Config(config.Config):
    """What systems of StyleGAN2's networks share: the networks, two latents an image, the average by images."""

    LACKS = ("ema", "ema_start", "ema_ramp", "ema_buffers")  # ema_images instead; buffers are copied
    beta2: float = only(0.99, optimizer="adam")
    ema_buffers: Literal["average", "copy"] = only("copy", ema=ANY)
    ema_images: int = 10_000  # images in which the average forgets half; 0: off, the live G is what samples
    ema_rampup: float = only(0.0, ema_images=ANY)  # ema_images is at most this share of the images so far; 0: no limit

    dim_z: int = 512  # latent dimensions, standard normal
    dim_w: PositiveInt = 512
    layers: PositiveInt = 8  # of the mapping
    channel_base: int = 32768  # channels at a size are channel_base / size,
    channel_max: PositiveInt = 512  # at most so many
    group: PositiveInt = 4  # samples that D's minibatch deviation compares
    mixing: float = 0.9  # chance that a batch has two latents an image, the second from a random layer on
    noise: Noise = "seed"  # at sampling: each seed's own, or one for all; in training it is fresh
    cutoff: int = 0  # truncation moves this many of the first layers; 0: all

    @model_validator(mode="after")
    def _networks_fit(self) -> Self:
        part = self.batch // self.accumulate
        if part % min(self.group, part):
            raise ValueError(f"group={self.group} does not divide the {part} images that D sees at a time")
        if self.channel_base < self.resolution:
            raise ValueError(f"channel_base={self.channel_base}, expected resolution={self.resolution} or more")
        return self


def generator(c: Config, dim_h: int = 0) -> Generator:
    """G of a Config, for instance features of so many numbers."""
    widths = (c.channel_base, c.channel_max)
    return Generator(c.resolution, c.dim_z, c.dim_w, c.num_classes, dim_h, c.channels, c.layers, *widths)


def discriminator(c: Config, dim_h: int = 0) -> Discriminator:
    """D of a Config."""
    widths = (c.channel_base, c.channel_max)
    return Discriminator(c.resolution, c.num_classes, dim_h, c.channels, *widths, group=c.group)


def half_life_decay(c: Config, images_before: int) -> float:
    """0.5^(batch / half-life), the half-life growing with the images before the iteration if it ramps up."""
    half = min(c.ema_images, images_before * c.ema_rampup) if c.ema_rampup else c.ema_images
    return 0.5 ** (c.batch / half) if half > 0 else 0.0


@dataclass(frozen=True)
class Styles:
    """z [N, Z], from layer `cutoff` [] on `other` [N, Z]; noise [N, P] of all layers; what the images are given"""

    z: Tensor
    other: Tensor
    cutoff: Tensor
    noise: Tensor
    given: Given
    direction: Tensor | None = None  # [N, C, H, W] normal: what path length projects images on
    shown: Transform | None = None  # as in gan.Drawn
    again: Transform | None = None


@dataclass(frozen=True)
class Shown:
    """What happens to real images on their way to D where its slope there is wanted."""

    shown: Transform | None


@dataclass(frozen=True)
class Code:
    """ws [N, L, W] after truncation; noise [N, P] of all layers, or None where no image has its own"""

    ws: Tensor
    noise: Tensor | None = None


def draw(gan: GAN[Any], real: Batch, rng: torch.Generator) -> Styles:
    """As many fakes as reals, and how both are shown to D.  See `gan.draw`."""
    n = len(real.x)
    drawn = _fakes_from(gan, real, n, rng)
    shown = limited.draw_shown(gan.memory, gan.config, 2 * n, rng)
    drawn = replace(drawn, shown=shown, again=limited.draw_again(gan.config, n, rng))
    return rows.to(drawn, real.x.device)


def draw_path(gan: GAN[Any], real: Batch, rng: torch.Generator) -> Styles:
    """Half as many fakes as there are reals in each part of the batch, and directions in image space."""
    parts = gan.config.accumulate
    n = parts * max(len(real.x) // parts // 2, 1)
    direction = torch.randn(n, *gan.config.shape, generator=rng)
    return rows.to(replace(_fakes_from(gan, real, n, rng), direction=direction), real.x.device)


def draw_shown(gan: GAN[Any], real: Batch, rng: torch.Generator) -> Shown:
    """How the reals are shown to D."""
    return rows.to(Shown(limited.draw_shown(gan.memory, gan.config, len(real.x), rng)), real.x.device)


def _fakes_from(gan: GAN[Any], real: Batch, n: int, rng: torch.Generator) -> Styles:
    """For n fakes, two latents each with probability `mixing`, decided for all together as in StyleGAN2-ADA; given what
    comes with the batch for fakes, or else uniform classes.
    """
    c, G = gan.config, cast(Generator, gan.G)
    given = Given(torch.randint(c.num_classes, (n,), generator=rng)) if c.num_classes else Given()
    given = given if real.fake is None else rows.take(real.fake, slice(n))
    z, other = torch.randn(2, n, G.dim_z, generator=rng)
    cutoff = draw_cutoff(G.synthesis.num_ws, c.mixing, rng)
    return Styles(z, other, cutoff, torch.randn(n, G.synthesis.dim_noise, generator=rng), given)


def mixed(G: Generator, drawn: Styles) -> tuple[Tensor, Tensor]:
    """The ws of images, and those of their first latents alone, detached: what w_avg follows.  -> [N, L, W] each"""
    first, second = (G.mapping(z, drawn.given.y, drawn.given.h) for z in (drawn.z, drawn.other))
    return mix_styles(first, second, drawn.cutoff), first.detach()


def fakes(G: Generator, drawn: Styles) -> tuple[Tensor, Tensor]:
    """The images, unbounded, and the ws that w_avg follows.  -> [N, C, H, W], [N, L, W]"""
    ws, first = mixed(G, drawn)
    return G.synthesis(ws, G.synthesis.noise_of(drawn.noise)), first


def grouped_scores(D: Discriminator, batch: Batch) -> Tensor:
    """D's scores of however many images: what is left of whole groups of the minibatch deviation is its own.  -> [N]"""
    n, group = len(batch.x), D.b4.group
    step = n // group * group or n
    parts = [rows.take(batch, slice(start, start + step)) for start in range(0, n, step)]
    return torch.cat([D(part.x, part.given.y, part.given.h).flatten() for part in parts])


def code_of(G: Generator, request: Request, cutoff: int, noise: Noise) -> Code:
    """The ws of seeds, drawn towards the average in the first `cutoff` layers (0: all), and each seed's own noise."""
    device = next(G.parameters()).device
    ws = G.mapping(random.noise(request.seeds, G.dim_z).to(device), request.given.y, request.given.h)
    ws = truncate(ws, G.mapping.w_avg, random.psi(request.truncation, request.truncation_form), cutoff or None)
    if noise != "seed":
        return Code(ws)
    own = [torch.randn(G.synthesis.dim_noise, generator=random.generator("noise", seed)) for seed in request.seeds]
    return Code(ws, torch.stack(own).to(device))


def images_of(G: Generator, code: Code, noise: Noise) -> Tensor:
    """The images of codes, cut to [-1, 1].  -> [N, C, H, W]"""
    synthesis = G.synthesis
    if code.noise is not None:
        return synthesis(code.ws, synthesis.noise_of(code.noise)).clamp(-1, 1)
    return synthesis(code.ws, synthesis.constant_noise() if noise == "constant" else None).clamp(-1, 1)


def record(c: Config, truncation: float | None) -> dict[str, Any]:
    """What a score should say: noise that is no image's own, and that truncation is of w."""
    of_w = f"of w, first {c.cutoff} layers" if c.cutoff else "of w"
    noise = {"noise": c.noise} if c.noise != "seed" else {}
    return noise | ({"truncation": of_w} if truncation is not None else {})


def between(a: Code, b: Code, weight: float) -> Code:
    """The straight line in w; the great circle for noise, which so keeps its strength."""

    def join(name: str, left: Tensor, right: Tensor) -> Tensor:
        return random.slerp(left, right, weight) if name == "noise" else torch.lerp(left, right, weight)

    return rows.paired(a, b, join)


def follow(gan: GAN[Any], kept: Sequence[dict[str, Tensor]]) -> None:
    """After a step: w_avg moves towards the mean of the ws of the loss, the mean path length to what it found, and what
    helps with few images by D's scores.
    """
    if "ws" in kept[0]:
        cast(Generator, gan.G).mapping.track(torch.cat([part["ws"] for part in kept]))
    if "path_mean" in kept[0]:
        gan.memory.get_buffer("path_mean").copy_(torch.stack([part["path_mean"] for part in kept]).mean())
    gan.observe(kept)
