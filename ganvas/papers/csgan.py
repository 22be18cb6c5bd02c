"""CSGAN (Kancharagunta and Dubey 2019, arXiv 1901.03554) on CycleGAN (Zhu et al. 2017, arXiv 1703.10593).

Here: the objective, whose other weights are CycleGAN's, CDGAN's and one like pix2pix's, and its Config.  Not here: the
presets (presets/csgan.toml), the networks (nets/cyclegan.py), the history of fakes (ops/pool.py), pairs (data/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self, cast

import torch
from pydantic import model_validator
from torch import Tensor, nn

from ganvas import config, losses, rows, translation
from ganvas.config import ANY, only
from ganvas.gan import GAN, Batch, Given, Loss, Phase, Request
from ganvas.nets import cyclegan as nets
from ganvas.ops.pool import Fakes, Pools

PASSES = ("AB", "BA", "BA", "AB", "AB", "BA")  # fakes, cycled images, those of the identity loss


class Config(translation.Config, nets.Config):
    """Defaults are the released code's, with the options of the authors' command lines.  x is an image of B."""

    LACKS = config.LIMITED  # pairs are cropped and flipped alike instead
    batch: int = 1
    G_lr: float = 2e-4
    D_lr: float = 2e-4
    beta1: float = only(0.5, optimizer="adam")
    beta2: float = only(0.999, optimizer="adam")
    ema_buffers: Literal["average"] = only("average", ema=ANY)  # G has none

    # objective
    cycle: float = 10.0  # weight of |BA(AB(a)) - a|, and of the same from b, as all of these
    cs: float = 30.0  # of |BA(b) - BA(AB(a))|, the cyclic-synthesised loss; 0: CycleGAN
    detach: bool = only(True, cs=ANY)  # its cycled image is a constant, as in the code; the paper's formula has no such
    identity: float = 0.0  # of |AB(b) - b|; CycleGAN's lambda_identity 0.5 is 5
    direct: float = 0.0  # of |AB(a) - b|: CDGAN 15, pix2pix 100
    judge_cycled: bool = False  # D sees cycled images too (CDGAN)
    pool: int = 50  # past fakes of either domain that D may be shown; 0: none

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.paired and (self.cs or self.direct):
            raise ValueError("cs and direct compare with the partner of an image: without pairs set cs=0 direct=0")
        if self.identity and self.channels_A != self.channels:
            raise ValueError("an identity loss needs domains of equally many channels: set identity=0")
        return self


@dataclass(frozen=True)
class Drawn:
    """coins bool [N, 2], slots int64 [N, 2] for the pools of A and B; keep: dropout's mask of each pass, or Nones"""

    coins: Tensor
    slots: Tensor
    keep: tuple[Tensor | None, ...]


