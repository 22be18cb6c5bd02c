"""BigGAN and BigGAN-deep (Brock et al. 2019, arXiv 1809.11096): scale, shared embeddings, truncation.

Here: the objective with orthogonal regularisation in both readings, the Config and presets of the paper and of
BigGAN-PyTorch's scripts.  Not here: the networks (nets/biggan.py, nets/biggan_deep.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from ganvas import gan, latents, losses
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Loss, Phase, Preset, Request
from ganvas.nets import biggan, biggan_deep
from ganvas.ops.norm import Statistics, standing_statistics
from ganvas.ops.orthogonal import orthogonal_penalty, regularised


class Config(gan.Config):
    """Defaults are the paper's BigGAN at 128 pixels (section 3, appendices B and C)."""

    resolution: int = 128
    conditional: bool = True
    images: int = 676_000_000  # about 165k generator steps
    batch: int = 2048
    G_lr: float = 5e-5
    D_lr: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.999
    ema: float = 0.9999
    ema_start: int = 20_000

    # networks
    deep: bool = False  # BigGAN-deep: bottleneck blocks, all of z in every block
    G_ch: int = 96  # width multiplier
    D_ch: int = 96
    dim_z: int = 120  # latent dimensions, standard normal
    shared_dim: int = 128  # class embedding that all blocks of G share; 0: a table per class in each block
    hier: bool = True  # a chunk of z goes to each block (skip-z); BigGAN-deep ignores it
    G_attention: tuple[int, ...] = (64,)  # sizes of the feature maps after which attention stands
    D_attention: tuple[int, ...] = (64,)
    D_placement: Literal["size", "nominal"] = "size"  # nominal: BigGAN-PyTorch's count, which errs at 32 pixels
    D_wide: bool = True  # hidden width of D's blocks is their output's; False: SN-GAN's (not deep)
    rgb: Literal["paper", "bgpt"] = "paper"  # deep: the last convolution has all channels, or the image's
    G_sn: bool = True  # spectral norm in G; False for imported weights that were divided by sigma
    sn_eps: float = 1e-4  # spectral norm
    bn_eps: float = 1e-4  # batch norm
    final_bn_eps: float = 1e-4  # the one before RGB
    init: Literal["ortho", "N02", "xavier"] = "ortho"
    bias_init: Literal["zero", "torch"] = "zero"  # torch: BigGAN-PyTorch leaves biases at PyTorch's default
    fused: bool = True  # resampling as part of the convolution: the same numbers, faster
    G_only: bool = False  # an imported generator whose D was never published
    statistics: int = 0  # rows of batch-norm statistics, one per truncation, that an imported generator brought

    # training
    D_steps: int = 2  # per generator step
    ortho: float = 1e-4  # strength of orthogonal regularisation of G
    ortho_form: Literal["paper", "code"] = "paper"  # code: BigGAN-PyTorch's gradient, half of the paper's

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.D_steps < 1 or self.G_ch < 1 or self.D_ch < 1 or self.dim_z < 1 or self.ortho < 0:
            raise ValueError("D_steps, G_ch, D_ch and dim_z must be at least 1, ortho at least 0")
        return self


@dataclass(frozen=True)
class Drawn:
    """z [N, Z]; y [N] classes of the fakes, uniform, or None."""

    z: Tensor
    y: Tensor | None


