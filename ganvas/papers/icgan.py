"""IC-GAN on BigGAN (Casanova et al. 2021, arXiv 2109.05070): images like an instance, given by its features.

A real pair is a neighbour's image (and class) with the features of an instance; a fake pair the features of another
one.  Here: the objective, with classes and without, and its Config.  Not here: presets (presets/icgan.toml), networks
(nets/biggan.py), features, neighbours and how pairs are drawn (data/), pictures as conditions (ganvas/instances.py).
"""

from __future__ import annotations

from typing import Any, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from ganvas import config, losses, rng, rows
from ganvas.config import ANY, only
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Code, Drawn, Given, Loss, Phase, Request
from ganvas.limited import shown
from ganvas.nets import biggan

TRAINS = {"G_only": False}  # the discriminators were never published


class Config(config.Config):
    """Defaults are the released configuration for ImageNet at 128 pixels without classes."""

    WHEN = dict.fromkeys((
        "flip", "images", "batch", "accumulate", "optimizer", "G_lr", "D_lr", "beta1", "beta2", "eps", "lr_schedule",
        "ema", "ema_start", "ema_ramp", "ema_buffers", *config.LIMITED,
    ), TRAINS)  # fmt: skip
    resolution: int = 128
    flip: bool = only(True, resolution=ANY)
    images: int = 256_000_000  # the length is ours: theirs stop early, by a score
    batch: int = 2048
    accumulate: int = 32  # 64 images at a time, as many as theirs see together in batch norm
    G_lr: float = 4e-5
    beta2: float = only(0.999, optimizer="adam")
    eps: float = 1e-6
    ema: float = 0.9999
    ema_start: int = only(20_000, ema=ANY)

    # instances
    features: str = only("own", **TRAINS)  # the network of the features, as ganvas prepare names it
    k: int = only(50, **TRAINS)  # neighbours of an instance, itself excepted
    flip_features: bool = only(True, **TRAINS)  # instance augmentation: half the time those of the mirror image
    dim_h: int = 2048  # length of the features; filled in from the data

    # networks
    G_ch: int = 96  # width multiplier
    D_ch: int = only(96, **TRAINS)
    dim_z: int = 120  # latent dimensions, standard normal
    shared_dim: int = only(128, num_classes=ANY)  # class embedding that all blocks share
    shared_dim_feat: int = 512  # embedding of the features that all blocks share
    hier: bool = True  # a chunk of z goes to each block (skip-z)
    G_attention: tuple[int, ...] = (64,)  # sizes of the feature maps after which attention stands
    D_attention: tuple[int, ...] = only((64,), **TRAINS)
    sn_eps: float = 1e-6  # spectral norm
    bn_eps: float = 1e-5  # batch norm
    init: Literal["ortho", "N02", "xavier"] = only("ortho", **TRAINS)
    bias_init: Literal["torch", "zero"] = only("torch", **TRAINS)
    G_only: bool = False  # an imported generator

    D_steps: int = only(1, **TRAINS)  # per generator step

    def reading(self) -> dict[str, Any]:
        made = {"features": self.features, "k": self.k, "augment": self.flip_features, "feature_dim": self.dim_h}
        return made | {"classes": bool(self.num_classes)}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name in ("k", "dim_h", "shared_dim_feat", "shared_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}, expected 1 or more")
        return self


class ICGAN(GAN[Config]):
    """Players `G`, called as G(z, G.shared(y), G.shared_feat(h)), and `D`, called as D(x, y, h) -> [N, 1]."""

    config_type = Config
    title = "IC-GAN (Casanova et al. 2021, arXiv 2109.05070) on BigGAN"
    headline = "D/real"
    reads = "instances"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        c = config
        shared: dict[str, Any] = {
            "num_classes": c.num_classes, "channels": c.channels, "sn_eps": c.sn_eps, "init": c.init,
            "bias_init": c.bias_init, "dim_h": c.dim_h,
        }  # fmt: skip
        self.G = biggan.Generator(
            c.resolution, c.G_ch, c.dim_z, attention=c.G_attention, hier=c.hier, shared_dim=c.shared_dim,
            bn_eps=c.bn_eps, final_bn_eps=c.bn_eps, shared_dim_feat=c.shared_dim_feat, **shared,
        )  # fmt: skip
        self.D: Any = (
            None if c.G_only else biggan.Discriminator(c.resolution, c.D_ch, attention=c.D_attention, **shared)
        )

    def phases(self) -> list[Phase]:
        """D_steps discriminator steps, then one generator step."""
        if self.D is None:
            raise InputError("this model is a generator only, its D was never published; it cannot be trained")
        return [
            Phase("D", "D", self.D_loss, repeat=self.config.D_steps, after=self.observe),
            Phase("G", "G", self.G_loss),
        ]

    def make(self, z: Tensor, given: Given) -> Tensor:
        """Images of latents and conditions.  -> [N, C, H, W] in [-1, 1]"""
        y = self.G.shared(given.y) if self.config.num_classes else None
        return self.G(z, y, self.G.shared_feat(given.h))

    def D_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """mean relu(1 - D(x_n, y_n, h_i)) + mean relu(1 + D(G(z, y', h_j), y', h_j)), n among the neighbours of i

        The instances j of the fakes, and the classes y' of neighbours of theirs, have nothing to do with those of the
        real pairs.  Real and fake go through D together.
        """
        fakes = real.fake or real.given
        with torch.no_grad():
            fake = self.make(drawn.z, fakes)
        given, both = real.given, rows.concat([fakes, real.given])
        fake_scores, real_scores = self.D(shown(torch.cat([fake, real.x]), drawn.shown), both.y, both.h).chunk(2)
        logs = {"D/real": real_scores.mean(), "D/fake": fake_scores.mean()}
        loss = Loss(losses.hinge_D(real_scores, fake_scores), logs)
        return self.limited(
            loss, real_scores, fake_scores, lambda: self.D(shown(real.x, drawn.again), given.y, given.h)
        )

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """-mean D(G(z, y', h_j), y', h_j)"""
        fakes = real.fake or real.given
        return Loss(losses.hinge_G(self.D(shown(self.make(drawn.z, fakes), drawn.shown), fakes.y, fakes.h)))

    def scores(self, batch: Batch) -> Tensor | None:
        """D(x, y, h).  -> [N]; None for a generator whose D was never published"""
        return self.D(batch.x, batch.given.y, batch.given.h).flatten() if self.D is not None else None

    def code(self, request: Request) -> Code:
        """Latents, embeddings of classes [N, E], and features [N, F]; all of them can be mixed."""
        c, y = self.config, request.given.y
        z = rng.latents(request.seeds, c.dim_z, request.truncation, request.truncation_form)
        return Code(z, self.G.shared(y) if c.num_classes else None, request.given.h)

    def decode(self, code: Code) -> Tensor:
        """G of latents, classes and features.  -> [N, C, H, W] in [-1, 1]"""
        return self.G(code.z, code.c, self.G.shared_feat(code.h))
