"""SAGAN (Zhang et al. 2019, arXiv 1805.08318): self-attention, spectral norm in both players, two time scales.

Here: the objective and its Config.  Not here: the presets (presets/sagan.toml), the networks (nets/biggan.py, which
SAGAN shares with BigGAN) and the attention block (ops/attention.py).
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from ganvas import config, losses
from ganvas.gan import GAN, Batch, Code, Drawn, Loss, Phase
from ganvas.limited import shown
from ganvas.nets import biggan


class Config(config.Config):
    """Defaults are the released code's (128 pixels, attention at 32x32), which the authors call authoritative."""

    resolution: int = 128
    conditional: bool = True
    images: int = 256_000_000  # 1M generator steps
    batch: int = 256
    G_lr: float = 1e-4
    D_lr: float = 4e-4
    beta1: float = config.only(0.0, optimizer="adam")
    beta2: float = config.only(0.999, optimizer="adam")  # 0.9 in the paper's text

    # networks
    G_ch: int = 64  # width multiplier
    D_ch: int = 64
    dim_z: int = 128  # latent dimensions, standard normal
    G_attention: tuple[int, ...] = (32,)  # sizes of the feature maps after which attention stands
    D_attention: tuple[int, ...] = (32,)
    sn_eps: float = 1e-12  # spectral norm
    bn_eps: float = 1e-5  # batch norm
    init: Literal["sagan", "xavier", "ortho", "N02"] = "sagan"  # Glorot uniform
    bias_init: Literal["zero", "torch"] = "zero"

    # training
    D_steps: int = 1  # per generator step

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if min(self.G_ch, self.D_ch) * 4 < 8 and (self.G_attention or self.D_attention):
            raise ValueError("attention needs at least 8 channels where it stands: raise G_ch and D_ch to 2 or more")
        return self


class SAGAN(GAN[Config]):
    """Players `G`, called as G(z, G.shared(y)), and `D`, called as D(x, y) -> [N, 1]."""

    config_type = Config
    title = "SAGAN (Zhang et al. 2019, arXiv 1805.08318)"
    headline = "D/real"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        c = config
        self.G = biggan.Generator(
            c.resolution, c.G_ch, c.dim_z, c.num_classes, c.channels, c.G_attention, hier=False, shared_dim=0,
            sn_eps=c.sn_eps, bn_eps=c.bn_eps, final_bn_eps=c.bn_eps, init=c.init, bias_init=c.bias_init,
        )  # fmt: skip
        self.D = biggan.Discriminator(
            c.resolution, c.D_ch, c.num_classes, c.channels, c.D_attention,
            sn_eps=c.sn_eps, init=c.init, bias_init=c.bias_init,
        )  # fmt: skip

    def phases(self) -> list[Phase]:
        """D_steps discriminator steps, then one generator step."""
        return [
            Phase("D", "D", self.D_loss, repeat=self.config.D_steps, after=self.observe),
            Phase("G", "G", self.G_loss),
        ]

    def D_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """mean relu(1 - D(x, y)) + mean relu(1 + D(G(z, y'), y'))  (Eq. 4)

        Real and fake go through D together, so spectral norm iterates once a step.  The released TensorFlow code
        makes two passes and lets only the real one iterate.
        """
        with torch.no_grad():
            fake = self.G(drawn.z, self.G.shared(drawn.y))
        y = torch.cat([drawn.y, real.given.y]) if drawn.y is not None and real.given.y is not None else None
        fake_scores, real_scores = self.D(shown(torch.cat([fake, real.x]), drawn.shown), y).chunk(2)
        logs = {"D/real": real_scores.mean(), "D/fake": fake_scores.mean()}
        loss = Loss(losses.hinge_D(real_scores, fake_scores), logs)
        return self.limited(loss, real_scores, fake_scores, lambda: self.D(shown(real.x, drawn.again), real.given.y))

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """-mean D(G(z, y'), y')  (Eq. 4)"""
        return Loss(losses.hinge_G(self.D(shown(self.G(drawn.z, self.G.shared(drawn.y)), drawn.shown), drawn.y)))

    def scores(self, batch: Batch) -> Tensor:
        """D(x, y).  -> [N]"""
        return self.D(batch.x, batch.given.y).flatten()

    def decode(self, code: Code) -> Tensor:
        """G of latents and (mixed) classes.  -> [N, C, H, W] in [-1, 1]"""
        return self.G(code.z, code.c)
