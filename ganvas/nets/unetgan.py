"""The networks of U-Net GAN by name: which of G and D the settings mean, and what they take.

Not here: the networks (unet.py, selfmod.py, biggan.py).
"""

from __future__ import annotations

from typing import Any, Literal

from torch import nn

from ganvas import config
from ganvas.nets import biggan, selfmod, unet


class Config(config.Config):
    """What chooses the networks.  Defaults are those of the authors' script for FFHQ at 256 pixels."""

    discriminator: Literal["unet", "plain"] = "unet"  # plain: BigGAN's, one score an image (the paper's baseline)
    G_ch: int = 64  # width multiplier
    D_ch: int = 64
    dim_z: int = 128  # latent dimensions; 140 in the paper
    prior: Literal["normal", "uniform"] = "normal"  # of the latents; uniform in [-1, 1] in the paper
    G_attention: tuple[int, ...] = ()  # sizes of the feature maps after which attention stands
    D_attention: tuple[int, ...] = ()  # the same, in the encoder
    sn_eps: float = 1e-6  # spectral norm
    init: Literal["ortho", "N02"] = "ortho"  # of weights: orthogonal, or N(0, 0.02), which is calmer in small networks


def generator(c: Config) -> nn.Module:
    """G(z, G.shared(y)): BigGAN's with classes, with self-modulation without."""
    values: dict[str, Any] = {**_common(c), "attention": c.G_attention, "bn_eps": 1e-5}
    if not c.num_classes:
        return selfmod.Generator(c.resolution, c.G_ch, c.dim_z, **values)
    tables: dict[str, Any] = {"hier": False, "shared_dim": 0, "final_bn_eps": 1e-5}
    return biggan.Generator(c.resolution, c.G_ch, c.dim_z, c.num_classes, **tables, **values)


def discriminator(c: Config) -> nn.Module:
    """D(x, y) -> map [N, 1, R, R] and score [N, 1]; a plain one the score alone."""
    D: Any = unet if c.discriminator == "unet" else biggan
    made: nn.Module = D.Discriminator(c.resolution, c.D_ch, c.num_classes, attention=c.D_attention, **_common(c))
    return made


def _common(c: Config) -> dict[str, Any]:
    return {"channels": c.channels, "sn_eps": c.sn_eps, "init": c.init, "bias_init": "torch"}
