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

from ganvas import config, losses
from ganvas.config import ANY, only
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Given, Loss, Phase, Request, Rule
from ganvas.nets import cyclegan as nets
from ganvas.ops.pool import Pools

PASSES = ("AB", "BA", "BA", "AB", "AB", "BA")  # fakes, cycled images, those of the identity loss


class Config(config.Config):
    """Defaults are the released code's, with the options of the authors' command lines.  x is an image of B."""

    LACKS = config.LIMITED  # pairs are cropped and flipped alike instead
    resolution: int = 256  # pixels of height, and of width too where `width` is 0
    width: int = 0  # pixels, of oblong images
    channels_A: int = 3  # `channels` are those of B
    load_size: int = 0  # height at which images are loaded, to be cropped at random (CycleGAN: 286); 0: no crop
    paired: bool = True  # a and b of a row belong together; false: either side in an order of its own
    flip: bool = only(True, resolution=ANY)
    epochs: int = 200  # passes over the data, where `images` is not said
    epochs_constant: int = only(100, lr_schedule="epochs")  # then the learning rate falls, to 0 at `epochs`
    lr_schedule: Literal["epochs", "constant", "linear", "cosine"] = "epochs"  # type: ignore[assignment]
    images: int = 80_000  # the 400 pairs of Facades 200 times
    batch: int = 1
    G_lr: float = 2e-4
    D_lr: float = 2e-4
    beta1: float = only(0.5, optimizer="adam")
    beta2: float = only(0.999, optimizer="adam")
    ema_buffers: Literal["average"] = only("average", ema=ANY)  # G has none

    # networks
    G_width: int = 64
    D_width: int = only(64, G_only=False)
    num_blocks: int = 9  # residual blocks of either generator
    num_layers: int = only(3, G_only=False)  # strided layers of D; 3 judge patches of 70 pixels
    dropout: bool = False  # in the blocks, in training alone
    G_only: bool = False  # imported generators whose D was never published

    # objective
    cycle: float = 10.0  # weight of |BA(AB(a)) - a|, and of the same from b, as all of these
    cs: float = 30.0  # of |BA(b) - BA(AB(a))|, the cyclic-synthesised loss; 0: CycleGAN
    detach: bool = only(True, cs=ANY)  # its cycled image is a constant, as in the code; the paper's formula has no such
    identity: float = 0.0  # of |AB(b) - b|; CycleGAN's lambda_identity 0.5 is 5
    direct: float = 0.0  # of |AB(a) - b|: CDGAN 15, pix2pix 100
    judge_cycled: bool = False  # D sees cycled images too (CDGAN)
    pool: int = 50  # past fakes of either domain that D may be shown; 0: none

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.resolution, self.width or self.resolution)

    def reading(self) -> dict[str, Any]:
        return {"channels_A": self.channels_A, "load_size": self.load_size, "paired": self.paired}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.conditional or self.num_classes:
            raise ValueError("CSGAN has no classes: set conditional=false")
        if not self.paired and (self.cs or self.direct):
            raise ValueError("cs and direct compare with the partner of an image: without pairs set cs=0 direct=0")
        if self.identity and self.channels_A != self.channels:
            raise ValueError("an identity loss needs domains of equally many channels: set identity=0")
        if self.load_size and self.load_size < self.resolution:
            raise ValueError(f"load_size={self.load_size}, expected the resolution of {self.resolution} or more")
        if self.lr_schedule == "epochs" and self.epochs_constant > self.epochs:
            raise ValueError(f"epochs_constant={self.epochs_constant}, expected at most epochs={self.epochs}")
        return self


@dataclass(frozen=True)
class Drawn:
    """coins bool [N, 2], slots int64 [N, 2] for the pools of A and B; keep: dropout's mask of each pass, or Nones"""

    coins: Tensor
    slots: Tensor
    keep: tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Fakes:
    """What D is shown as fakes of A and B, and the cycled images if it judges those.  [N, C, H, W]"""

    A: Tensor
    B: Tensor
    cycled_A: Tensor | None = None
    cycled_B: Tensor | None = None


