"""IC-GAN on StyleGAN2 (Casanova et al. 2021, arXiv 2109.05070): images like an instance, given by its features.

A real pair is a neighbour's image (and class) with the features of an instance; a fake pair the features of another
one.  Here: StyleGAN2's four phases with such pairs, with classes and without, and the Config.  Not here: networks
(nets/stylegan2.py), presets (presets/icgan_stylegan2.toml), features, neighbours and how pairs are drawn (data/).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, cast

import torch
from pydantic import PositiveInt
from torch import Tensor

from ganvas import losses
from ganvas.config import ANY, only
from ganvas.gan import GAN, Batch, Loss, Phase, Request, Rule
from ganvas.limited import shown
from ganvas.nets import styles
from ganvas.nets.styles import Code, Shown, Styles
from ganvas.penalties import path_length, r1_penalty


class Config(styles.Config):
    """Defaults are the released configuration for COCO-Stuff at 128 pixels: StyleGAN2-ADA's setting `auto`."""

    resolution: int = 128  # a power of two from 8 on
    flip: bool = only(True, resolution=ANY)
    images: int = 100_000_000  # at most; theirs stop early, by a score
    batch: int = 64
    G_lr: float = 2.5e-3  # before the correction for lazy regularisation
    D_lr: float = 2.5e-3

    # instances
    features: str = "own"  # the network of the features, as ganvas prepare names it
    k: PositiveInt = 5  # neighbours of an instance, itself excepted
    flip_features: bool = True  # instance augmentation: half the time those of the mirror image
    fake_y: Literal["instance", "independent"] = only("instance", num_classes=ANY)  # the authors' code: independent
    dim_h: PositiveInt = 2048  # length of the features
    layers: PositiveInt = 2  # of the mapping
    channel_base: int = 16384  # channels at a size are channel_base / size
    ema_images: int = 20_000  # images in which the average forgets half
    ema_rampup: float = only(0.05, ema_images=ANY)  # at most this share of the images so far

    # regularisers
    r1: float = 0.05  # gamma: half of it weighs |grad D(x)|^2
    r1_every: PositiveInt = only(16, r1=ANY)  # iterations
    path: float = 2.0  # weight of path length regularisation
    path_every: PositiveInt = only(4, path=ANY)
    path_decay: float = only(0.01, path=ANY)  # share of a batch in the mean path length

    def reading(self) -> dict[str, Any]:
        made = {"features": self.features, "k": self.k, "augment": self.flip_features, "feature_dim": self.dim_h}
        return made | {"classes": bool(self.num_classes), "conditions": self.fake_y}