class BigGAN(GAN):
    """Players `G`, called as G(z, G.shared(y)), and `D`, called as D(x, y) -> [N, 1]."""

    config_type = Config
    title = "BigGAN and BigGAN-deep (Brock et al. 2019, arXiv 1809.11096)"
    headline = "D/real"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.G = build_G(config)
        self.D: Any = None if config.G_only else build_D(config)
        self.settled = False  # standing statistics took the place of those that an imported generator brought
        if config.statistics:
            self.hub = nn.Module()
            for name, buffer in batch_norm_buffers(self.G).items():
                self.hub.register_buffer(name.replace(".", "/"), buffer.repeat(config.statistics, 1))

    def phases(self) -> list[Phase]:
        """D_steps discriminator steps, then one generator step."""
        if self.D is None:
            raise InputError("this model is a generator only, its D was never published; it cannot be trained")
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
        """mean relu(1 - D(x, y)) + mean relu(1 + D(G(z, y'), y'))

        Real and fake go through D together, so spectral norm iterates once a step.
        """
        with torch.no_grad():
            fake = self.G(drawn.z, self.G.shared(drawn.y))
        y = torch.cat([drawn.y, real.y]) if drawn.y is not None and real.y is not None else None
        fake_scores, real_scores = self.D(torch.cat([fake, real.x]), y).chunk(2)
        logs = {"D/real": real_scores.mean(), "D/fake": fake_scores.mean()}
        return Loss(losses.hinge_D(real_scores, fake_scores), logs)

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """-mean D(G(z, y'), y'), plus orthogonal regularisation of G's raw weights (Eq. 3)."""
        c = self.config
        total = losses.hinge_G(self.D(self.G(drawn.z, self.G.shared(drawn.y)), drawn.y))
        if not c.ortho:
            return Loss(total)
        penalty = orthogonal_penalty(regularised(self.G), c.ortho if c.ortho_form == "paper" else c.ortho / 2)
        return Loss(total + penalty, {"G/ortho": penalty})

    def scores(self, batch: Batch) -> Tensor | None:
        """D(x, y).  -> [N]; None for a generator whose D was never published"""
        return self.D(batch.x, batch.y).flatten() if self.D is not None else None

    def code(self, request: Request) -> tuple[Tensor, Tensor | None]:
        """Latents [N, Z], and what stands for classes: embeddings [N, E], or one-hot rows [N, K]; both can be mixed."""
        z = latents.of(request.seeds, self.config.dim_z, request.truncation, request.truncation_form)
        if request.classes is not None and self.config.shared_dim:
            return z, self.G.shared(request.classes)
        return z, latents.one_hot(request.classes, self.config.num_classes)

    def decode(self, z: Tensor, c: Tensor | None) -> Tensor:
        """G of latents and (mixed) classes.  -> [N, C, H, W] in [-1, 1]"""
        return self.G(z, c)

    def settle(self, codes: list[tuple[Tensor, Tensor | None]]) -> None:
        """Standing statistics: batch norm's stored statistics from these codes."""
        standing_statistics(self.G, codes)
        self.settled = True

    def at_truncation(self, truncation: float | None) -> None:
        """Puts the imported statistics of this truncation in (0, 1] in place, if the model brought any."""
        if not self.config.statistics or self.settled:
            return
        share = 1.0 if truncation is None else truncation
        if not 0 < share <= 1:
            raise InputError(
                f"truncation {share} given; this model has statistics for 0 to 1, give a number in that range"
            )
        place = share * (self.config.statistics - 1)
        low = min(int(place + 1e-6), self.config.statistics - 2)
        for name, buffer in batch_norm_buffers(self.G).items():
            rows = self.hub.get_buffer(name.replace(".", "/"))
            buffer.copy_(torch.lerp(rows[low], rows[low + 1], place - low))


def build_G(c: Config) -> biggan.Generator | biggan_deep.Generator:
    """The generator that the Config names."""
    shared: dict[str, Any] = {
        "channels": c.channels, "attention": c.G_attention, "shared_dim": c.shared_dim, "sn": c.G_sn,
        "sn_eps": c.sn_eps, "bn_eps": c.bn_eps, "final_bn_eps": c.final_bn_eps, "init": c.init,
        "bias_init": c.bias_init, "fused": c.fused,
    }  # fmt: skip
    if c.deep:
        return biggan_deep.Generator(c.resolution, c.G_ch, c.dim_z, c.num_classes, rgb=c.rgb, **shared)
    return biggan.Generator(c.resolution, c.G_ch, c.dim_z, c.num_classes, hier=c.hier, **shared)


def build_D(c: Config) -> nn.Module:
    """The discriminator that the Config names."""
    shared: dict[str, Any] = {
        "channels": c.channels, "attention": c.D_attention, "placement": c.D_placement, "sn_eps": c.sn_eps,
        "init": c.init, "bias_init": c.bias_init,
    }  # fmt: skip
    if c.deep:
        return biggan_deep.Discriminator(c.resolution, c.D_ch, c.num_classes, **shared)
    return biggan.Discriminator(c.resolution, c.D_ch, c.num_classes, wide=c.D_wide, fused=c.fused, **shared)


def batch_norm_buffers(G: nn.Module) -> dict[str, Tensor]:
    """stored_mean and stored_var of every batch norm in G, by name."""
    layers = {name: layer for name, layer in G.named_modules() if isinstance(layer, Statistics)}
    return {
        f"{name}.{kind}": layer.get_buffer(kind)
        for name, layer in layers.items()
        for kind in ("stored_mean", "stored_var")
    }


# BigGAN-PyTorch's main script: 128 pixels, batch 256 x 8, one D step, learning rates doubled, no ortho.
_BGPT = {
    "G_lr": 1e-4, "D_lr": 4e-4, "eps": 1e-6, "D_steps": 1, "ortho": 0.0, "sn_eps": 1e-6, "bn_eps": 1e-5,
    "final_bn_eps": 1e-5, "bias_init": "torch",
}  # fmt: skip
# Its CIFAR script: batch 50, 4 D steps, no attention, per-class tables, N(0, 0.02).
_CIFAR = _BGPT | {
    "resolution": 32, "G_ch": 64, "D_ch": 64, "dim_z": 128, "shared_dim": 0, "hier": False, "G_attention": (),
    "D_attention": (), "G_lr": 2e-4, "D_lr": 2e-4, "eps": 1e-8, "sn_eps": 1e-8, "D_steps": 4, "batch": 50,
    "init": "N02", "ema_start": 1000, "images": 500 * 50_000,
}  # fmt: skip
_DEEP = {"deep": True, "G_ch": 128, "D_ch": 128, "dim_z": 128, "hier": False}
_DEEP_LARGE = _DEEP | {"G_lr": 2.5e-5, "D_lr": 2.5e-5}
_DIGITS = {
    "resolution": 8, "channels": 1, "G_ch": 16, "D_ch": 16, "dim_z": 32, "shared_dim": 16, "G_attention": (),
    "D_attention": (), "G_lr": 5e-4, "D_lr": 2e-3, "beta2": 0.9, "D_steps": 1, "batch": 64, "ema": 0.995,
    "ema_start": 100, "images": 100_000,
}  # fmt: skip
_IMAGENET: dict[str, Any] = {"data": "ImageNet", "num_classes": 1000}

