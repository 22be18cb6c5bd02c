"""The networks of LOGAN by name, BigGAN-deep or CS-GAN's SN-GAN, what they take, and how latents step before them.

Not here: the networks (biggan_deep.py, sngan.py), the step itself (ops/latent_step.py).
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from ganvas import config
from ganvas.config import ANY, only
from ganvas.nets import biggan_deep, sngan
from ganvas.ops.latent_step import Mask, Rule

DEEP: dict[str, Any] = {"net": "biggan-deep"}
STEP: dict[str, Any] = {"rule": ("natural", "gradient")}


class Config(config.Config):
    """What chooses networks and step.  Defaults are the paper's for ImageNet: BigGAN-deep but for dim_z and slope."""

    net: Literal["biggan-deep", "sngan"] = "biggan-deep"  # sngan: CS-GAN's, without classes
    G_ch: int = 128  # width multiplier
    D_ch: int = 128
    dim_z: int = 256  # latent dimensions, uniform in [-1, 1)
    slope: float = 0.2  # of LeakyReLU everywhere; sngan: in D, its G has ReLU
    shared_dim: int = only(128, num_classes=ANY)  # class embedding that all blocks share
    G_attention: tuple[int, ...] = only((64,), **DEEP)  # sizes of the feature maps after which attention stands
    D_attention: tuple[int, ...] = only((64,), **DEEP)
    rgb: Literal["paper", "bgpt"] = only("paper", **DEEP)  # the last convolution has all channels, or the image's
    sn_eps: float = 1e-4  # spectral norm
    bn_eps: float = 1e-4  # batch norm
    bn_momentum: float = 0.1  # a batch's share in the stored statistics

    # the step in latent space
    rule: Rule = "natural"  # NGD (Eq. 16), GD, the paper's baseline
    alpha: float = only(0.9, **STEP)  # length
    beta: float = only(5.0, rule="natural")  # damping: no step is longer than alpha / (2 sqrt(beta))
    fraction: float = only(0.5, **STEP)  # of z that may move
    mask: Mask = only("element_fixed", **STEP)  # which part of z that is
    steps: int = only(1, **STEP)  # before every loss
    sampling_steps: int = only(0, **STEP)  # before every sample

    @model_validator(mode="after")
    def _possible_networks(self) -> Self:
        if not 0 < self.fraction <= 1 or self.beta <= 0:
            raise ValueError("fraction must be above 0 and at most 1, beta above 0")
        if self.steps < 1:
            raise ValueError("steps must be at least 1; rule=none takes none")
        if self.net == "sngan" and self.num_classes:
            raise ValueError("sngan has no classes: set conditional=false, or net=biggan-deep")
        return self


def generator(c: Config) -> Any:
    """G(z, G.shared(y))"""
    if c.net == "sngan":
        return sngan.Generator(c.resolution, c.channels, c.dim_z, c.G_ch, c.bn_eps, c.bn_momentum)
    return biggan_deep.Generator(
        c.resolution, c.G_ch, c.dim_z, c.num_classes, c.channels, c.G_attention, c.shared_dim, c.rgb,
        sn_eps=c.sn_eps, bn_eps=c.bn_eps, final_bn_eps=c.bn_eps, bn_momentum=c.bn_momentum, slope=c.slope,
    )  # fmt: skip


def discriminator(c: Config) -> Any:
    """D(x, y) -> [N, 1]"""
    if c.net == "sngan":
        return sngan.Discriminator(c.resolution, c.channels, c.D_ch, 1, c.slope, c.sn_eps)
    return biggan_deep.Discriminator(
        c.resolution, c.D_ch, c.num_classes, c.channels, c.D_attention, sn_eps=c.sn_eps, slope=c.slope
    )
