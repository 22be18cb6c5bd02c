"""CSGAN (Kancharagunta and Dubey 2019, arXiv 1901.03554) on CycleGAN (Zhu et al. 2017, arXiv 1703.10593).

Here: the objective, whose other weights are CycleGAN's, CDGAN's and one like pix2pix's, and its Config.  Not here: the
presets (presets/csgan.toml), the networks (nets/cyclegan.py), the history of fakes (ops/pool.py), pairs (data/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from ganvas import config, losses, translation
from ganvas.config import only
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Given, Loss, Phase, Picture, Request, Rule
from ganvas.nets import cyclegan as nets
from ganvas.ops.pool import Pool

WAYS = ("AB", "BA")


class Config(config.Config):
    """Defaults are the released code's, with the options that the authors' command lines give.  x is domain B."""

    resolution: int = 256  # pixels of height, and of width too where `width` is 0
    width: int = 0  # pixels, for oblong images
    channels_A: int = 3  # of the source's domain; `channels` is B's
    load_size: int = 0  # height that images are loaded at, to be cropped at random (CycleGAN: 286); 0: no crop
    paired: bool = True  # a and b of a row belong together; false: either side in an order of its own
    flip: bool = True
    epochs: int = 200  # passes over the data, where `images` is not said
    epochs_constant: int = only(100, lr_schedule="epochs")  # the learning rate then falls to 0 at `epochs`
    lr_schedule: Literal["epochs", "constant", "linear", "cosine"] = "epochs"
    images: int = 80_000  # the 400 pairs of Facades 200 times
    batch: int = 1
    G_lr: float = 2e-4
    D_lr: float = 2e-4
    beta1: float = only(0.5, optimizer="adam")
    beta2: float = only(0.999, optimizer="adam")

    # networks
    G_width: int = 64
    D_width: int = only(64, G_only=False)
    num_blocks: int = 9  # residual blocks of either generator
    num_layers: int = only(3, G_only=False)  # strided layers of D; 3 judge patches of 70 pixels
    G_only: bool = False  # imported generators whose D was never published
    dropout: bool = False  # in the blocks, in training alone

    # objective
    cycle: float = 10.0  # weight of |BA(AB(a)) - a|
    cs: float = 30.0  # weight of |BA(b) - BA(AB(a))|, the cyclic-synthesised loss; 0: CycleGAN
    detach: bool = only(True, cs=config.ANY)  # the cycled image there is a constant, as in the code; the paper's is not
    identity: float = 0.0  # weight of |AB(b) - b|; CycleGAN's lambda_identity times lambda, as 5
    direct: float = 0.0  # weight of |AB(a) - b|: CDGAN 15, pix2pix 100
    judge_cycled: bool = False  # D sees cycled images too (CDGAN)
    pool: int = 50  # fakes of either domain that D may be shown again; 0: none

    def reading(self) -> dict[str, Any]:
        return {"channels_A": self.channels_A, "load_size": self.load_size, "paired": self.paired}

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.resolution, self.width or self.resolution)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.conditional or self.num_classes:
            raise ValueError("CSGAN has no classes: set conditional=false")
        if not self.paired and (self.cs or self.direct):
            raise ValueError("cs and direct compare with the partner of an image: without pairs set cs=0 and direct=0")
        if self.identity and self.channels_A != self.channels:
            raise ValueError("an identity loss needs domains of equally many channels: set identity=0")
        if self.load_size and self.load_size < self.resolution:
            raise ValueError(f"load_size={self.load_size}, expected the resolution of {self.resolution} or more")
        if not 0 <= self.epochs_constant <= self.epochs or not self.epochs:
            raise ValueError(f"epochs={self.epochs}, expected epochs_constant={self.epochs_constant} or more")
        return self


@dataclass(frozen=True)
class Drawn:
    """coins bool [N, 2], slots int64 [N, 2] for the pools of A and B; keep: dropout's masks for each pass, or Nones"""

    coins: Tensor
    slots: Tensor
    keep: tuple[Tensor | None, ...]


