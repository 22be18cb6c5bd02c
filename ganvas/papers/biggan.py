"""BigGAN and BigGAN-deep (Brock et al. 2019, arXiv 1809.11096): scale, shared embeddings, truncation.

Here: the objective with orthogonal regularisation in both readings, and the Config.  Not here: the presets of the
paper and of BigGAN-PyTorch's scripts (presets/biggan.toml), the networks (nets/biggan.py, nets/biggan_deep.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganvas import config, gan, losses, rng
from ganvas.config import ANY, only
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Drawn, Loss, Phase, Request
from ganvas.limited import shown
from ganvas.nets import biggan, biggan_deep, hub
from ganvas.ops.orthogonal import orthogonal_penalty, regularised

TRAINS = {"G_only": False}  # an imported generator whose D was never published has no training


class Config(config.Config):
    """Defaults are the paper's BigGAN at 128 pixels (section 3, appendices B and C)."""

    WHEN = dict.fromkeys((
        "flip", "images", "batch", "accumulate", "optimizer", "G_lr", "D_lr", "beta1", "beta2", "eps", "lr_schedule",
        "ema", "ema_start", "ema_ramp", "ema_buffers", "augment", "ada_target", "ada_speed", "lecam", "lecam_decay",
        "shift_consistency",
    ), TRAINS)  # fmt: skip
    resolution: int = 128
    conditional: bool = True
    images: int = 676_000_000  # about 165k generator steps
    batch: int = 2048
    G_lr: float = 5e-5
    D_lr: float = 2e-4
    beta1: float = only(0.0, optimizer="adam")
    beta2: float = only(0.999, optimizer="adam")
    ema: float = 0.9999
    ema_start: int = only(20_000, ema=ANY)
    deep: bool = False  # BigGAN-deep: bottleneck blocks, all of z in every block
    G_ch: int = 96  # width multiplier
    D_ch: int = only(96, **TRAINS)
    dim_z: int = 120  # latent dimensions, standard normal
    shared_dim: int = only(128, num_classes=ANY)  # class embedding that all blocks share; 0: tables in each block
    hier: bool = only(True, deep=False)  # a chunk of z goes to each block (skip-z)
    G_attention: tuple[int, ...] = (64,)  # sizes of the feature maps after which attention stands
    D_attention: tuple[int, ...] = only((64,), **TRAINS)
    D_placement: Literal["size", "nominal"] = only("size", D_attention=ANY, **TRAINS)  # nominal: BigGAN-PyTorch's count
    D_wide: bool = only(True, deep=False, **TRAINS)  # hidden width of D's blocks: their output's; False: SN-GAN's
    rgb: Literal["paper", "bgpt"] = only("paper", deep=True)  # the last convolution has all channels, or the image's
    G_sn: bool = True  # spectral norm in G; False for imported weights that were divided by sigma
    sn_eps: float = only(1e-4, either=True, G_sn=True, **TRAINS)  # spectral norm
    bn_eps: float = 1e-4  # batch norm
    final_bn_eps: float = 1e-4  # the one before RGB
    init: Literal["ortho", "N02", "xavier"] = only("ortho", **TRAINS)
    bias_init: Literal["zero", "torch"] = only("zero", **TRAINS)  # torch: BigGAN-PyTorch leaves PyTorch's default
    fused: bool = True  # resampling as part of the convolution: the same numbers, faster
    G_only: bool = False  # an imported generator whose D was never published
    statistics: int = only(0, G_only=True)  # rows of batch-norm statistics, one per truncation, that it brought
    D_steps: int = only(2, **TRAINS)  # per generator step
    ortho: float = only(1e-4, **TRAINS)  # strength of orthogonal regularisation of G
    ortho_form: Literal["paper", "code"] = only("paper", ortho=ANY, **TRAINS)  # code: BigGAN-PyTorch's, half of it


@dataclass(frozen=True)
class Code(gan.Code):
    """Also the truncation, 1 for none: imported statistics belong to one."""

    truncation: float = 1.0


