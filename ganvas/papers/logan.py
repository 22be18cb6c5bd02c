"""LOGAN (Wu et al. 2019, arXiv 1912.00953): latents first move up D's score, and both players learn through the move.

Here: the objective, where losses and samples take the step, the Config.  Not here: the presets (presets/logan.toml),
both rules of the step (ops/latent_step.py), the networks (nets/logan.py names them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ganvas import limited, losses, rng, rows
from ganvas.config import ANY, only
from ganvas.gan import GAN, Batch, Drawn, Loss, Phase, Request
from ganvas.limited import shown
from ganvas.nets import logan as nets
from ganvas.nets.logan import STEP
from ganvas.ops.latent_step import climb, masks, movement, step_rule
from ganvas.ops.orthogonal import orthogonal_penalty, regularised
from ganvas.ops.spectral import full_precision
from ganvas.ops.table import rows_of
from ganvas.ops.traceless import traceless


class Config(nets.Config):
    """Defaults are the paper's ImageNet model (NGD); those of the networks and of the step's form: nets/logan.py."""

    resolution: int = 128
    conditional: bool = True
    images: int = 676_000_000  # BigGAN's; LOGAN's is not known
    batch: int = 2048
    G_lr: float = 5e-5
    D_lr: float = 2e-4
    beta1: float = only(0.0, optimizer="adam")
    beta2: float = only(0.999, optimizer="adam")
    ema: float = 0.9999
    ema_start: int = only(20_000, ema=ANY)

    movement: float = only(300.0, **STEP)  # weight of |step|^2 in the losses (Eq. 17)
    cost_on: Literal["both", "D", "G"] = only("both", movement=ANY, **STEP)  # in whose
    detach: Literal["none", "D", "G", "both"] = only("none", **STEP)  # whose loss takes z' as given (ablation)
    D_steps: int = 2  # per generator step
    ortho: float = 1e-4  # strength of orthogonal regularisation of G, BigGAN's


@dataclass(frozen=True, kw_only=True)
class Latents(Drawn):
    """z in the box; y may be mixtures [N, K]; mask [N, Z] or [N, 1]: 1 where z may move.  The step is not augmented."""

    mask: Tensor


class LOGAN(GAN[Config]):
    """Players `G`, called as G(z, G.shared(y)), and `D`, called as D(x, y) -> [N, 1]."""

    config_type = Config
    title = "LOGAN (Wu et al. 2019, arXiv 1912.00953)"
    headline = "D/real"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.G = nets.generator(config)
        self.D = nets.discriminator(config)

    def phases(self) -> list[Phase]:
        """D_steps discriminator steps, then one generator step."""
        return [
            Phase("D", "D", self.D_loss, repeat=self.config.D_steps, after=self.observe),
            Phase("G", "G", self.G_loss),
        ]

    def draw(self, real: Batch, rng: torch.Generator) -> Latents:
        """Latents uniform in the box, classes of the fakes, the part of z that may move."""
        n, c = len(real.x), self.config
        z = torch.rand(n, c.dim_z, generator=rng) * 2 - 1
        y = torch.randint(c.num_classes, (n,), generator=rng) if c.num_classes else None
        mask = masks(c.mask, n, c.dim_z, c.fraction, rng)
        shown, again = limited.draw_shown(self.memory, c, 2 * n, rng), limited.draw_again(c, n, rng)
        return rows.to(Latents(z, y, shown, again, mask=mask), real.x.device)

    def improve(self, start: Latents, steps: int, graph: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """z' after steps up D's score, inside the box.  -> z' [N, Z], mean |step|^2, mean D(G(z, y), y) (None: no step)

        With `graph` both players are differentiated *through* the steps.  Without, it is for sampling; in training
        that is the ablation that collapses.  No stored statistic moves here: those of z' count.
        """
        c, y = self.config, start.y
        rule, steps = step_rule(c.rule, c.alpha, c.beta, start.mask), 0 if c.rule == "none" else steps
        with full_precision(start.z), traceless(self.G, self.D):
            z, step, before = climb(lambda z: self.D(self.generate(z, y), y), start.z, rule, steps, graph)
        return z, movement(step), before

    def D_loss(self, real: Batch, drawn: Latents) -> Loss:
        """mean relu(1 - D(x, y)) + mean relu(1 + D(G(z', y'), y')), plus the step's cost (Eq. 17)

        Never under no_grad: z' depends on D's weights, by way of G.  Real and fake go through D together, a pass saved.
        """
        c = self.config
        z, moved, before = self.improve(drawn, c.steps, graph=c.detach not in ("D", "both"))
        fake = self.generate(z, drawn.y)
        y = torch.cat([drawn.y, real.given.y]) if drawn.y is not None and real.given.y is not None else None
        fake_scores, real_scores = self.D(shown(torch.cat([fake, real.x]), drawn.shown), y).chunk(2)
        logs = {"D/real": real_scores.mean(), "D/fake": fake_scores.mean()}
        if before is not None:
            logs |= {"D/gain": fake_scores.mean() - before, "D/moved": moved}
        loss = Loss(losses.hinge_D(real_scores, fake_scores) + self.weight("D") * moved, logs)
        return self.limited(loss, real_scores, fake_scores, lambda: self.D(shown(real.x, drawn.again), real.given.y))

    def G_loss(self, real: Batch, drawn: Latents) -> Loss:
        """-mean D(G(z', y'), y'), plus the step's cost, plus orthogonal regularisation of G's raw weights."""
        c = self.config
        z, moved, _ = self.improve(drawn, c.steps, graph=c.detach not in ("G", "both"))
        fake_scores = self.D(shown(self.generate(z, drawn.y), drawn.shown), drawn.y)
        total = losses.hinge_G(fake_scores) + self.weight("G") * moved
        return Loss(total + orthogonal_penalty(regularised(self.G), c.ortho) if c.ortho else total)

    def weight(self, player: str) -> float:
        """Of the step's cost, in this player's loss."""
        return self.config.movement if self.config.cost_on in (player, "both") else 0.0

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        """G(z, y), y as in `Latents`.  -> [N, C, H, W] in [-1, 1]"""
        return self.G(z, None if y is None else rows_of(self.G.shared, y))

    def scores(self, batch: Batch) -> Tensor:
        """D(x, y).  -> [N]"""
        return self.D(batch.x, batch.given.y).flatten()

    def sampling_record(self, truncation: float | None) -> dict[str, Any]:
        """Steps at sampling, and that truncation multiplies."""
        steps = {"latent_steps": self.config.sampling_steps} if self.config.sampling_steps else {}
        return steps | ({"truncation": "multiplies"} if truncation is not None else {})

    def code(self, request: Request) -> Latents:
        """Uniform latents times the truncation, one-hot rows of classes, masks, all from their seeds."""
        c, y = self.config, rng.one_hot(request.given.y, self.config.num_classes)
        z = rng.uniform(request.seeds, c.dim_z) * rng.factor(request.truncation, request.truncation_form)
        mask = [masks(c.mask, 1, c.dim_z, c.fraction, rng.generator("mask", seed)) for seed in request.seeds]
        return Latents(z, y, mask=torch.cat(mask))

    def decode(self, code: Latents) -> Tensor:
        """G of (mixed) classes and of latents after the steps at sampling."""
        return self.generate(self.improve(code, self.config.sampling_steps, graph=False)[0], code.y)

    def mix(self, a: Latents, b: Latents, weight: float) -> Latents:
        """The straight line, which stays in the box."""
        return rows.paired(a, b, lambda _, left, right: torch.lerp(left, right, weight))
