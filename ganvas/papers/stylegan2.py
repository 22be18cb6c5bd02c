"""StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), also with classes: style mixing, lazy R1 and path length.

Here: the four phases and what they draw, truncation of w, the Config.  Not here: the networks (nets/stylegan2.py), both
penalties (penalties.py), ADA and other augmentation (limited.py), the presets (presets/stylegan2.toml).
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

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
    """Defaults are the paper's config F as StyleGAN2-ADA's setting `stylegan2` has it."""

    resolution: int = 1024  # a power of two from 8 on
    images: int = 25_000_000
    batch: int = 32
    G_lr: float = 2e-3  # before the correction for lazy regularisation
    D_lr: float = 2e-3

    # regularisers
    r1: float = 10.0  # gamma: half of it weighs |grad D(x)|^2
    r1_every: PositiveInt = only(16, r1=ANY)  # iterations
    path: float = 2.0  # weight of path length regularisation
    path_every: PositiveInt = only(4, path=ANY)
    path_decay: float = only(0.01, path=ANY)  # share of a batch in the mean path length


class StyleGAN2(GAN[Config]):
    """Players `G`, called as G(z, y), and `D`, called as D(x, y) -> [N, 1]."""

    config_type = Config
    title = "StyleGAN2 (Karras et al. 2020, arXiv 1912.04958)"
    headline = "D/real"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.G = styles.generator(config)
        self.D = styles.discriminator(config)
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
        """Fakes of uniform classes, and how they and the reals are shown to D."""
        return styles.draw(self, real, rng)

    def G_loss(self, real: Batch, drawn: Styles) -> Loss:
        """mean softplus(-D(G(z, y), y))"""
        fake, ws = styles.fakes(self.G, drawn)
        return Loss(losses.logistic_G(self.D(shown(fake, drawn.shown), drawn.given.y)), kept={"ws": ws})

    def path_loss(self, real: Batch, drawn: Styles) -> Loss:
        """E (|J^T direction| - a)^2, a its running mean (Eq. 4)"""
        c, (ws, first), noise = self.config, styles.mixed(self.G, drawn), self.G.synthesis.noise_of(drawn.noise)
        image_of, mean = partial(self.G.synthesis, noise=noise), self.memory.get_buffer("path_mean")
        penalty, mean = path_length(image_of, ws, cast(Tensor, drawn.direction), mean, c.path_decay, self.over_all)
        return Loss(c.path * c.path_every * penalty, {"G/path": mean}, {"ws": first, "path_mean": mean})

    def D_loss(self, real: Batch, drawn: Styles) -> Loss:
        """mean softplus(-D(x, y)) + mean softplus(D(G(z, y'), y')), two passes for the minibatch deviation"""
        with torch.no_grad():
            fake, ws = styles.fakes(self.G, drawn)
        fake_scores = self.D(shown(fake, drawn.shown), drawn.given.y)
        real_scores = self.D(shown(real.x, drawn.shown, len(fake)), real.given.y)
        logs = {"D/real": real_scores.mean(), "D/fake": fake_scores.mean()}
        loss = Loss(losses.logistic_D(real_scores, fake_scores), logs, {"ws": ws})
        return self.limited(loss, real_scores, fake_scores, lambda: self.D(shown(real.x, drawn.again), real.given.y))

    def r1_loss(self, real: Batch, drawn: Shown) -> Loss:
        """gamma / 2 E |grad_x D(x, y)|^2, through the augmentation"""
        penalty = r1_penalty(lambda x: self.D(shown(x, drawn.shown), real.given.y), real.x)
        return Loss(self.config.r1 / 2 * self.config.r1_every * penalty, {"D/r1": penalty})

    def scores(self, batch: Batch) -> Tensor:
        """D(x, y).  -> [N]"""
        return styles.grouped_scores(self.D, batch)

    def sampling_record(self, truncation: float | None) -> dict[str, Any]:
        """Noise that is no image's own, and that truncation is of w."""
        return styles.record(self.config, truncation)

    def code(self, request: Request) -> Code:
        """w, drawn towards its average, and noise, from their seeds."""
        return styles.code_of(self.G, request, self.config.cutoff, self.config.noise)

    def decode(self, code: Code) -> Tensor:
        """G of them, cut to [-1, 1].  -> [N, C, H, W]"""
        return styles.images_of(self.G, code, self.config.noise)

    def mix(self, a: Code, b: Code, weight: float) -> Code:
        """The straight line in w."""
        return styles.between(a, b, weight)
