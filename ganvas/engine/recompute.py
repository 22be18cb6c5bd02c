"""Activations that are computed a second time in the backward pass instead of being kept (Chen et al. 2016).

A block's buffers (vectors of spectral norm, running statistics) are as in its first pass while it is computed again,
and afterwards what they were: the same numbers, and no buffer moves twice.
"""

from __future__ import annotations

from contextlib import nullcontext
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ganvas.errors import InputError
from ganvas.gan import GAN


def recompute(gan: GAN) -> None:
    """From here on no block of a player keeps its activations.  Raises InputError where there are no blocks.

    A block is what the networks call so: a module whose class is named XBlock, or Block.
    """
    found = [module for player in gan.players().values() for module in player.modules() if is_block(module)]
    if not found:
        raise InputError("--recompute given, but these networks have no blocks to compute twice; leave it out")
    for block in found:
        block.forward = MethodType(_forward, block)


def is_block(module: nn.Module) -> bool:
    """By the name of its class."""
    return type(module).__name__.endswith("Block")


def _forward(block: nn.Module, *given: Any, **named: Any) -> Any:
    """The block's own forward, kept as no more than what goes in."""
    plain = type(block).forward
    if not torch.is_grad_enabled():
        return plain(block, *given, **named)
    again = AsBefore(list(block.buffers()))
    return checkpoint(
        plain, block, *given, use_reentrant=False, preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), again), **named,
    )  # fmt: skip


class AsBefore:
    """A block of code in which buffers are as they are now; afterwards they are again what they were before it.

    May be entered more than once: a second derivative computes a third time.  The buffers change past autograd, which
    would otherwise take the change for a mistake.
    """

    def __init__(self, buffers: list[Tensor]) -> None:
        self.buffers, self.now = buffers, [b.clone() for b in buffers]
        self.later: list[Tensor] = []

    def __enter__(self) -> None:
        self.later = [b.clone() for b in self.buffers]
        self.set(self.now)

    def __exit__(self, *_: object) -> None:
        self.set(self.later)

    def set(self, values: list[Tensor]) -> None:
        """The buffers to these values."""
        for buffer, value in zip(self.buffers, values):
            buffer.data.copy_(value)
