"""The networks of ADC-GAN and its relatives: BigGAN's for images, MLPs for points, and what they take.

Not here: the networks (biggan.py, mog.py) and D's heads (heads.py).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from ganvas import config
from ganvas.config import ANY, only
from ganvas.nets import biggan, heads, mog


class Config(config.Config):
    """What chooses the networks.  Defaults are the authors' script for CIFAR-10."""

    WHEN: ClassVar[dict[str, config.Condition]] = {"ema_buffers": {"resolution": ANY}}  # the MLPs have none
    G_ch: int = only(64, resolution=ANY)  # width multiplier
    D_ch: int = only(64, resolution=ANY)
    hidden: int = only(10, resolution=0)  # of every hidden layer of the MLPs, the networks for points
    dim_z: int = 128  # latent dimensions, standard normal
    shared_dim: int = 0  # class embedding that all blocks share; 0: tables in each block
    hier: bool = only(False, resolution=ANY)  # a chunk of z goes to each block (skip-z)
    G_attention: tuple[int, ...] = only((), resolution=ANY)  # sizes of the feature maps after which attention stands
    D_attention: tuple[int, ...] = only((), resolution=ANY)
    sn_eps: float = only(1e-8, resolution=ANY)  # spectral norm
    bn_eps: float = only(1e-5, resolution=ANY)  # batch norm
    init: Literal["N02", "ortho", "xavier"] = only("N02", resolution=ANY)


def generator(c: Config) -> Any:
    """G(z, G.shared(y))"""
    if not c.resolution:
        return mog.Generator(c.channels, c.dim_z, c.num_classes, c.shared_dim, c.hidden)
    return biggan.Generator(
        c.resolution, c.G_ch, c.dim_z, c.num_classes, attention=c.G_attention, hier=c.hier,
        shared_dim=c.shared_dim, bn_eps=c.bn_eps, final_bn_eps=c.bn_eps, **_common(c),
    )  # fmt: skip


def discriminator(c: Config, names: tuple[heads.Head, ...]) -> Any:
    """D(x, y) -> `heads.Answer`, with the heads of these names"""
    if not c.resolution:
        return mog.Discriminator(names, c.channels, c.num_classes, c.hidden)
    return heads.Discriminator(names, c.resolution, c.D_ch, c.num_classes, attention=c.D_attention, **_common(c))


def _common(c: Config) -> dict[str, Any]:
    return {"channels": c.channels, "sn_eps": c.sn_eps, "init": c.init, "bias_init": "torch"}