@dataclass(frozen=True)
class Fakes:
    """What D is shown as fakes of A and of B, and the cycled images, if it judges those.  [N, C, H, W]"""

    A: Tensor
    B: Tensor
    cycled_A: Tensor | None = None
    cycled_B: Tensor | None = None


class CSGAN(GAN[Config]):
    """Players `G`, generators G["AB"] and G["BA"], and `D`, discriminators D["A"] and D["B"] named by what they judge.

    x is domain B, given.source its partner in A.
    """

    config_type = Config
    title = "CSGAN (Kancharagunta and Dubey 2019), CycleGAN (Zhu et al. 2017)"
    headline = "G/cycle"
    reads = "pairs"
    seeds_suffice = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        c, sides = config, {"A": config.channels_A, "B": config.channels}
        self.G = nn.ModuleDict({
            way: nets.Generator(sides[way[0]], sides[way[1]], c.G_width, c.num_blocks, c.dropout) for way in WAYS
        })  # fmt: skip
        D = {side: nets.Discriminator(n, c.D_width, c.num_layers) for side, n in sides.items()}
        self.D: Any = None if c.G_only else nn.ModuleDict(D)
        for side, n in sides.items():
            self.memory.add_module(side, Pool(c.pool, n, *c.shape[1:]))
        self.shown: Fakes | None = None  # between G's step and D's, inside one iteration

    def phases(self) -> list[Phase]:
        """One step of the generators, then one of the discriminators on fakes made before it."""
        return [
            Phase("G", "G", self.G_loss, after=self.exchange),
            Phase("D", "D", self.D_loss, draw=self.show),
        ]

    def draw(self, real: Batch, rng: torch.Generator) -> Drawn:
        """Coins and slots of the pools, dropout's masks of the four passes, and of the two for an identity loss."""
        n, device = len(real.x), real.x.device
        drawn = [self.memory.get_submodule(side).draw(n, rng) for side in "AB"]  # type: ignore[operator]
        coins, slots = (torch.stack(column, 1).to(device) for column in zip(*drawn))
        passes = ("AB", "BA", "BA", "AB", *(WAYS if self.config.identity else ()))
        masks = [self.G[way].draw_dropout(n, *self.config.shape[1:], rng) for way in passes]
        return Drawn(coins, slots, tuple(mask if mask is None else mask.to(device) for mask in masks))

    def G_loss(self, real: Batch, drawn: Drawn) -> Loss:
        """adversarial + cycle (|cycled_a - a| + |cycled_b - b|) + cs (|fake_a - cycled_a| + |fake_b - cycled_b|)

        Both images of a domain that cs compares come from one pass; the released code makes the cycled ones twice.
        """
        c, keep, AB, BA = self.config, drawn.keep, self.G["AB"], self.G["BA"]
        a, b = real.given.source, real.x
        fake_b, fake_a = AB(a, keep[0]), BA(b, keep[1])
        cycled_a, cycled_b = BA(fake_b, keep[2]), AB(fake_a, keep[3])
        kept = {"A": fake_a, "B": fake_b, "coins": drawn.coins, "slots": drawn.slots}
        terms = {"adversarial": losses.lsgan_G(self.D["A"](fake_a)) + losses.lsgan_G(self.D["B"](fake_b))}
        terms["cycle"] = losses.l1(cycled_a, a) + losses.l1(cycled_b, b)
        if c.cs:
            target_a, target_b = (cycled_a.detach(), cycled_b.detach()) if c.detach else (cycled_a, cycled_b)
            terms["cs"] = losses.l1(fake_a, target_a) + losses.l1(fake_b, target_b)
        if c.identity:
            terms["identity"] = losses.l1(AB(b, keep[4]), b) + losses.l1(BA(a, keep[5]), a)
        if c.direct:
            terms["direct"] = losses.l1(fake_a, a) + losses.l1(fake_b, b)
        if c.judge_cycled:
            kept |= {"cycled_A": cycled_a, "cycled_B": cycled_b}
            terms["judged"] = losses.lsgan_G(self.D["A"](cycled_a)) + losses.lsgan_G(self.D["B"](cycled_b))
        total = sum((getattr(c, name, 1.0) * term for name, term in terms.items()), torch.zeros_like(terms["cycle"]))
        logs = {f"G/{name}": term for name, term in terms.items()}
        return Loss(total, logs, {name: value.detach() for name, value in kept.items()})

    def exchange(self, parts: list[dict[str, Tensor]]) -> None:
        """The fakes of G's step through the pools, for D's step to see."""
        kept = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        coins, slots = kept.pop("coins"), kept.pop("slots")
        for i, side in enumerate("AB"):
            pool = self.memory.get_submodule(side)
            kept[side] = pool.exchange(kept[side], coins[:, i], slots[:, i])  # type: ignore[operator]
        self.shown = Fakes(**kept)

    def show(self, real: Batch, rng: torch.Generator) -> Fakes:
        """What `exchange` has left; blanks where there was no step of G, as in a rehearsal."""
        blank = self.blank(len(real.x), real.x.device)
        return self.shown or Fakes(blank.given.source, blank.x, blank.given.source, blank.x)  # type: ignore[arg-type]

    def D_loss(self, real: Batch, fakes: Fakes) -> Loss:
        """For each domain (mean (D(x) - 1)^2 + mean D(fake)^2) / 2, and the same with cycled images, if judged."""
        logs: dict[str, Tensor] = {}
        for side, x in (("A", real.given.source), ("B", real.x)):
            scores, seen = self.D[side](x), [getattr(fakes, side)]
            seen += [getattr(fakes, f"cycled_{side}")] if self.config.judge_cycled else []
            logs[f"D/{side}"] = torch.stack([losses.lsgan_D(scores, self.D[side](fake)) for fake in seen]).sum()
        return Loss(logs["D/A"] + logs["D/B"], logs)

    def rule(self, player: str) -> Rule:
        """Constant, then in the epochs from `epochs_constant` on in equal steps to 0 in the last one (CycleGAN)."""
        c = self.config
        if c.lr_schedule != "epochs":
            return super().rule(player)
        over = max(0, self.epoch + 2 - c.epochs_constant)
        factor = max(0.0, 1.0 - over / (c.epochs - c.epochs_constant + 1))
        return Rule(c.optimizer, factor * getattr(c, f"{player}_lr"), (float(c.beta1), float(c.beta2)), c.eps)

    def blank(self, n: int, device: torch.device) -> Batch:
        """Empty pairs."""
        x = torch.zeros((n, *self.config.shape), device=device)
        return Batch(x, Given(source=torch.zeros((n, self.config.channels_A, *x.shape[2:]), device=device)))

    def scores(self, batch: Batch) -> Tensor | None:
        """D["B"](x), the mean over patches.  -> [N]"""
        return None if self.D is None else self.D["B"](batch.x).mean((1, 2, 3))

    def sheet(self, real: Batch) -> Picture:
        """A row a pair: a, AB(a), b, BA(AB(a)), and b, BA(b), a, AB(BA(b))."""
        return translation.strip(self, real)

    def code(self, request: Request) -> Given:
        """The images to translate: noise plays no part.  Raises InputError without them."""
        if request.given.source is None:
            raise InputError("this model makes images of images, not of seeds; use ganvas translate, or gan.translate")
        return Given(source=request.given.source)

    def decode(self, code: Given) -> Tensor:
        """AB(a).  -> [N, C, H, W] in [-1, 1]"""
        return self.G["AB"](code.source)

    def toward(self, to: str) -> nn.Module:
        """The generator that makes images of domain "a" or "b"."""
        return self.G["BA" if to == "a" else "AB"]

    def translate(self, image: translation.Image, to: str = "b", tile: int = 0) -> Any:
        """An image of the other domain in domain `to`: see `translation.translate`."""
        return translation.translate(self, image, to, tile)
