"""Several processes that train one model together: torchrun starts them, this file is all that they know of each other.

Every process has all weights and a share of each batch: rows r, r + W, r + 2 W, ... of W processes.  What is drawn is
drawn for the whole batch, by each of them alike, and cut in the same way; gradients are averaged.  So W processes take
the steps that one takes.  The first one writes, looks and speaks.  Not here: how a share is cut further (cut.py) and
statistics of batch norm over all rows (synced.py).
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from ganvas import rows
from ganvas.errors import InputError
from ganvas.gan import Batch

R = TypeVar("R")
PATIENCE = timedelta(days=30)  # that others have while the first one decodes, evaluates or saves; a lost one is noticed
GRADIENTS = timedelta(hours=1)  # the same between two steps, where nobody has anything else to do


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


ALONE = Team()


@contextmanager
def spoken() -> Iterator[None]:
    """What an exchange says when another process is gone, as one line."""
    try:
        yield
    except RuntimeError as error:
        said = " ".join(str(error).split())[:160]
        raise Lost(
            f"another process of this run is gone or does not answer ({said}); "
            "the run goes on from its last checkpoint with --resume, or by itself under torchrun --max-restarts"
        ) from error


def started_together() -> bool:
    """Is this one of several processes that torchrun, or something that sets the same variables, has started?"""
    return "RANK" in os.environ and "MASTER_ADDR" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def restarts() -> int:
    """How often torchrun has started these processes anew, after one was lost."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def restarts_allowed() -> bool:
    """Will torchrun start these processes anew if one is lost?"""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0


def own_device(device: torch.device) -> torch.device:
    """The device of this process among those that were started together: one GPU each."""
    if not started_together() or device.type == "cpu":
        return device
    if device.type != "cuda" or device.index is not None:
        raise InputError(
            f"--device {device} given to {os.environ['WORLD_SIZE']} processes; pass cuda, of which each takes a GPU of "
            "its own, or cpu"
        )
    local, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= there:
        raise InputError(
            f"{local + 1} or more processes on a machine with {there} GPU{'s' * (there != 1)}; "
            f"start torchrun with --nproc-per-node {there}, or pass --device cpu"
        )
    return torch.device("cuda", local)


@contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The processes that were started together, for as long as the block runs; alone without others.

    All but the first are silent.  A block within a block has the same team.
    """
    if dist.is_available() and dist.is_initialized():
        yield _CURRENT[-1]
        return
    if not started_together():
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with spoken():
        store, rank, size = next(iter(dist.rendezvous("env://")))
        store = dist.PrefixStore(f"start {restarts()}", store)  # a store may outlive processes: theirs are other names
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=GRADIENTS)
        control = dist.new_group(backend="gloo", timeout=PATIENCE)
    local, here = int(os.environ.get("LOCAL_RANK", rank)), int(os.environ.get("LOCAL_WORLD_SIZE", size))
    team = Team(rank, size, local, here, control)
    _CURRENT.append(team)
    try:
        with contextlib.nullcontext() if team.first else silent():
            yield team
            team.any(False)  # nobody leaves before the first one has written
    finally:
        _CURRENT.pop()
        dist.destroy_process_group()


_CURRENT: list[Team] = []


def current() -> Team:
    """The team of the block that runs."""
    return _CURRENT[-1] if _CURRENT else ALONE


@contextmanager
def silent() -> Iterator[None]:
    """Nothing that is printed is seen."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