BigGAN.PRESETS = {
    "biggan-64": Preset(
        {"resolution": 64, "G_attention": (32,), "D_attention": (32,), "G_ch": 64, "D_ch": 64, "batch": 256},
        "64 pixels, width 64, attention at 32 (not in the paper)",
        **_IMAGENET,
    ),
    "biggan-128": Preset(
        {}, "the paper at 128 pixels", published="FID 8.7, IS 98.8, no truncation (paper)", **_IMAGENET
    ),
    "biggan-256": Preset(
        {"resolution": 256, "dim_z": 140, "G_attention": (128,)},
        "the paper at 256 pixels, attention as in the hub's weights",
        published="FID 8.7, IS 142.3, no truncation (paper)",
        **_IMAGENET,
    ),
    "biggan-512": Preset(
        {"resolution": 512, "dim_z": 128},
        "the paper at 512 pixels, dim_z as in the hub's weights",
        published="FID 8.1, IS 144.2, no truncation (paper)",
        **_IMAGENET,
    ),
    "biggan-128-bigganpt": Preset(
        _BGPT | {"accumulate": 8, "images": 150_000 * 2048},
        "BigGAN-PyTorch's main script: batch 256 x 8",
        published="FID 9.77 to 9.91, IS 93.1, torch Inception (its log)",
        **_IMAGENET,
    ),
    "biggan-cifar10": Preset(
        _CIFAR, "BigGAN-PyTorch's CIFAR script", "CIFAR-10", 10, "FID 14.73, IS 9.22 (paper, its own network)"
    ),
    "biggan-cifar100": Preset(_CIFAR, "BigGAN-PyTorch's CIFAR script", "CIFAR-100", 100),
    "sngan-128": Preset(
        _BGPT | {
            "G_ch": 64, "D_ch": 64, "dim_z": 128, "shared_dim": 0, "hier": False, "G_attention": (), "D_attention": (),
            "D_wide": False, "G_lr": 2e-4, "D_lr": 2e-4, "beta2": 0.9, "eps": 1e-8, "sn_eps": 1e-8, "D_steps": 5,
            "batch": 64, "init": "xavier", "ema": 0.0, "images": 100 * 1_281_167,
        },
        "BigGAN-PyTorch's SN-GAN script: thin D, no attention",
        **_IMAGENET,
    ),
    "biggan-deep-64": Preset(
        _DEEP | {"resolution": 64, "G_attention": (), "D_attention": (), "batch": 256},
        "BigGAN-deep at 64 pixels (not in the paper)",
        **_IMAGENET,
    ),
    "biggan-deep-128": Preset(
        _DEEP, "BigGAN-deep at 128 pixels", published="FID 5.7, IS 124.5, no truncation (paper)", **_IMAGENET
    ),
    "biggan-deep-256": Preset(
        _DEEP_LARGE | {"resolution": 256},
        "BigGAN-deep at 256 pixels",
        published="FID 6.9, IS 171.4, no truncation (paper)",
        **_IMAGENET,
    ),
    "biggan-deep-512": Preset(
        _DEEP_LARGE | {"resolution": 512},
        "BigGAN-deep at 512 pixels",
        published="FID 7.5, IS 152.8, no truncation (paper)",
        **_IMAGENET,
    ),
    "biggan-deep-cifar10": Preset(
        _DEEP | {
            "resolution": 32, "G_attention": (), "D_attention": (), "G_lr": 2e-4, "D_lr": 2e-4, "batch": 64,
            "D_steps": 4, "ema_start": 1000, "images": 25_600_000, "ortho": 0.0, "rgb": "bgpt",
        },
        "BigGAN-deep at 32 pixels, the optimiser of the CIFAR script",
        "CIFAR-10",
        10,
    ),
    "biggan-digits": Preset(_DIGITS, "8 pixels, ours: minutes on two cores", "digits", 10),
    "biggan-deep-digits": Preset(
        _DIGITS | {"deep": True, "G_ch": 32, "D_ch": 32}, "8 pixels, ours: minutes on two cores", "digits", 10
    ),
}  # fmt: skip


def _fitting_biggan(resolution: int, is_toy: bool) -> str:
    """The preset that fits data of a resolution."""
    sizes = {16: "digits", 48: "cifar10", 96: "64", 192: "128", 384: "256"}
    return f"biggan-{next((name for most, name in sizes.items() if 0 < resolution <= most), '512')}"


def _fitting_deep(resolution: int, is_toy: bool) -> str:
    """The preset that fits data of a resolution."""
    return _fitting_biggan(resolution, is_toy).replace("biggan-", "biggan-deep-")


BigGAN.FAMILIES = {"biggan": _fitting_biggan, "biggan-deep": _fitting_deep}
