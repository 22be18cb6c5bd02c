"""One training iteration: every phase in order, each moving its player alone.  Knows no paper, no files, no clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from ganvas.engine import optim
from ganvas.engine.cut import Cut
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch, Phase

Logs = dict[str, list[Tensor]]


class NonFinite(InputError):
    """A loss, gradient or weight that is not a number, caught before anything was made worse by it."""


@dataclass(frozen=True)
class Half:
    """An iteration that was left between two optimiser steps: how many are done, and what each of them logged."""

    steps: int = 0
    logs: dict[str, list[float]] = field(default_factory=dict)


class Halted(Exception):
    """Somebody asked to stop; what is done of the iteration stays done."""

    def __init__(self, half: Half) -> None:
        super().__init__(f"halted after {half.steps} optimiser steps of an iteration")
        self.half = half


def iterate(
    gan: GAN,
    real: Callable[[int], Batch],
    optimisers: dict[str, torch.optim.Optimizer],
    rng: Callable[[str, int], torch.Generator],
    autocast: Callable[[], AbstractContextManager] = nullcontext,
    renewed: Callable[[Batch, str, int], Batch] | None = None,
    half: Half | None = None,
    cut: Cut | None = None,
    asked: Callable[[int, int], bool] = lambda done, total: False,
) -> tuple[dict[str, Tensor], int]:
    """One iteration, or what is left of one that was halted.  -> (mean of the logs, fresh batches used)

    Step k of every phase sees batch k of the iteration, so the iteration uses as many fresh batches as its longest
    phase repeats.  rng(phase's name, k) gives the generator that the phase draws from; renewed(batch k, its
    name, k) the batch with what phases do not share.  cut: how batches are cut, by default into `accumulate` parts.
    asked(steps done, of how many) is called before each step: to show progress, and to say whether to stop there,
    which raises `Halted`.
    """
    half, cut = half or Half(), cut or Cut(parts=gan.config.accumulate)
    logs: Logs = {key: list(torch.tensor(values, device=gan.device)) for key, values in half.logs.items()}
    phases = [phase for phase in gan.phases() if gan.iteration % phase.every == 0]
    steps = [(phase, k) for phase in phases for k in range(phase.repeat)]
    for done, (phase, k) in enumerate(steps):
        if done < half.steps:
            continue
        if asked(done, len(steps)):
            raise Halted(Half(done, {key: [value.item() for value in values] for key, values in logs.items()}))
        freeze_all_but(gan, phase.player)
        batch = real(k) if renewed is None else renewed(real(k), phase.name, k)
        step(gan, phase, batch, optimisers[phase.player], partial(rng, phase.name, k), autocast, logs, cut)
    gan.requires_grad_(True)
    return {key: torch.stack(values).mean() for key, values in logs.items()}, max(phase.repeat for phase in phases)


def step(
    gan: GAN,
    phase: Phase,
    real: Batch,
    optimiser: torch.optim.Optimizer,
    rng: Callable[[], torch.Generator],
    autocast: Callable[[], AbstractContextManager],
    logs: Logs,
    cut: Cut | None = None,
) -> None:
    """One optimiser step of one player: before, draw, take the parts' gradients, check, step, after.

    Batch and draws are cut together, so that the number of parts changes memory and not the run (batch norm aside).
    """
    cut = cut or Cut(parts=gan.config.accumulate)
    if phase.before is not None:
        phase.before()
    optimiser.zero_grad(set_to_none=True)
    drawn = (phase.draw or gan.draw)(cut.whole(real), rng())
    kept, said = [], []
    with cut.buffers(gan) as part:
        for micro, draws in cut.parts_of(real, drawn):
            with part():
                with autocast():
                    loss = phase.loss(micro, draws)
                (loss.total / cut.parts).backward()
            kept.append(loss.kept)
            for key, value in {f"{phase.name}/loss": loss.total, **loss.logs}.items():
                said.append((key, value.detach().float()))
    gradients = [p.grad for p in gan.players()[phase.player].parameters() if p.grad is not None]
    values = cut.average(gan, gradients, [value for _, value in said])
    for (key, _), value in zip(said, values):
        logs.setdefault(key, []).append(value)
        if key == f"{phase.name}/loss" and not torch.isfinite(value):
            raise NonFinite(f"the loss of {phase.name} is {value.item()}, stopped before its optimiser stepped")
    norm = torch.nn.utils.get_total_norm(gradients)
    if not torch.isfinite(norm):  # a finite loss may have an infinite slope, as a gradient penalty where D is flat
        raise NonFinite(f"the gradient of {phase.name} is {norm.item()}, stopped before its optimiser stepped")
    logs.setdefault(f"{phase.name}/grad", []).append(norm)
    optim.follow(optimiser, gan.rule(phase.player))
    optimiser.step()
    if phase.after is not None:
        phase.after(cut.kept(kept))


def freeze_all_but(gan: GAN, player: str) -> None:
    """Only this player's parameters collect gradients, without those that are frozen."""
    for name, module in gan.players().items():
        module.requires_grad_(name == player)
    for part in gan.frozen:
        part.requires_grad_(False)
