"""SAGAN (Zhang et al. 2019, arXiv 1805.08318): self-attention, spectral norm in both players, two time scales.

Here: the objective, its Config and presets.  Not here: the networks (nets/biggan.py, which SAGAN shares with BigGAN)
and the attention block (ops/attention.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor

from ganvas import gan, latents, losses
from ganvas.gan import GAN, Batch, Loss, Phase, Preset, Request
from ganvas.nets import biggan
from ganvas.ops.norm import standing_statistics


class Config(gan.Config):
    """Defaults are the released code's (128 pixels, attention at 32x32), which the authors call authoritative."""

    resolution: int = 128
    conditional: bool = True
    images: int = 256_000_000  # 1M generator steps
    batch: int = 256
    G_lr: float = 1e-4
    D_lr: float = 4e-4
    beta1: float = 0.0
    beta2: float = 0.999  # 0.9 in the paper's text

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
    def _fits(self) -> Config:
        if self.D_steps < 1 or self.G_ch < 1 or self.D_ch < 1 or self.dim_z < 1:
            raise ValueError("D_steps, G_ch, D_ch and dim_z must be at least 1")
        if min(self.G_ch, self.D_ch) * 4 < 8 and (self.G_attention or self.D_attention):
            raise ValueError("attention needs at least 8 channels where it stands: raise G_ch and D_ch to 2 or more")
        return self


@dataclass(frozen=True)
class Drawn:
    """z [N, Z]; y [N] classes of the fakes, uniform, or None."""

    z: Tensor
    y: Tensor | None


class SAGAN(GAN):
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
            Phase("D", self.D_loss, repeat=self.config.D_steps),
            Phase("G", self.G_loss),
        ]

    def draw(self, real: Batch, rng: torch.Generator) -> Drawn:
        """Latents and classes of as many fakes as there are reals."""
        c, n, device = self.config, len(real.x), real.x.device
        return Drawn(
            z=torch.randn(n, c.dim_z, generator=rng).to(device),
            y=torch.randint(c.num_classes, (n,), generator=rng).to(device) if c.num_classes else None,
        )

    def D_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """mean relu(1 - D(x, y)) + mean relu(1 + D(G(z, y'), y'))  (Eq. 4)

        Real and fake go through D together, so spectral norm iterates once a step.  The released TensorFlow code
        makes two passes and lets only the real one iterate.
        """
        with torch.no_grad():
            fake = self.G(drawn.z, self.G.shared(drawn.y))
        y = torch.cat([drawn.y, real.y]) if drawn.y is not None and real.y is not None else None
        fake_scores, real_scores = self.D(torch.cat([fake, real.x]), y).chunk(2)
        logs = {"D/real": real_scores.mean(), "D/fake": fake_scores.mean()}
        return Loss(losses.hinge_D(real_scores, fake_scores), logs)

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """-mean D(G(z, y'), y')  (Eq. 4)"""
        return Loss(losses.hinge_G(self.D(self.G(drawn.z, self.G.shared(drawn.y)), drawn.y)))

    def scores(self, batch: Batch) -> Tensor:
        """D(x, y).  -> [N]"""
        return self.D(batch.x, batch.y).flatten()

    def code(self, request: Request) -> tuple[Tensor, Tensor | None]:
        """Latents [N, Z], and classes as one-hot rows [N, K], so that they can be mixed."""
        z = latents.of(request.seeds, self.config.dim_z, request.truncation, request.truncation_form)
        return z, latents.one_hot(request.classes, self.config.num_classes)

    def decode(self, z: Tensor, c: Tensor | None) -> Tensor:
        """G of latents and (mixed) classes.  -> [N, C, H, W] in [-1, 1]"""
        return self.G(z, c)

    def settle(self, codes: list[tuple[Tensor, Tensor | None]]) -> None:
        """Standing statistics: batch norm's stored statistics from these codes."""
        standing_statistics(self.G, codes)


SAGAN.PRESETS = {
    "sagan-128": Preset(
        {},
        "the released code: attention at 32x32",
        "ImageNet",
        num_classes=1000,
        published="FID 18.28, IS 51.43 (paper's feat32 row)",
    ),
    "sagan-128-feat64": Preset(
        {"G_attention": (64,), "D_attention": (64,)},
        "attention at 64x64, the paper's best IS",
        "ImageNet",
        num_classes=1000,
        published="FID 18.65, IS 52.52 (paper)",
    ),
    "sagan-128-bigganpt": Preset(
        {
            "G_attention": (64,), "D_attention": (64,), "accumulate": 2, "ema": 0.9999, "ema_start": 2000,
            "sn_eps": 1e-8, "init": "xavier", "bias_init": "torch", "images": 100 * 1_281_167,
        },
        "BigGAN-PyTorch's SAGAN script: feat64, batch 128 x 2, EMA",
        "ImageNet",
        num_classes=1000,
    ),
    "sagan-64": Preset(
        {"resolution": 64, "G_attention": (32,), "D_attention": (32,), "batch": 64, "ema": 0.9999, "ema_start": 1000},
        "64 pixels, ours: the 128-pixel recipe in batches of 64",
        "Tiny ImageNet",
        num_classes=20,
    ),
    "sagan-cifar10": Preset(
        {
            "resolution": 32, "G_attention": (16,), "D_attention": (16,), "G_lr": 2e-4, "D_lr": 2e-4, "beta1": 0.5,
            "D_steps": 5, "batch": 64, "images": 32_000_000, "init": "ortho", "flip": True,
        },
        "32 pixels, the optimiser of StudioGAN's CIFAR runs: 5 D steps, 100k its",
        "CIFAR-10",
        num_classes=10,
        published="FID 14.01, IS 8.96 (a StudioGAN log, its own network)",
    ),
    "sagan-digits": Preset(
        {
            "resolution": 8, "channels": 1, "G_ch": 16, "D_ch": 16, "dim_z": 32, "G_attention": (8,),
            "D_attention": (4,), "batch": 64, "G_lr": 5e-4, "D_lr": 2e-3, "beta2": 0.9, "ema": 0.995,
            "images": 100_000, "sn_eps": 1e-8,
        },
        "8 pixels, ours: minutes on two cores",
        "digits",
        num_classes=10,
    ),
}  # fmt: skip


def _fitting(resolution: int, is_toy: bool) -> str:
    """The preset that fits data of a resolution."""
    sizes = {16: "digits", 48: "cifar10", 96: "64"}
    return f"sagan-{next((name for most, name in sizes.items() if 0 < resolution <= most), '128')}"


SAGAN.FAMILIES = {"sagan": _fitting}
