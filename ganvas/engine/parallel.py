"""How several processes that torchrun has started meet, to train, evaluate or prepare together, and part again.

In training every process has all weights and a share of each batch: rows r, r + W, r + 2 W, ... of W processes.  What
is drawn is drawn for the whole batch, by each of them alike, and cut in the same way; gradients are averaged.  So W
processes take the steps that one takes.  The first one writes and speaks.  Not here: what they exchange (team.py), how
a share is cut further (cut.py) and statistics of batch norm over all rows (synced.py).
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from ganvas.errors import InputError
from ganvas.team import ALONE, Team, spoken

PATIENCE = timedelta(days=30)  # that others have while the first one decodes, evaluates or saves; a lost one is noticed
GRADIENTS = timedelta(hours=1)  # the same between two steps, where nobody has anything else to do


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
        _MEETINGS.append(restarts())
        # a store may outlive processes and meetings: each has names of its own
        store = dist.PrefixStore(f"start {restarts()}, meeting {len(_MEETINGS)}", store)
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
_MEETINGS: list[int] = []  # of this process, one after the other


def current() -> Team:
    """The team of the block that runs."""
    return _CURRENT[-1] if _CURRENT else ALONE


@contextmanager
def silent() -> Iterator[None]:
    """Nothing that is printed is seen."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
