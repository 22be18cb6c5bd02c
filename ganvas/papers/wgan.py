"""WGAN (Arjovsky et al. 2017, arXiv 1701.07875) and WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028).

Here: the objective with both ways to keep the critic Lipschitz, its Config and the presets of the authors' tables.
Not here: the networks (nets/dcgan.py, nets/resnet.py, nets/mlp.py) and the penalty itself (penalties.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from ganvas import gan, latents, losses, penalties
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Loss, Phase, Preset, Request
from ganvas.nets import dcgan, mlp, resnet

Net = Literal["dcgan4", "dcgan5", "resnet32", "resnet64", "mlp", "toy"]


class Config(gan.Config):
    """Defaults are the paper's: WGAN's Algorithm 1 (section 3), with the DCGAN of its experiments (section 4.1)."""

    resolution: int = 64
    optimizer: Literal["adam", "rmsprop", "rmsprop_tf1"] = "rmsprop"
    G_lr: float = 5e-5
    D_lr: float = 5e-5

    # networks
    G_net: Net = "dcgan4"
    D_net: Net = "dcgan4"
    dim_z: int = 100  # latent dimensions, standard normal
    G_width: int = 64  # channels of the narrowest layer (mlp, toy: of every hidden layer)
    D_width: int = 64
    extra_layers: int = 0  # dcgan4: 3x3 layers at full width, in both players
    G_batch_norm: bool = True  # dcgan4 and dcgan5; the ResNets always have it, the MLPs never
    D_norm: Literal["batch", "layer", "none"] = "batch"  # dcgan4 and dcgan5: batch or none; resnet64: layer or none

    # the Lipschitz constraint
    lipschitz: Literal["clip", "penalise"] = "clip"
    clip: float = 0.01  # every parameter of the critic stays in [-clip, clip], batch-norm scale and bias too
    clip_when: Literal["after", "before"] = "after"  # the paper clips after the step, the authors' code before it
    penalty: float = 10.0  # weight of (|grad D| - 1)^2
    penalty_eps: float = 0.0  # under the root of the gradient norm; 0 is the authors'

    # training
    n_critic: int = 5  # critic steps per generator step
    n_critic_long: int = 100  # critic steps in the iterations that the next two fields choose
    long_first: int = 0  # iterations at the start (25 in the authors' code)
    long_every: int = 0  # and on every iteration divisible by this (500 in the authors' code); 0: never
    G_batch_ratio: int = 1  # fakes in a generator step, per image of the batch
    dequantise: bool = False  # reals are 2 (x / 256 - 1 / 2) + U(0, 1 / 128), x in 0..255
    pixel_range: Literal["symmetric", "unit"] = "symmetric"  # what the players see: [-1, 1] or [0, 1]
    D_class: float = 1.0  # weight of the class loss on real images (conditional only, ACGAN)
    G_class: float = 0.1  # and on fakes, for the generator

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.lipschitz == "penalise" and self.D_norm == "batch" and self.D_net in ("dcgan4", "dcgan5"):
            raise ValueError(
                "a gradient penalty needs a critic that does not couple samples: set D_norm=none, or lipschitz=clip"
            )
        if self.clip <= 0 or self.n_critic < 1 or self.n_critic_long < 1 or self.G_batch_ratio < 1:
            raise ValueError("clip must be above 0, n_critic, n_critic_long and G_batch_ratio at least 1")
        if self.num_classes and (self.G_net, self.D_net) != ("resnet32", "resnet32"):
            raise ValueError("classes need the ResNets of the CIFAR script: set G_net=resnet32 and D_net=resnet32")
        if self.dequantise and self.pixel_range == "unit":
            raise ValueError("dequantise is defined for pixel_range=symmetric only")
        return self


@dataclass(frozen=True)
class Drawn:
    """z [N, Z]; z_G [ratio N, Z]; alpha [N] in [0, 1); y_G [ratio N] classes or None; dither like x or None."""

    z: Tensor
    z_G: Tensor
    alpha: Tensor
    y_G: Tensor | None
    dither: Tensor | None


class WGAN(GAN):
    """Players `G` and `D`, the critic.  Signs are the paper's: the critic maximises E D(x) - E D(G(z))."""

    config_type = Config
    title = "WGAN (Arjovsky et al. 2017) and WGAN-GP (Gulrajani et al. 2017)"
    headline = "D/distance"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.G = build_G(config)
        self.D = build_D(config)

    def phases(self) -> list[Phase]:
        """n_critic critic steps, then one generator step (Algorithm 1 of both papers)."""
        c = self.config
        long = self.iteration < c.long_first or (c.long_every and self.iteration % c.long_every == 0)
        n_critic = c.n_critic_long if long else c.n_critic
        clips = c.lipschitz == "clip"
        after = self.clip_weights if clips and c.clip_when == "after" else None
        loss = self.clip_and_critic_loss if clips and c.clip_when == "before" else self.critic_loss
        return [
            Phase("D", loss, repeat=n_critic, after=after),
            Phase("G", self.generator_loss),
        ]

    def draw(self, real: Batch, rng: torch.Generator) -> Drawn:
        """Latents for both players, the penalty's alpha, fake classes, dither."""
        c, n, device = self.config, len(real.x), real.x.device
        return Drawn(
            z=torch.randn(n, c.dim_z, generator=rng).to(device),
            z_G=torch.randn(n * c.G_batch_ratio, c.dim_z, generator=rng).to(device),
            alpha=torch.rand(n, generator=rng).to(device),
            y_G=torch.randint(c.num_classes, (n * c.G_batch_ratio,), generator=rng).to(device)
            if c.num_classes
            else None,
            dither=(torch.rand(real.x.shape, generator=rng) / 128).to(device) if c.dequantise else None,
        )

    def critic_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """-(E D(x) - E D(G(z))), plus the penalty (WGAN-GP, Eq. 3), plus the class loss where there are classes."""
        c = self.config
        x = self.native(real.x, drawn.dither)
        with torch.no_grad():
            fake = self.G(drawn.z, *self.condition(real.y))
        distance = losses.wasserstein_distance(self.D(x), self.D(fake))  # two passes: batch norm sees them apart
        total, logs = -distance, {"D/distance": distance}
        if c.lipschitz == "penalise":
            penalty = penalties.gradient_penalty(self.D, x, fake, drawn.alpha, c.penalty_eps)
            total, logs["D/penalty"] = total + c.penalty * penalty, penalty
        if c.num_classes:
            class_loss = class_cross_entropy(self.D, x, real.y)[1]
            total, logs["D/class"] = total + c.D_class * class_loss, class_loss
        return Loss(total, logs)

    def generator_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """-E D(G(z))"""
        c = self.config
        fake = self.G(drawn.z_G, *self.condition(drawn.y_G))
        if not c.num_classes:
            return Loss(-self.D(fake).mean())
        scores, class_loss = class_cross_entropy(self.D, fake, drawn.y_G)
        return Loss(-scores.mean() + c.G_class * class_loss, {"G/class": class_loss})

    def clip_and_critic_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """The order of the authors' code: the generator then sees a critic that may be one step outside the box."""
        self.clip_weights()
        return self.critic_loss(real, drawn)

    @torch.no_grad()
    def clip_weights(self) -> None:
        """Every parameter of the critic into [-clip, clip]."""
        for p in self.D.parameters():
            p.clamp_(-self.config.clip, self.config.clip)

    def native(self, x: Tensor, dither: Tensor | None = None) -> Tensor:
        """Images in [-1, 1] to what the players see.  [N, C, H, W] -> same shape"""
        if dither is not None:
            return (x + 1.0) * (255 / 256) - 1.0 + dither
        return (x + 1.0) / 2.0 if self.config.pixel_range == "unit" else x

    def condition(self, y: Tensor | None) -> tuple[Tensor, ...]:
        """The class argument of G, if there is one."""
        return (y,) if self.config.num_classes and y is not None else ()

    def scores(self, batch: Batch) -> Tensor:
        """D(x).  -> [N]"""
        return self.D(self.native(batch.x))

    def code(self, request: Request) -> tuple[Tensor, Tensor | None]:
        """Latents [N, Z], and classes as one-hot rows [N, K], so that they can be mixed."""
        z = latents.of(request.seeds, self.config.dim_z, request.truncation, request.truncation_form)
        return z, latents.one_hot(request.classes, self.config.num_classes)

    def decode(self, z: Tensor, c: Tensor | None) -> Tensor:
        """G of latents and (mixed) classes.  -> [N, C, H, W] in [-1, 1] (toys: [N, 2])"""
        x = self.G(z, *self.condition(c))
        return x * 2.0 - 1.0 if self.config.pixel_range == "unit" else x


