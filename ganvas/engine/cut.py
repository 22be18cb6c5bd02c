"""How the batch of a step is cut: over the processes of a run, and a process's share into parts that memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ganvas import rows
from ganvas.errors import InputError
from ganvas.gan import GAN, Batch
from ganvas.ops.norm import Statistics
from ganvas.team import ALONE, Team

R = TypeVar("R")


@dataclass(frozen=True)
class Cut:
    """The processes, the parts of a process's share, and whether buffers move once a step however many parts it has.

    steady: every part starts from the vectors of spectral norm and the running statistics that the step found.  A power
    iteration depends on the weights alone, so that all parts find what the whole batch would; running statistics become
    the mean over the parts.  Without it, as in accumulating code elsewhere, a part goes on where the last one was.
    """

    team: Team = ALONE
    parts: int = 1
    steady: bool = False

    def whole(self, share: Batch) -> Batch:
        """A stand-in for the whole batch, to draw for."""
        return self.team.whole(share)

    def parts_of(self, share: Batch, drawn: Any) -> list[tuple[Batch, Any]]:
        """The parts of this process's share, and of what was drawn for the whole batch those that belong to them."""
        try:
            return list(zip(self._parts(share), self._parts(self.team.part(drawn))))
        except ValueError as error:
            raise InputError(
                f"what a phase draws does not divide: {error} ({self.team.size} processes, {self.parts} parts "
                "in each); take a larger --batch, fewer processes or fewer parts"
            ) from error

    def _parts(self, record: R) -> list[R]:
        """Steady, rows p, p + M, p + 2 M, ... of M parts, as processes have them; else one stretch after the other."""
        if not self.steady:
            return rows.split(record, self.parts)
        return [rows.every(record, part, self.parts) for part in range(self.parts)]

    def kept(self, parts: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
        """What the losses of a step have kept, of all processes; steady, as if the batch had been whole."""
        gathered = [self.team.gathered(part) for part in parts]
        if not self.steady or self.parts == 1:
            return gathered
        return [{name: self._whole([part[name] for part in gathered]) for name in gathered[0]}]

    def _whole(self, values: list[Tensor]) -> Tensor:
        if not values[0].dim():
            return torch.stack(values).mean(0)
        return torch.stack([value.unflatten(0, (-1, self.team.size)) for value in values], 1).flatten(0, 2)

    @contextmanager
    def buffers(self, gan: GAN) -> Iterator[Callable[[], AbstractContextManager[None]]]:
        """For a step: what each of its parts is to be done in."""
        if not self.steady or self.parts == 1:
            yield nullcontext
            return
        every = [b for player in gan.players().values() for b in player.buffers()]
        start, running, sums = [b.clone() for b in every], running_statistics(gan), []

        @contextmanager
        def part() -> Iterator[None]:
            for buffer, value in zip(every, start):
                buffer.copy_(value)
            yield
            sums.append([b.clone() for b in running])

        yield part
        for buffer, *values in zip(running, *sums):
            buffer.copy_(torch.stack(values).mean(0))

    def average(self, gan: GAN, gradients: Sequence[Tensor], values: Sequence[Tensor]) -> list[Tensor]:
        """Gradients and running statistics become their means over the processes.  -> those of the values"""
        if self.team.size == 1:
            return list(values)
        own = [*gradients, *running_statistics(gan)]
        found = self.team.mean([*own, *values])
        with torch.no_grad():
            for tensor, mean in zip(own, found):
                tensor.copy_(mean)
        return found[len(own) :]


def running_statistics(gan: GAN) -> list[Tensor]:
    """Of every batch norm of the players."""
    norms = (Statistics, nn.modules.batchnorm._BatchNorm)
    layers = [layer for player in gan.players().values() for layer in player.modules() if isinstance(layer, norms)]
    return [b for layer in layers for b in layer.buffers(recurse=False) if b.is_floating_point()]


def cut_of(gan: GAN, team: Team, micro_batch: int = 0, synced: bool = False) -> Cut:
    """How the steps of a run are cut.  Raises InputError where a batch cannot be shared equally.

    micro_batch: the most rows that a process takes at a time, in place of `accumulate`; 0: `accumulate` parts in all,
    shared by the processes, or of each process where batch norm is synchronised, so that it sees as many rows.
    """
    batch, accumulate = gan.config.batch, gan.config.accumulate
    share = batch // team.size
    if not share or batch % team.size:
        fits = max(batch // team.size, 1) * team.size
        raise InputError(
            f"batch={batch} given to {team.size} processes, which cannot share it equally; take --batch {fits}"
        )
    if micro_batch:
        parts = next(n for n in range(1, share + 1) if share % n == 0 and share // n <= max(micro_batch, 1))
    else:
        parts = accumulate if synced else -(-accumulate // team.size)
    if share % parts or ((team.size > 1 or micro_batch) and (share // parts) % gan.grain):
        raise InputError(
            f"batch={batch} given to {team.size} processes that take it in {parts} part{'s' * (parts > 1)} each: parts "
            f"must be equal and hold a multiple of {gan.grain} rows; take another --batch or number of processes"
        )
    return Cut(team, parts, steady=bool(micro_batch))