class CSGAN(GAN[Config]):
    """Players `G`, of generators G["AB"] and G["BA"], and `D`, of D["A"] and D["B"], named by what they judge."""

    config_type = Config
    title = "CSGAN (Kancharagunta and Dubey 2019), CycleGAN (Zhu et al. 2017)"
    headline = "G/cycle"
    reads = "pairs"
    seeds_suffice = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        c, sides = config, {"A": config.channels_A, "B": config.channels}
        self.G: Any = nets.generators(c.channels_A, c.channels, c.G_width, c.num_blocks, c.dropout)
        self.D: Any = None if c.G_only else nets.discriminators(sides, c.D_width, c.num_layers)
        self.memory.pools = Pools(c.pool, {side: (n, *c.shape[1:]) for side, n in sides.items()})
        self.shown: Fakes | None = None  # from G's step to D's in one iteration

    @property
    def pools(self) -> Pools:
        return cast(Pools, self.memory.pools)

    def phases(self) -> list[Phase]:
        """One step of the generators, then one of the discriminators on fakes made before it."""
        return [
            Phase("G", "G", self.G_loss, after=self.exchange),
            Phase("D", "D", self.D_loss, draw=self.show),
        ]

    def draw(self, real: Batch, rng: torch.Generator) -> Drawn:
        """Coins and slots of the pools, dropout's masks."""
        n, device = len(real.x), real.x.device
        coins, slots = self.pools.draw(n, rng)
        masks = [self.G[way].draw_dropout(n, *self.config.shape[1:], rng) for way in PASSES]
        return Drawn(coins.to(device), slots.to(device), tuple(m if m is None else m.to(device) for m in masks))

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """adversarial + cycle (|cycled_a - a| + |cycled_b - b|) + cs (|fake_a - cycled_a| + |fake_b - cycled_b|)

        Both images that cs compares come from one pass each; the released code makes the fakes twice.
        """
        c, keep, D, AB, BA = self.config, drawn.keep, self.D, self.G["AB"], self.G["BA"]
        a, b = real.given.source, real.x
        assert a is not None, "pairs have a source"
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
        logs = {f"G/{name}": term for name, term in terms.items()}
        return Loss(torch.stack(list(terms.values())).sum(), logs, {name: t.detach() for name, t in kept.items()})

    def exchange(self, parts: list[dict[str, Tensor]]) -> None:
        """The fakes of G's step through the pools, for D's step to see."""
        kept = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        coins, slots = kept.pop("coins"), kept.pop("slots")
        self.shown = Fakes(**self.pools.exchange(kept, coins, slots))

    def show(self, real: Batch, rng: torch.Generator) -> Fakes:
        """What `exchange` has left; blanks where G made no step, as in a rehearsal."""
        a, b = torch.zeros_like(real.given.source), torch.zeros_like(real.x)  # type: ignore[arg-type]
        return self.shown or Fakes(a, b, a, b)

    def D_loss(self, real: Batch, fakes: Fakes) -> Loss:
        """For each domain (mean (D(x) - 1)^2 + mean D(fake)^2) / 2, and the same with cycled images, if judged."""
        logs = {}
        for side, x in (("A", real.given.source), ("B", real.x)):
            scores = self.D[side](x)
            logs[f"D/{side}"] = losses.lsgan_D(scores, self.D[side](getattr(fakes, side)))
            if self.config.judge_cycled:
                logs[f"D/cycled_{side}"] = losses.lsgan_D(scores, self.D[side](getattr(fakes, f"cycled_{side}")))
        return Loss(torch.stack(list(logs.values())).sum(), logs)

    def rule(self, player: str) -> Rule:
        """Constant, then from epoch `epochs_constant` on in equal steps to 0, which is the last epoch's (CycleGAN)."""
        c = self.config
        if c.lr_schedule != "epochs":
            return super().rule(player)
        over = max(0, self.epoch + 2 - c.epochs_constant)
        lr = getattr(c, f"{player}_lr") * max(0.0, 1.0 - over / (c.epochs - c.epochs_constant + 1))
        return Rule(c.optimizer, lr, (float(c.beta1), float(c.beta2)), c.eps)

    def blank(self, n: int, device: torch.device) -> Batch:
        """Empty pairs."""
        x = torch.zeros((n, *self.config.shape), device=device)
        return Batch(x, Given(source=x.new_zeros((n, self.config.channels_A, *x.shape[2:]))))

    def scores(self, batch: Batch) -> Tensor | None:
        """D["B"](x), the mean over patches.  -> [N]"""
        return None if self.D is None else self.D["B"](batch.x).mean((1, 2, 3))

    def code(self, request: Request) -> Given:
        """The images to translate; seeds play no part.  Raises InputError without images."""
        if request.given.source is None:
            raise InputError("this model makes images of images, not of seeds; use ganvas translate, or gan.translate")
        return Given(source=request.given.source)

    def decode(self, code: Given) -> Tensor:
        """AB(a).  -> [N, C, H, W] in [-1, 1]"""
        return self.toward("b")(code.source)

    def toward(self, to: str) -> nn.Module:
        """The generator that makes images of domain "a" or "b"."""
        return self.G["BA" if to == "a" else "AB"]
