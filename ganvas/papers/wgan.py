"""WGAN (Arjovsky et al. 2017, arXiv 1701.07875) and WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028).

Here: the objective with both ways to keep the critic Lipschitz, and its Config.  Not here: the presets
(presets/wgan.toml), the networks (nets/wgan.py) and the penalty itself (penalties.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from ganvas import limited, losses, penalties, rows
from ganvas.config import ANY, only
from ganvas.gan import GAN, Batch, Code, Drawn, Loss, Phase
from ganvas.limited import shown
from ganvas.nets import wgan as nets


class Config(nets.Config):
    """Defaults are the paper's: WGAN's Algorithm 1 (section 3); those of the networks are in nets/wgan.py."""

    resolution: int = 64
    optimizer: Literal["adam", "rmsprop", "rmsprop_tf1"] = "rmsprop"
    G_lr: float = 5e-5
    D_lr: float = 5e-5

    lipschitz: Literal["clip", "penalise"] = "clip"
    clip: float = only(0.01, lipschitz="clip")  # every parameter of the critic stays in [-clip, clip]
    clip_when: Literal["after", "before"] = only("after", lipschitz="clip")  # the step; before: the authors' code
    penalty: float = only(10.0, lipschitz="penalise")  # weight of (|grad D| - 1)^2
    penalty_eps: float = only(0.0, lipschitz="penalise")  # under the root of the gradient norm; 0 is the authors'
    n_critic: int = 5  # critic steps per generator step
    n_critic_long: int = only(100, either=True, long_first=ANY, long_every=ANY)  # in the iterations of the next two
    long_first: int = 0  # iterations at the start (25 in the authors' code)
    long_every: int = 0  # and on every iteration divisible by this (500 in the authors' code); 0: never
    G_batch_ratio: int = 1  # fakes in a generator step, per image of the batch
    D_class: float = only(1.0, num_classes=ANY)  # weight of the class loss on real images (ACGAN)
    G_class: float = only(0.1, num_classes=ANY)  # and on fakes, for the generator

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.lipschitz == "penalise" and self.D_norm == "batch" and self.D_net in nets.NORMED:
            raise ValueError("a gradient penalty needs a critic that does not couple samples: set D_norm=none")
        if self.clip == 0:
            raise ValueError("clip=0 leaves no critic: set it above 0, as 0.01")
        if self.augment == "ada":
            raise ValueError("ada reads the sign of D's scores, a critic's zero means nothing: set augment=diffaugment")
        return self


@dataclass(frozen=True, kw_only=True)
class Draws(Drawn):
    """z for the critic, z_G [ratio N, Z] and y [ratio N] for the generator; alpha [N] in [0, 1); dither like x"""

    z_G: Tensor
    alpha: Tensor
    dither: Tensor | None


class WGAN(GAN[Config]):
    """Players `G` and `D`, the critic.  Signs are the paper's: the critic maximises E D(x) - E D(G(z))."""

    config_type = Config
    title = "WGAN (Arjovsky et al. 2017) and WGAN-GP (Gulrajani et al. 2017)"
    headline = "D/distance"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        c = config
        self.G = nets.generator(c.G_net, c.shape, c.dim_z, c.G_width, c.num_classes, c.extra_layers, c.G_batch_norm)
        self.D = nets.critic(c.D_net, c.shape, c.D_width, c.num_classes, c.extra_layers, c.D_norm)

    def phases(self) -> list[Phase]:
        """n_critic critic steps, then one generator step (Algorithm 1 of both papers)."""
        c = self.config
        long = self.iteration < c.long_first or (c.long_every and self.iteration % c.long_every == 0)
        steps, clips = c.n_critic_long if long else c.n_critic, c.lipschitz == "clip"
        before = self.clip_weights if clips and c.clip_when == "before" else None  # G sees a critic outside the box
        after = self.clip_weights if clips and c.clip_when == "after" else self.observe
        return [
            Phase("D", "D", self.critic_loss, repeat=steps, before=before, after=after),
            Phase("G", "G", self.generator_loss),
        ]

    def draw(self, real: Batch, rng: torch.Generator) -> Draws:
        """Latents for both players, the penalty's alpha, fake classes, dither."""
        c, n = self.config, len(real.x)
        drawn = Draws(
            z=torch.randn(n, c.dim_z, generator=rng),
            z_G=torch.randn(n * c.G_batch_ratio, c.dim_z, generator=rng),
            alpha=torch.rand(n, generator=rng),
            y=torch.randint(c.num_classes, (n * c.G_batch_ratio,), generator=rng) if c.num_classes else None,
            dither=torch.rand(real.x.shape, generator=rng) / 128 if c.dequantise else None,
            shown=limited.draw_shown(self.memory, c, max(2, c.G_batch_ratio) * n, rng),
            again=limited.draw_again(c, n, rng),
        )
        return rows.to(drawn, real.x.device)

    def critic_loss(self, real: Batch, drawn: Draws) -> Loss:
        """-(E D(x) - E D(G(z))), plus the penalty (WGAN-GP, Eq. 3), plus the class loss where there are classes."""
        c, y = self.config, real.given.y
        x = shown(nets.native(real.x, c.pixel_range, drawn.dither), drawn.shown, len(real.x))
        with torch.no_grad():
            fake = shown(self.G(drawn.z, *self.condition(y)), drawn.shown)
        real_scores, fake_scores = self.D(x), self.D(fake)  # two passes: batch norm sees them apart
        distance = losses.wasserstein_distance(real_scores, fake_scores)
        total, logs = -distance, {"D/distance": distance}
        if c.lipschitz == "penalise":
            penalty = penalties.gradient_penalty(self.D, x, fake, drawn.alpha, c.penalty_eps)
            total, logs["D/penalty"] = total + c.penalty * penalty, penalty
        if c.num_classes:
            class_loss = nets.score_and_class_loss(self.D, x, y)[1]
            total, logs["D/class"] = total + c.D_class * class_loss, class_loss
        return self.limited(Loss(total, logs), real_scores, fake_scores, lambda: self.D(shown(x, drawn.again)))

    def generator_loss(self, real: Batch, drawn: Draws) -> Loss:
        """-E D(G(z))"""
        fake = shown(self.G(drawn.z_G, *self.condition(drawn.y)), drawn.shown)
        if not self.config.num_classes:
            return Loss(-self.D(fake).mean())
        scores, class_loss = nets.score_and_class_loss(self.D, fake, drawn.y)
        return Loss(-scores.mean() + self.config.G_class * class_loss, {"G/class": class_loss})

    @torch.no_grad()
    def clip_weights(self, kept: Sequence[dict[str, Tensor]] = ()) -> None:
        """Every parameter of the critic into [-clip, clip], batch-norm scale and bias too."""
        for p in self.D.parameters():
            p.clamp_(-self.config.clip, self.config.clip)
        self.observe(kept)

    def condition(self, y: Tensor | None) -> tuple[Tensor, ...]:
        """The class argument of G, if there is one."""
        return (y,) if self.config.num_classes and y is not None else ()

    def scores(self, batch: Batch) -> Tensor:
        """D(x).  -> [N]"""
        return self.D(nets.native(batch.x, self.config.pixel_range))

    def decode(self, code: Code) -> Tensor:
        """G of latents and (mixed) classes.  -> [N, C, H, W] in [-1, 1] (points: [N, D])"""
        return nets.symmetric(self.G(code.z, *self.condition(code.c)), self.config.pixel_range)
