"""The processes that do a thing together, as they know each other: who they are, what they exchange, who does what.

One process is a team of its own, `ALONE`, and exchanges nothing.  How processes meet is in engine/parallel.py, what a
training shares in engine/cut.py.  Every exchange is one that all of them make, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from ganvas import rows
from ganvas.errors import InputError

if TYPE_CHECKING:
    from ganvas.gan import Batch

R = TypeVar("R")


class Lost(InputError):
    """Another process of the run is gone."""


@dataclass(frozen=True)
class Team:
    """The processes of a run, and which of them this is.  control: a group of theirs that waits without computing"""

    rank: int = 0
    size: int = 1
    local: int = 0  # its number on its machine
    here: int = 1  # how many there are on its machine
    control: Any = None

    @property
    def first(self) -> bool:
        """Is this the one that writes?"""
        return self.rank == 0

    def part(self, record: R) -> R:
        """This process's rows of a record of the whole batch."""
        return record if self.size == 1 else rows.every(record, self.rank, self.size)

    def whole(self, share: Batch) -> Batch:
        """A stand-in for the whole batch, to draw for: as many rows, of which this process's are its own."""
        return share if self.size == 1 else rows.spread(share, self.size)

    def mean(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Each tensor's mean over the processes, by one exchange."""
        if self.size == 1 or not tensors:
            return list(tensors)
        flat = torch.cat([t.detach().flatten() for t in tensors])
        with spoken():
            dist.all_reduce(flat)
        parts = (flat / self.size).split([t.numel() for t in tensors])
        return [part.view(t.shape).to(t.dtype) for part, t in zip(parts, tensors)]

    def gathered(self, kept: dict[str, Tensor]) -> dict[str, Tensor]:
        """What a loss kept, of all processes: rows in the order of the whole batch; of a 0-dim tensor the mean."""
        return kept if self.size == 1 else {name: self._gathered(value) for name, value in kept.items()}

    def _gathered(self, value: Tensor) -> Tensor:
        if not value.dim():
            return self.mean([value])[0]
        own = value.to(torch.uint8) if value.dtype == torch.bool else value
        found = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(self.size)]
        with spoken():
            dist.all_gather(found, own.contiguous())
        return torch.stack(found, 1).flatten(0, 1).to(value.dtype)

    def any(self, flag: bool) -> bool:
        """Does one of them say yes?  Here all wait for what the first one does alone."""
        if self.size == 1:
            return flag
        told = torch.tensor(int(flag))
        with spoken():
            dist.all_reduce(told, dist.ReduceOp.MAX, group=self.control)
        return bool(told)

    def told(self, what: Callable[[], R]) -> R:
        """What the first process finds, in all of them."""
        if self.size == 1:
            return what()
        found: list[Any] = [what() if self.first else None]
        with spoken():
            dist.broadcast_object_list(found, src=0, group=self.control)
        of_the_first: R = found[0]
        return of_the_first

    def mine(self, items: Iterable[R]) -> Iterator[R]:
        """Of what is dealt out in turns, what this process is to do: the r-th, the (W + r)-th, ..."""
        return islice(items, self.rank, None, self.size)

    def collected(self, own: Iterable[R]) -> Iterator[R]:
        """What all have made of what was dealt out, in the order of one process, in the first one; nothing elsewhere.

        own: of each what it has made of `mine`, taken one by one: no more than one of each process is held at a time.
        To be run to its end by all of them.
        """
        if self.size == 1:
            yield from own
            return
        made = iter(own)
        while True:
            part = list(islice(made, 1))
            if not self.any(bool(part)):
                return
            found: list[Any] | None = [[]] * self.size if self.first else None
            with spoken():
                dist.gather_object(part, found, dst=0, group=self.control)
            for one in found or ():
                yield from one

    def in_turn(self, make: Callable[[], R]) -> R:
        """What every process makes, on each machine the first there before the others: they find its files."""
        if self.local == 0:
            made = make()
            self.any(False)
            return made
        self.any(False)
        return make()

    def sent(self, what: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """The first process's tensors, which are on the CPU, in all of them."""
        own = what() if self.first else {}
        shapes, found = self.told(lambda: {name: (t.shape, t.dtype) for name, t in own.items()}), {}
        for name, (shape, dtype) in shapes.items():
            found[name] = own[name] if self.first else torch.empty(shape, dtype=dtype)
            with spoken():
                dist.broadcast(found[name].view(-1).view(torch.uint8), src=0, group=self.control)
        return found

    def must_share(self, mark: str, what: str) -> None:
        """Raises InputError where the mark of a process, a hash of what it reads, is not that of the first."""
        if self.told(lambda: mark) != mark:
            raise InputError(
                f"process {self.rank} of {self.size} finds another {what} than the first one; "
                "put the same files on every machine"
            )


ALONE = Team()


@contextmanager
def spoken() -> Iterator[None]:
    """What an exchange says when another process is gone, as one line."""
    try:
        yield
    except RuntimeError as error:
        said = " ".join(str(error).split())[:160]
        raise Lost(
            f"another process of this run is gone or does not answer ({said}); start it again: a training goes on "
            "from its last checkpoint with --resume, or by itself under torchrun --max-restarts"
        ) from error