class CSGAN(GAN[Config]):
    """Players `G`, of generators G["AB"] and G["BA"], and `D`, of D["A"] and D["B"], named by what they judge."""

    config_type = Config
    title = "CSGAN (Kancharagunta and Dubey 2019), CycleGAN (Zhu et al. 2017)"
    headline = "G/cycle"
    reads = "pairs"
    seeds_suffice = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.G: Any = nets.generators(config)
        self.D: Any = None if config.G_only else nets.discriminators(config)
        self.memory.pools = Pools(config.pool, {"A": (config.channels_A, *config.shape[1:]), "B": config.shape})

    @property
    def pools(self) -> Pools:
        return cast(Pools, self.memory.pools)

    def phases(self) -> list[Phase]:
        """One step of the generators, then one of the discriminators on fakes made before it."""
        return [Phase("G", "G", self.G_loss, after=self.pools.keep), Phase("D", "D", self.D_loss, draw=self.show)]

    def draw(self, real: Batch, rng: torch.Generator) -> Drawn:
        """Coins and slots of the pools, dropout's masks."""
        coins, slots = self.pools.draw(len(real.x), rng)
        keep = tuple(self.G[way].draw_dropout(len(real.x), *self.config.shape[1:], rng) for way in PASSES)
        return rows.to(Drawn(coins, slots, keep), real.x.device)

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """adversarial + cycle (|cycled_a - a| + |cycled_b - b|) + cs (|fake_a - cycled_a| + |fake_b - cycled_b|)"""
        c, keep, D, AB, BA = self.config, drawn.keep, self.D, self.G["AB"], self.G["BA"]
        a, b = cast(Tensor, real.given.source), real.x
        fake_b, fake_a = AB(a, keep[0]), BA(b, keep[1])
        cycled_a, cycled_b = BA(fake_b, keep[2]), AB(fake_a, keep[3])
        target_a, target_b = (cycled_a.detach(), cycled_b.detach()) if c.detach else (cycled_a, cycled_b)
        terms = {
            "adversarial": losses.lsgan_G(D["A"](fake_a)) + losses.lsgan_G(D["B"](fake_b)),
            "cycle": c.cycle * (losses.l1(cycled_a, a) + losses.l1(cycled_b, b)),
            "cs": c.cs * (losses.l1(fake_a, target_a) + losses.l1(fake_b, target_b)),
            "direct": c.direct * (losses.l1(fake_a, a) + losses.l1(fake_b, b)),
        }
        if c.identity:
            terms["identity"] = c.identity * (losses.l1(AB(b, keep[4]), b) + losses.l1(BA(a, keep[5]), a))
        kept = {"A": fake_a, "B": fake_b, "coins": drawn.coins, "slots": drawn.slots}
        if c.judge_cycled:
            terms["cycled"] = losses.lsgan_G(D["A"](cycled_a)) + losses.lsgan_G(D["B"](cycled_b))
            kept |= {"cycled_A": cycled_a, "cycled_B": cycled_b}
        kept = {name: tensor.detach() for name, tensor in kept.items()}
        return Loss(torch.stack([*terms.values()]).sum(), {f"G/{name}": x for name, x in terms.items()}, kept)

    def show(self, real: Batch, rng: torch.Generator) -> Fakes:
        """What G's step has left in the pools; the real images where it made none, as in a rehearsal."""
        a, b = cast(Tensor, real.given.source), real.x
        return self.pools.shown or Fakes(a, b, a, b)

    def D_loss(self, real: Batch, fakes: Fakes) -> Loss:
        """For each domain (mean (D(x) - 1)^2 + mean D(fake)^2) / 2, and the same with cycled images, if judged."""
        logs = {}
        for side, x in (("A", real.given.source), ("B", real.x)):
            scores = self.D[side](x)
            for name in (side, f"cycled_{side}") if self.config.judge_cycled else (side,):
                logs[f"D/{name}"] = losses.lsgan_D(scores, self.D[side](getattr(fakes, name)))
        return Loss(torch.stack([*logs.values()]).sum(), logs)

    def lr_share(self) -> float:
        """By epochs, unless another schedule is asked for."""
        return translation.lr_share(self.config, self.epoch) if self.config.by_epochs else super().lr_share()

    def blank(self, n: int, device: torch.device) -> Batch:
        """Empty pairs."""
        return translation.blank(self.config, n, device)

    def scores(self, batch: Batch) -> Tensor | None:
        """D["B"](x), the mean over patches.  -> [N]"""
        return None if self.D is None else self.D["B"](batch.x).mean((1, 2, 3))

    def code(self, request: Request) -> Given:
        """The images to translate; seeds play no part.  Raises InputError without images."""
        return translation.given(request)

    def decode(self, code: Given) -> Tensor:
        """AB(a).  -> [N, C, H, W] in [-1, 1]"""
        return self.toward("b")(code.source)

    def toward(self, to: str) -> nn.Module:
        """The generator that makes images of domain "a" or "b"."""
        return self.G["BA" if to == "a" else "AB"]
