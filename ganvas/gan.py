"""What a paper is to the rest of the house: `Batch`, `Loss`, `Phase`, `Request`, `Config`, `Preset`, `GAN`.

Papers implement `GAN`; the engine, the command line and the model folder know nothing but this file.
No paper and no training code stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from torch import Tensor, nn

from ganvas import latents
from ganvas.errors import InputError


@dataclass(frozen=True)
class Batch:
    """Real data as a loss sees it.  x [N, C, H, W] in [-1, 1] (toys: [N, 2]); y [N] class indices or None."""

    x: Tensor
    y: Tensor | None = None


@dataclass(frozen=True)
class Loss:
    """What a player minimises (scalar), and named scalars for the log."""

    total: Tensor
    logs: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """One kind of optimiser step inside a training iteration."""

    player: str  # who learns: the name of a module of the GAN
    loss: Callable[[Batch, Any], Loss]  # (real batch, what `draw` drew) -> what the player minimises
    repeat: int = 1  # optimiser steps per iteration, each with a fresh batch and fresh draws
    every: int = 1  # only on iterations divisible by this (lazy regularisation)
    after: Callable[[], None] | None = None  # runs after each optimiser step (WGAN's clip)


@dataclass(frozen=True)
class Request:
    """What to sample: one image per seed, each from its own generator, so batches never change an image."""

    seeds: list[int]
    classes: Tensor | None = None  # [N] int64; None: unconditional
    truncation: float | None = None  # None: the prior itself
    truncation_form: latents.TruncationForm = "resample"


class Config(BaseModel):
    """Fields that the engine reads, the same for every paper; a paper's Config adds its own below these.

    Unknown keys and impossible values raise `InputError` at construction (use `configure`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # data
    resolution: int = 32  # pixels per side; 0 for the toys' points
    channels: int = 3  # image channels (1 grey, 3 RGB); the toys' 2 coordinates
    conditional: bool = False  # use the classes of the data, where they have any
    num_classes: int = 0  # filled in from the data if conditional; 0: unconditional
    flip: bool = False  # mirror each real image with probability 1/2

    # length and optimisers
    images: int = 1_000_000  # real images shown to D in all; schedules are measured against it
    batch: int = 64  # real images per optimiser step
    accumulate: int = 1  # parts a batch is split into, gradients added up
    optimizer: Literal["adam", "rmsprop", "rmsprop_tf1"] = "adam"
    G_lr: float = 1e-4
    D_lr: float = 1e-4
    beta1: float = 0.0  # Adam
    beta2: float = 0.9  # Adam
    eps: float = 1e-8  # added to the root of the second moment
    lr_schedule: Literal["constant", "linear", "cosine"] = "constant"  # linear and cosine end at 0 after `images`

    # averaging of G
    ema: float = 0.0  # decay per iteration; 0: off, the live G is what samples
    ema_start: int = 0  # iterations before which the average is a plain copy
    ema_buffers: Literal["average", "copy"] = "average"  # batch-norm statistics and the like

    @model_validator(mode="after")
    def _possible(self) -> Config:
        if self.batch < 1 or self.accumulate < 1 or self.batch % self.accumulate:
            raise ValueError(f"batch={self.batch} cannot be split into accumulate={self.accumulate} equal parts")
        for name, value in self:  # no field of any paper means something below 0, and no width or size at 0
            least = 1 if name.endswith("_width") or name in ("channels", "dim_z") else 0
            if isinstance(value, int | float) and value < least:
                raise ValueError(f"{name}={value}, expected {least} or more")
        if self.images < 1:
            raise ValueError(f"images={self.images}, expected at least 1")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema={self.ema}, expected a decay in [0, 1)")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"beta1={self.beta1}, beta2={self.beta2}, expected numbers in [0, 1)")
        return self


def configure(kind: type[Config], values: dict[str, Any]) -> Config:
    """A checked Config from plain values; raises InputError in one line that lists the known keys or the bad value."""
    unknown = sorted(set(values) - set(kind.model_fields))
    if unknown:
        known = ", ".join(sorted(kind.model_fields))
        raise InputError(f"unknown key {', '.join(unknown)} for {kind.__module__.split('.')[-1]}; known keys: {known}")
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        given = f" (given {where}={first['input']!r})" if where else ""
        raise InputError(f"{where or 'configuration'}: {message}{given}") from None


@dataclass(frozen=True)
class Preset:
    """A row of a paper's table: a name, the values that differ from the Config's defaults, and where they are from."""

    values: dict[str, Any]
    about: str  # one line: which network, which script or section
    data: str = ""  # the data set it is meant for
    num_classes: int = 0  # of that data set, for counting parameters; a run takes the number from its own data
    published: str = "none reported"  # the score behind the row, with its protocol


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode for as long as the block runs; afterwards every module has its own mode back."""
    modes = [(child, child.training) for child in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for child, mode in modes:
            child.training = mode


class GAN(nn.Module):
    """One paper: its players, what each of them minimises, how it makes an image.

    A paper gives `phases`, `draw`, `code` and `decode`; `sample` is what people call, and it is the same for all.  The
    engine sets `iteration` and `images_seen` before it asks for `phases`, so a schedule is a plain `if`.
    """

    config_type: ClassVar[type[Config]]
    PRESETS: ClassVar[dict[str, Preset]]
    FAMILIES: ClassVar[dict[str, Callable[[int, bool], str]]]  # bare name -> preset for (resolution, is it a toy)
    title: ClassVar[str]  # the paper or papers, authors and years
    headline: ClassVar[str] = ""  # the logged scalar that the progress line shows
    averaged: ClassVar[tuple[str, ...]] = ("G",)  # players of which an EMA is kept

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config: Any = config
        self.class_names: list[str] = []
        self.iteration = 0
        self.images_seen = 0

    def phases(self) -> list[Phase]:
        """The optimiser steps of the iteration at hand, in order."""
        raise NotImplementedError

    def draw(self, real: Batch, rng: torch.Generator) -> Any:
        """Every random number that the losses of one step use, on `real.x`'s device.  rng lives on the CPU."""
        raise NotImplementedError

    def code(self, request: Request) -> tuple[Tensor, Tensor | None]:
        """What a sample is made from, latents [N, Z] (CPU) and condition [N, F], such that both can be mixed."""
        raise NotImplementedError

    def decode(self, z: Tensor, c: Tensor | None) -> Tensor:
        """The images of such codes, in one forward pass.  -> [N, C, H, W] in [-1, 1] (toys: [N, 2])"""
        raise NotImplementedError

    def scores(self, batch: Batch) -> Tensor | None:
        """D's score of each image, for the watch over a run.  -> [N]; None where a paper has no such thing"""
        return None

    def at_truncation(self, truncation: float | None) -> None:
        """Called before sampling: a place for batch-norm statistics that belong to a truncation."""

    def settle(self, codes: list[tuple[Tensor, Tensor | None]]) -> None:
        """Makes the stored batch-norm statistics those of these codes ("standing statistics")."""
        raise InputError(f"{self.title} has no standing statistics; leave them out")

    @torch.no_grad()
    def sample(
        self,
        n: int = 16,
        seed: int = 0,
        classes: int | str | Sequence[int | str] | None = None,
        truncation: float | None = None,
        batch: int = 64,
        truncation_form: latents.TruncationForm = "resample",
    ) -> Tensor:
        """The images of seeds seed, seed + 1, ..., seed + n - 1.  -> float [n, C, H, W] in [-1, 1] (toys: [n, 2])

        classes: one name or index for all, or one for each image; None draws each from its seed.  An image depends
        on its seed and class alone, not on n or batch.  Players sample in evaluation mode and get their mode back.
        Raises InputError for an unknown class, a class of an unconditional model, or a bad count.
        """
        if n < 1 or batch < 1:
            raise InputError(f"n={n}, batch={batch}: both must be at least 1")
        y = self._classes(classes, n)
        parts = []
        self.at_truncation(truncation)
        with evaluating(self):
            for start in range(0, n, batch):
                seeds = list(range(seed + start, seed + min(start + batch, n)))
                part = y[start : start + batch] if y is not None else self.drawn_classes(seeds)
                parts.append(self._images(*self.code(Request(seeds, part, truncation, truncation_form))))
        return torch.cat(parts)

    @torch.no_grad()
    def interpolate(
        self,
        seeds: Sequence[int],
        classes: int | str | Sequence[int | str] | None = None,
        steps: int = 8,
        truncation: float | None = None,
        truncation_form: latents.TruncationForm = "resample",
    ) -> Tensor:
        """From each seed (and class) to the next in `steps` pictures.  -> [(len(seeds) - 1) steps, C, H, W]

        Latents move on the great circle, conditions on the straight line; each leg starts at its seed and stops one
        step short of the next, so that legs join without a double picture.
        """
        if len(seeds) < 2 or steps < 1:
            raise InputError(
                f"{len(seeds)} seeds in {steps} steps given, expected two seeds or more, and a step or more"
            )
        y = self._classes(classes, len(seeds))
        if y is None:
            y = self.drawn_classes(list(seeds))
        z, c = self.code(Request(list(seeds), y, truncation, truncation_form))
        legs = []
        self.at_truncation(truncation)
        with evaluating(self):
            for i in range(len(seeds) - 1):
                weights = [k / steps for k in range(steps)]
                between = torch.cat([latents.slerp(z[i : i + 1], z[i + 1 : i + 2], w) for w in weights])
                mixed = torch.cat([torch.lerp(c[i], c[i + 1], w)[None] for w in weights]) if c is not None else None
                legs.append(self._images(between, mixed))
        return torch.cat(legs)

    @torch.no_grad()
    def standing_statistics(
        self,
        batches: int = 16,
        batch: int = 64,
        seed: int = 0,
        truncation: float | None = None,
        truncation_form: latents.TruncationForm = "resample",
    ) -> None:
        """Batch norm's stored statistics anew, as means over batches of fresh samples at this truncation, in place.

        BigGAN, section 3.1 and appendix D; classes are drawn uniformly.  Raises InputError where a paper has none.
        """
        codes = []
        for k in range(batches):
            seeds = list(range(2**40 + seed + k * batch, 2**40 + seed + (k + 1) * batch))  # away from people's seeds
            z, c = self.code(Request(seeds, self.drawn_classes(seeds), truncation, truncation_form))
            codes.append((z.to(self._device()), c))
        self.settle(codes)

    def _images(self, z: Tensor, c: Tensor | None) -> Tensor:
        return self.decode(z.to(self._device()), c).float()

    def drawn_classes(self, seeds: Sequence[int]) -> Tensor | None:
        """The classes that these seeds draw where none are asked for.  -> [N] int64, or None if unconditional"""
        k = self.config.num_classes
        return latents.labels(seeds, k).to(self._device()) if k else None

    def _classes(self, classes: int | str | Sequence[int | str] | None, n: int) -> Tensor | None:
        """Names or indices, one or n of them -> [n] indices."""
        if classes is None:
            return None
        k = self.config.num_classes
        if not k:
            raise InputError(f"classes={classes!r} given, but this model is unconditional; leave the class out")
        given = [classes] * n if isinstance(classes, int | str) else list(classes)
        if len(given) != n:
            raise InputError(f"{len(given)} classes for {n} images; give one class, or one for each image")
        return torch.tensor([self.class_index(c) for c in given], device=self._device())

    def class_index(self, given: int | str) -> int:
        """The index of a class, given by name or by index; a name wins over a number that looks like an index."""
        k, name = self.config.num_classes, str(given)
        if isinstance(given, str) and name in self.class_names:
            return self.class_names.index(name)
        if name.isdecimal() and 0 <= int(name) < k:
            return int(name)
        known = ", ".join(self.class_names[:12]) + (", ..." if len(self.class_names) > 12 else "")
        raise InputError(
            f"unknown class {name!r}; expected an index from 0 to {k - 1} or a name ({known or 'none given'})"
        )

    def _device(self) -> torch.device:
        return next(self.parameters()).device

    def players(self) -> dict[str, nn.Module]:
        """The modules that learn, by name."""
        return {name: child for name, child in self.named_children() if any(True for _ in child.parameters())}