def class_cross_entropy(D: nn.Module, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Scores [N] of the images x, and the cross-entropy (scalar) of the critic's class head against y [N]."""
    assert isinstance(D, resnet.D32), "a class loss needs the ResNet critic"
    assert y is not None, "a class loss needs classes"
    scores, logits = D.score_and_logits(x)
    return scores, F.cross_entropy(logits, y)


def build_G(c: Config) -> nn.Module:
    """The generator that the Config names."""
    if c.G_net == "toy":
        return mlp.ToyG(c.dim_z, c.G_width, c.channels)
    if c.resolution == 0:
        raise InputError(f"{c.G_net} makes images, these data are points; use a toy preset such as wgan-gp-toy")
    if c.G_net == "dcgan4":
        return dcgan.G4(c.resolution, c.channels, c.dim_z, c.G_width, c.extra_layers, c.G_batch_norm)
    if c.G_net == "dcgan5":
        return dcgan.G5(c.resolution, c.channels, c.dim_z, c.G_width, c.G_batch_norm)
    if c.G_net == "resnet32":
        return resnet.G32(c.resolution, c.channels, c.dim_z, c.G_width, c.num_classes)
    if c.G_net == "resnet64":
        return resnet.G64(c.resolution, c.channels, c.dim_z, c.G_width)
    return mlp.ImageG(c.resolution, c.channels, c.dim_z, c.G_width)


def build_D(c: Config) -> nn.Module:
    """The critic that the Config names."""
    if c.D_net == "toy":
        return mlp.ToyD(c.channels, c.D_width)
    if c.D_net == "dcgan4":
        return dcgan.D4(c.resolution, c.channels, c.D_width, c.extra_layers, c.D_norm == "batch")
    if c.D_net == "dcgan5":
        return dcgan.D5(c.resolution, c.channels, c.D_width, c.D_norm == "batch")
    if c.D_net == "resnet32":
        return resnet.D32(c.resolution, c.channels, c.D_width, c.num_classes)
    if c.D_net == "resnet64":
        return resnet.D64(c.resolution, c.channels, c.D_width, c.D_norm)
    return mlp.ImageD(c.resolution, c.channels, c.D_width)


# The authors' script (train loop and models): clip first, 100 critic steps for the first 25 generator steps.
_CODE = {"clip_when": "before", "long_first": 25, "long_every": 500, "images": 75_000_000}
# Their TensorFlow twin in the WGAN-GP repository, mode "wgan".
_TF_CLIP = {"optimizer": "rmsprop_tf1", "eps": 1e-10, "dim_z": 128, "G_net": "dcgan5", "D_net": "dcgan5"}
_GP = {"lipschitz": "penalise", "optimizer": "adam", "D_norm": "none", "dim_z": 128}
_GP_CIFAR = _GP | {
    "G_net": "resnet32", "D_net": "resnet32", "G_width": 128, "D_width": 128, "resolution": 32, "G_lr": 2e-4,
    "D_lr": 2e-4, "lr_schedule": "linear", "G_batch_ratio": 2, "dequantise": True, "images": 32_000_000,
}  # fmt: skip
_DCGAN5 = {"G_net": "dcgan5", "D_net": "dcgan5", "G_lr": 1e-4, "D_lr": 1e-4, "beta1": 0.5}
_MNIST = {"resolution": 28, "channels": 1, "G_width": 64, "D_width": 64, "pixel_range": "unit", "batch": 50}
_RATE = {"G_lr": 1e-4, "D_lr": 1e-4, "images": 64_000_000}
_TOY = {"G_net": "toy", "D_net": "toy", "resolution": 0, "channels": 2, "dim_z": 2, "G_width": 512, "D_width": 512}
_SMALL_TOY = _TOY | {"G_width": 128, "D_width": 128, "batch": 256, "ema": 0.99}
_DIGITS = {
    "resolution": 16, "channels": 1, "D_net": "mlp", "D_width": 512, "dim_z": 32, "n_critic": 2, "batch": 32,
    "ema": 0.998, "images": 360_000,
}  # fmt: skip

WGAN.PRESETS = {
    "wgan-32": Preset(_CODE | {"resolution": 32}, "DCGAN at 32 pixels, the authors' script"),
    "wgan-64": Preset(_CODE, "DCGAN at 64 pixels, the authors' script (paper section 4.1)", "LSUN bedrooms"),
    "wgan-128": Preset(_CODE | {"resolution": 128}, "DCGAN at 128 pixels, the authors' script"),
    "wgan-64-nobn": Preset(
        _CODE | {"G_batch_norm": False}, "64 pixels, generator without batch norm (paper Fig. 6)", "LSUN bedrooms"
    ),
    "wgan-64-mlp": Preset(
        _CODE | {"G_net": "mlp", "G_width": 512},
        "64 pixels, MLP generator of width 512 (paper Fig. 7)",
        "LSUN bedrooms",
    ),
    "wgan-64-mlps": Preset(
        _CODE | {"G_net": "mlp", "G_width": 512, "D_net": "mlp", "D_width": 512},
        "64 pixels, both players MLPs of width 512 (paper Fig. 3)",
        "LSUN bedrooms",
    ),
    "wgan-cifar10": Preset(
        _TF_CLIP | {"resolution": 32, "G_width": 128, "D_width": 128, "images": 64_000_000},
        "DCGAN with 5x5 kernels, clipping twin in the WGAN-GP repository",
        "CIFAR-10",
    ),
    "wgan-mnist": Preset(
        _TF_CLIP | _MNIST | {"images": 50_000_000},
        "DCGAN with 5x5 kernels at 28 pixels, clipping twin in the WGAN-GP repository",
        "MNIST",
    ),
    "wgan-toy": Preset(
        _TOY | {"optimizer": "rmsprop_tf1", "eps": 1e-10, "batch": 256, "images": 128_000_000},
        "MLPs of width 512, clipping twin in the WGAN-GP repository",
        "ring8, grid25, swissroll",
    ),
    "wgan-toy-small": Preset(
        _SMALL_TOY | {
            "G_lr": 1e-3, "D_lr": 1e-3, "clip": 0.1, "n_critic": 2, "lr_schedule": "linear", "images": 3_000_000,
        },
        "MLPs of width 128, ours: a minute on a laptop",
        "ring8, grid25, swissroll",
    ),
    "wgan-digits": Preset(
        _DIGITS | {"G_lr": 5e-4, "D_lr": 5e-4, "clip": 0.02},
        "DCGAN against an MLP at 16 pixels, ours: minutes on two cores",
        "digits",
    ),
    "wgan-gp-cifar10": Preset(
        _GP_CIFAR, "ResNets at 32 pixels (paper appendix F)", "CIFAR-10", published="IS 7.86 +- .07 (paper)"
    ),
    "wgan-gp-cifar10-acgan": Preset(
        _GP_CIFAR | {"conditional": True},
        "the same with classes: conditional batch norm and an ACGAN head",
        "CIFAR-10",
        num_classes=10,
        published="IS 8.42 +- .10 (paper)",
    ),
    "wgan-gp-cifar10-dcgan": Preset(
        _GP | _DCGAN5 | {"resolution": 32, "G_width": 128, "D_width": 128, "images": 64_000_000},
        "DCGAN with 5x5 kernels, the CIFAR script",
        "CIFAR-10",
    ),
    "wgan-gp-64": Preset(
        _GP | {"G_net": "resnet64", "D_net": "resnet64", "D_norm": "layer"} | _RATE,
        "the 'good' ResNets at 64 pixels, the 64-pixel script",
        "LSUN bedrooms, ImageNet 64",
    ),
    "wgan-gp-mnist": Preset(
        _GP | _DCGAN5 | _MNIST | {"G_batch_norm": False, "images": 50_000_000},
        "DCGAN with 5x5 kernels at 28 pixels, the MNIST script",
        "MNIST",
    ),
    "wgan-gp-toy": Preset(
        _TOY | {
            "lipschitz": "penalise", "optimizer": "adam", "D_norm": "none", "penalty": 0.1, "G_lr": 1e-4, "D_lr": 1e-4,
            "beta1": 0.5, "batch": 256, "images": 128_000_000,
        },
        "MLPs of width 512, the toy script",
        "ring8, grid25, swissroll",
    ),
    "wgan-gp-toy-small": Preset(
        _SMALL_TOY | {
            "lipschitz": "penalise", "optimizer": "adam", "D_norm": "none", "penalty": 0.1, "n_critic": 2,
            "G_lr": 2e-3, "D_lr": 2e-3, "lr_schedule": "linear", "images": 2_000_000,
        },
        "MLPs of width 128, ours: a minute on a laptop",
        "ring8, grid25, swissroll",
    ),
    "wgan-gp-32-small": Preset(
        _GP | {
            "resolution": 32, "G_width": 32, "D_width": 32, "dim_z": 64, "n_critic": 2, "G_lr": 5e-4, "D_lr": 5e-4,
            "lr_schedule": "linear", "ema": 0.999, "images": 600_000,
        },
        "DCGAN of width 32 at 32 pixels, ours: under an hour on one core",
        "MNIST, Fashion-MNIST",
    ),
    "wgan-gp-digits": Preset(
        _DIGITS | {
            "lipschitz": "penalise", "optimizer": "adam", "D_norm": "none", "D_net": "resnet32", "D_width": 32,
            "n_critic": 1, "G_lr": 1e-3, "D_lr": 1e-3, "lr_schedule": "linear", "images": 96_000,
        },
        "DCGAN against a small ResNet at 16 pixels, ours: minutes on two cores",
        "digits",
    ),
}  # fmt: skip


def _fitting(family: str, large: int) -> Callable[[int, bool], str]:
    """The preset of a family that fits data of a resolution."""

    def pick(resolution: int, is_toy: bool) -> str:
        if is_toy:
            return f"{family}-toy-small"
        if 0 < resolution <= 16:
            return f"{family}-digits"
        if resolution == 28:
            return f"{family}-mnist"
        if 0 < resolution <= 48:
            return f"{family}-32" if family == "wgan" else f"{family}-cifar10"
        return f"{family}-{large if resolution >= 96 else 64}"

    return pick


WGAN.FAMILIES = {"wgan": _fitting("wgan", 128), "wgan-gp": _fitting("wgan-gp", 64)}