class ICStyleGAN2(GAN[Config]):
    """Players `G`, called as G(z, y, h), and `D`, called as D(x, y, h) -> [N, 1]."""

    config_type = Config
    title = "IC-GAN (Casanova et al. 2021, arXiv 2109.05070) on StyleGAN2"
    headline = "D/real"
    reads = "instances"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.G = styles.generator(config, config.dim_h)
        self.D = styles.discriminator(config, config.dim_h)
        self.memory.register_buffer("path_mean", torch.zeros(()))

    def phases(self) -> list[Phase]:
        """G, now and then its path length, D, now and then its slope at real images; one real batch for all."""
        c = self.config
        draw_path, draw_shown = (partial(draw, self) for draw in (styles.draw_path, styles.draw_shown))
        follow = partial(styles.follow, self)
        path = Phase("G_path", "G", self.path_loss, draw_path, every=c.path_every, after=follow)
        r1 = Phase("D_r1", "D", self.r1_loss, draw_shown, every=c.r1_every)
        of_G = [Phase("G", "G", self.G_loss, after=follow)] + [path] * bool(c.path)
        return [*of_G, Phase("D", "D", self.D_loss, after=follow)] + [r1] * bool(c.r1)

    def rule(self, player: str) -> Rule:
        """The default's, corrected for the regulariser's own steps."""
        c = self.config
        return super().rule(player).lazy({"G": c.path_every * bool(c.path), "D": c.r1_every * bool(c.r1)}[player])

    @property
    def has_average(self) -> bool:
        return self.config.ema_images > 0

    def decay(self) -> float:
        """By a half-life in images, which ramps up."""
        return styles.half_life_decay(self.config, self.images_seen - self.config.batch)

    def draw(self, real: Batch, rng: torch.Generator) -> Styles:
        """Fakes with conditions of their own, and how they and the reals are shown to D."""
        return styles.draw(self, real, rng)

    def G_loss(self, real: Batch, drawn: Styles) -> Loss:
        """mean softplus(-D(G(z, y', h_j), y', h_j))"""
        fake, ws = styles.fakes(self.G, drawn)
        scores = self.D(shown(fake, drawn.shown), drawn.given.y, drawn.given.h)
        return Loss(losses.logistic_G(scores), kept={"ws": ws})

    def path_loss(self, real: Batch, drawn: Styles) -> Loss:
        """E (|J^T direction| - a)^2, a its running mean (Eq. 4)"""
        c, (ws, first), noise = self.config, styles.mixed(self.G, drawn), self.G.synthesis.noise_of(drawn.noise)
        image_of, mean = partial(self.G.synthesis, noise=noise), self.memory.get_buffer("path_mean")
        penalty, mean = path_length(image_of, ws, cast(Tensor, drawn.direction), mean, c.path_decay, self.over_all)
        return Loss(c.path * c.path_every * penalty, {"G/path": mean}, {"ws": first, "path_mean": mean})

    def D_loss(self, real: Batch, drawn: Styles) -> Loss:
        """mean softplus(-D(x_n, y_n, h_i)) + mean softplus(D(G(z, y', h_j), y', h_j)), n among the neighbours of i

        Two passes, for the minibatch deviation.  j, and the neighbour of j whose class y' is, are drawn apart.
        """
        y, h = real.given.y, real.given.h
        with torch.no_grad():
            fake, ws = styles.fakes(self.G, drawn)
        fake_scores = self.D(shown(fake, drawn.shown), drawn.given.y, drawn.given.h)
        real_scores = self.D(shown(real.x, drawn.shown, len(fake)), y, h)
        logs = {"D/real": real_scores.mean(), "D/fake": fake_scores.mean()}
        loss = Loss(losses.logistic_D(real_scores, fake_scores), logs, {"ws": ws})
        return self.limited(loss, real_scores, fake_scores, lambda: self.D(shown(real.x, drawn.again), y, h))

    def r1_loss(self, real: Batch, drawn: Shown) -> Loss:
        """gamma / 2 E |grad_x D(x, y, h)|^2, through the augmentation"""
        penalty = r1_penalty(lambda x: self.D(shown(x, drawn.shown), real.given.y, real.given.h), real.x)
        return Loss(self.config.r1 / 2 * self.config.r1_every * penalty, {"D/r1": penalty})

    def scores(self, batch: Batch) -> Tensor:
        """D(x, y, h).  -> [N]"""
        return styles.grouped_scores(self.D, batch)

    def sampling_record(self, truncation: float | None) -> dict[str, Any]:
        """The default's, noise that is no image's own, and that truncation is of w."""
        return super().sampling_record(truncation) | styles.record(self.config, truncation)

    def code(self, request: Request) -> Code:
        """w, drawn towards its average, and noise, from their seeds."""
        return styles.code_of(self.G, request, self.config.cutoff, self.config.noise)

    def decode(self, code: Code) -> Tensor:
        """G of them, cut to [-1, 1].  -> [N, C, H, W]"""
        return styles.images_of(self.G, code, self.config.noise)

    def mix(self, a: Code, b: Code, weight: float) -> Code:
        """The straight line in w."""
        return styles.between(a, b, weight)
