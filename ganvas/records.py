"""The records of the seam: what travels between engine, papers, sampling and the model folder.

All are records of rows (rows.py): tensors that share their first axis, so that they can be cut and joined as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ganvas import rng as random
from ganvas.ops.augment import Transform


@dataclass(frozen=True)
class Given:
    """What an image is made from besides noise."""

    y: Tensor | None = None  # classes [N] int64
    h: Tensor | None = None  # instance features [N, F], unit length
    source: Tensor | None = None  # an image of the other domain [N, C, H, W] in [-1, 1]


@dataclass(frozen=True)
class Batch:
    """Real data as a loss sees it.  x [N, C, H, W] in [-1, 1] (points: [N, D]) is what G should make."""

    x: Tensor
    given: Given = Given()
    fake: Given | None = None  # conditions of as many fakes, drawn from the data's stock independently of x's


@dataclass(frozen=True)
class Loss:
    """What a player minimises (scalar), named scalars for the log, and what the phase's `after` needs, detached."""

    total: Tensor
    logs: dict[str, Tensor] = field(default_factory=dict)
    kept: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """One kind of optimiser step inside a training iteration."""

    name: str  # keys the random numbers and the log: "D", "G", "G_path"
    player: str  # who learns: the name of a module of the GAN
    loss: Callable[[Batch, Any], Loss]  # (real batch, what was drawn) -> what the player minimises; a pure function
    draw: Callable[[Batch, torch.Generator], Any] | None = None  # None: gan.draw
    repeat: int = 1  # optimiser steps per iteration, each with a fresh batch and fresh draws
    every: int = 1  # only on iterations divisible by this (lazy regularisation)
    before: Callable[[], None] | None = None  # runs before each step's loss
    after: Callable[[list[dict[str, Tensor]]], None] | None = None  # after each step: what the loss kept, per part


@dataclass(frozen=True)
class Rule:
    """How a player's optimiser steps now.  kind: adam, rmsprop or rmsprop_tf1"""

    kind: str
    lr: float
    betas: tuple[float, float]
    eps: float

    def lazy(self, every: int) -> Rule:
        """The rule where a player's regulariser has steps of its own, one every so many: lr c and beta^c with
        c = every / (every + 1) (StyleGAN2, Karras et al. 2020, appendix B).  0: there is no such regulariser.
        """
        c = every / (every + 1) if every else 1.0
        return replace(self, lr=self.lr * c, betas=(self.betas[0] ** c, self.betas[1] ** c))


@dataclass(frozen=True)
class Request:
    """What to sample: one image per seed, each from its own generator, so batches never change an image."""

    seeds: list[int]
    given: Given = Given()
    truncation: float | None = None  # None: the prior itself
    truncation_form: random.TruncationForm = "resample"


@dataclass(frozen=True)
class Code:
    """What a sample is made from, such that two can be mixed.  z [N, Z] latents; c [N, E] classes, as the paper has
    them, or None; h [N, F] features of instances, or None.
    """

    z: Tensor
    c: Tensor | None = None
    h: Tensor | None = None


@dataclass(frozen=True)
class Drawn:
    """What most losses need: z [N, Z] latents, y [N] classes of the fakes (uniform) or None."""

    z: Tensor
    y: Tensor | None
    shown: Transform | None = None  # of fakes and reals, 2 N rows: what happens to them on their way to D
    again: Transform | None = None  # of reals, N rows: under which their scores should stay


@dataclass(frozen=True)
class Picture:
    """What a run's picture shows: x [N, C, H, W] in rows of `columns`, or points [N, D] over real ones."""

    x: Tensor
    columns: int | None = None
    real: Tensor | None = None