class BigGAN(GAN[Config]):
    """Players `G`, called as G(z, G.shared(y)), and `D`, called as D(x, y) -> [N, 1]."""

    config_type = Config
    title = "BigGAN and BigGAN-deep (Brock et al. 2019, arXiv 1809.11096)"
    headline = "D/real"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        c = config
        shared: dict[str, Any] = {"channels": c.channels, "sn_eps": c.sn_eps, "init": c.init, "bias_init": c.bias_init}
        of_G = {
            "attention": c.G_attention, "shared_dim": c.shared_dim, "sn": c.G_sn, "bn_eps": c.bn_eps,
            "final_bn_eps": c.final_bn_eps, "fused": c.fused, **shared,
        }  # fmt: skip
        of_D = {"attention": c.D_attention, "placement": c.D_placement, **shared}
        G, D = (biggan_deep, biggan_deep) if c.deep else (biggan, biggan)
        of_G |= {"rgb": c.rgb} if c.deep else {"hier": c.hier}
        of_D |= {} if c.deep else {"wide": c.D_wide, "fused": c.fused}
        self.G = G.Generator(c.resolution, c.G_ch, c.dim_z, c.num_classes, **of_G)
        self.D: Any = None if c.G_only else D.Discriminator(c.resolution, c.D_ch, c.num_classes, **of_D)
        if c.statistics:
            self.hub: nn.Module = hub.Statistics(self.G, c.statistics)

    def phases(self) -> list[Phase]:
        """D_steps discriminator steps, then one generator step."""
        if self.D is None:
            raise InputError("this model is a generator only, its D was never published; it cannot be trained")
        return [
            Phase("D", "D", self.D_loss, repeat=self.config.D_steps, after=self.observe),
            Phase("G", "G", self.G_loss),
        ]

    def D_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """mean relu(1 - D(x, y)) + mean relu(1 + D(G(z, y'), y'))

        Real and fake go through D together, so spectral norm iterates once a step.
        """
        with torch.no_grad():
            fake = self.G(drawn.z, self.G.shared(drawn.y))
        y = torch.cat([drawn.y, real.given.y]) if drawn.y is not None and real.given.y is not None else None
        fake_scores, real_scores = self.D(shown(torch.cat([fake, real.x]), drawn.shown), y).chunk(2)
        logs = {"D/real": real_scores.mean(), "D/fake": fake_scores.mean()}
        loss = Loss(losses.hinge_D(real_scores, fake_scores), logs)
        return self.limited(loss, real_scores, fake_scores, lambda: self.D(shown(real.x, drawn.again), real.given.y))

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """-mean D(G(z, y'), y'), plus orthogonal regularisation of G's raw weights (Eq. 3)."""
        c = self.config
        total = losses.hinge_G(self.D(shown(self.G(drawn.z, self.G.shared(drawn.y)), drawn.shown), drawn.y))
        if not c.ortho:
            return Loss(total)
        penalty = orthogonal_penalty(regularised(self.G), c.ortho if c.ortho_form == "paper" else c.ortho / 2)
        return Loss(total + penalty, {"G/ortho": penalty})

    def scores(self, batch: Batch) -> Tensor | None:
        """D(x, y).  -> [N]; None for a generator whose D was never published"""
        return self.D(batch.x, batch.given.y).flatten() if self.D is not None else None

    def code(self, request: Request) -> Code:
        """Latents, and what stands for classes: embeddings [N, E], or one-hot rows [N, K]; both can be mixed."""
        z = rng.latents(request.seeds, self.config.dim_z, request.truncation, request.truncation_form)
        truncation = 1.0 if request.truncation is None else request.truncation
        if self.config.statistics:
            hub.must_have(truncation)
        if request.given.y is not None and self.config.shared_dim:
            return Code(z, self.G.shared(request.given.y), truncation=truncation)
        return Code(z, rng.one_hot(request.given.y, self.config.num_classes), truncation=truncation)

    def decode(self, code: Code) -> Tensor:
        """G of latents and (mixed) classes, with the imported statistics of the truncation if there are any."""
        if self.config.statistics and not hub.settled(self.G):
            return self.hub(self.G, code.z, code.c, code.truncation)
        return self.G(code.z, code.c)
