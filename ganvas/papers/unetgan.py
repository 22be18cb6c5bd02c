"""U-Net GAN (Schoenfeld et al. 2020, arXiv 2002.12655): D judges an image and each of its pixels; CutMix trains it.

Here: the objective in its two schedules, the Config.  Not here: networks (nets/unetgan.py names them), losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from ganvas import losses
from ganvas.config import ANY, only
from ganvas.gan import GAN, Batch, Code, Drawn, Given, Loss, Phase
from ganvas.limited import shown
from ganvas.nets import unetgan as nets
from ganvas.ops.cutmix import cutmix_masks, mix

UNET: dict[str, Any] = {"discriminator": "unet"}
MIXES: dict[str, Any] = {"cutmix": ("batch", "always"), **UNET}


class Config(nets.Config):
    """Defaults are those of the authors' script for FFHQ at 256 pixels; those of the networks: nets/unetgan.py."""

    resolution: int = 256
    flip: bool = only(True, resolution=ANY)
    images: int = 5_740_000  # 82 epochs of FFHQ, as long as the published weights; the script has no end
    batch: int = 20
    D_lr: float = 5e-4
    beta2: float = only(0.999, optimizer="adam")
    eps: float = 1e-6
    ema: float = 0.9999
    ema_start: int = only(21_000, ema=ANY)

    D_steps: int = 1  # per generator step
    pixels: Literal["mean", "sum"] = only("mean", **UNET)  # mean: the code's, half of each head; sum: the paper's text
    cutmix: Literal["batch", "always", "none"] = only("batch", **UNET)  # batch: a mixed batch replaces the usual losses
    cutmix_rate: float = only(0.5, **UNET, cutmix="batch")  # probability that a batch is mixed, once warmed up
    warmup_epochs: int = only(100, **MIXES)  # over which the rate (always: the weight) rises, once an epoch; 0: none
    augmentation: bool = only(True, **MIXES)  # D learns the mask of a mixed image, and that the whole is fake
    consistency: float = only(1.0, **MIXES)  # weight of "the map of a mixed image is the mix of the maps"; 0: off

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.cutmix_rate > 1:
            raise ValueError(f"cutmix_rate={self.cutmix_rate}, expected a probability")
        if self.discriminator == "unet" and self.cutmix != "none" and not self.augmentation and not self.consistency:
            raise ValueError(f"cutmix={self.cutmix} without augmentation and consistency teaches nothing; use none")
        return self


@dataclass(frozen=True)
class Mixed(Drawn):
    """Also the masks [N, 1, H, W] of a mixed batch; None where the coin says no."""

    mask: Tensor | None = None


class UNetGAN(GAN[Config]):
    """Players `G`, called as G(z, G.shared(y)), and `D`, called as D(x, y) -> map [N, 1, H, W], score [N, 1]."""

    config_type = Config
    title = "U-Net GAN (Schoenfeld et al. 2020, arXiv 2002.12655)"
    headline = "D/real"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.G = nets.generator(config)
        self.D = nets.discriminator(config)

    def phases(self) -> list[Phase]:
        """D_steps discriminator steps, then one generator step, which never sees a mixed image."""
        D = Phase("D", "D", self.D_loss, self.draw_for_D, self.config.D_steps, after=self.observe)
        return [D, Phase("G", "G", self.G_loss)]

    @property
    def warmth(self) -> float:
        """From 0 in the first epoch to 1 after `warmup_epochs`, in steps of an epoch."""
        n = self.config.warmup_epochs
        return min(1.0, self.epoch / n) if n else 1.0

    def draw_for_D(self, real: Batch, rng: torch.Generator) -> Mixed:
        """One coin for the whole batch; if it is to be mixed a mask each, and the real classes for the fakes."""
        c, drawn = self.config, self.draw(real, rng)
        rates = {"batch": c.cutmix_rate * self.warmth, "always": 1.0, "none": 0.0}
        if torch.rand((), generator=rng).item() >= (0.0 if c.discriminator == "plain" else rates[c.cutmix]):
            return Mixed(drawn.z, drawn.y, drawn.shown, drawn.again)
        masks = cutmix_masks(len(real.x), c.resolution, c.resolution, rng)
        return Mixed(drawn.z, real.given.y, drawn.shown, drawn.again, masks.to(real.x.device))

    def D_loss(self, real: Batch, drawn: Mixed) -> Loss:
        """The usual losses, CutMix's terms, or both.  One forward of D: spectral norm iterates once a step."""
        c, mask = self.config, drawn.mask
        with torch.no_grad():
            fake = shown(self.decode(Code(drawn.z, drawn.y)), drawn.shown)
        x = [fake, shown(real.x, drawn.shown, len(fake))]
        x += [] if mask is None else [mix(x[1], fake, mask)]
        of_fake, of_real, *of_mixed = self.heads(x, [drawn.y, real.given.y, real.given.y][: len(x)])
        logs = {"D/real": of_real[1].mean(), "D/fake": of_fake[1].mean(), "D/mixes": torch.tensor(float(len(x) == 3))}
        terms = {"D/usual": losses.unet_D(of_real, of_fake, c.pixels)} if mask is None or c.cutmix == "always" else {}
        if mask is not None:
            weight = self.warmth if c.cutmix == "always" else 1.0
            mixed_map, mixed_score = losses.cutmix_augmentation(of_mixed[0], mask, c.pixels)
            if c.augmentation:  # in warming up, the map's part is whole from the start, as in the authors' code
                terms |= {"D/mixed_map": mixed_map, "D/mixed_score": weight * mixed_score}
            inconsistency = losses.cutmix_consistency(of_mixed[0][0], of_real[0], of_fake[0], mask, c.pixels)
            terms["D/consistency"] = weight * c.consistency * inconsistency
        loss = Loss(torch.stack(list(terms.values())).sum(), logs | terms)
        again = lambda: self.heads([shown(real.x, drawn.again)], [real.given.y])[0][1]  # noqa: E731
        return self.limited(loss, of_real[1], of_fake[1], again)

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """The logistic losses of map and score that do not saturate."""
        of_fake = self.heads([shown(self.decode(Code(drawn.z, drawn.y)), drawn.shown)], [drawn.y])[0]
        return Loss(losses.unet_G(of_fake, self.config.pixels))

    def heads(self, x: list[Tensor], y: list[Tensor | None]) -> list[losses.Heads]:
        """What D says of batches of one size, in one forward.  A plain D's score stands for its map: half and half."""
        said = self.D(torch.cat(x), torch.cat([t for t in y if t is not None]) if self.config.num_classes else None)
        pixels, score = said if isinstance(said, tuple) else (said, said)
        return list(zip(pixels.chunk(len(x)), score.chunk(len(x))))

    def scores(self, batch: Batch) -> Tensor:
        """The encoder's score.  -> [N]"""
        return self.heads([batch.x], [batch.given.y])[0][1].flatten()

    def pixel_scores(self, x: Tensor, given: Given) -> Tensor | None:
        """The decoder's map.  -> [N, 1, H, W]; None of a plain D"""
        return self.heads([x], [given.y])[0][0] if self.config.discriminator == "unet" else None

    def decode(self, code: Code) -> Tensor:
        """G of latents and (mixed) classes; erf turns normal latents into uniform ones.  -> [N, C, H, W] in [-1, 1]"""
        return self.G(code.z if self.config.prior == "normal" else torch.erf(code.z * 0.5**0.5), code.c)
