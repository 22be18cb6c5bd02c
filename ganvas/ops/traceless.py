"""A look at networks in training mode that leaves no trace: no running statistic and no power iteration moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import nn

from ganvas.ops.norm import Statistics
from ganvas.ops.spectral import SNConv2d, SNEmbedding, SNLinear


@contextmanager
def traceless(*networks: nn.Module) -> Iterator[None]:
    """What passes forward in the block computes the same numbers as without it, and stores none.

    Batch norm in training mode still normalises by its batch; spectral norm still iterates once from the stored u, so
    that the next pass, which stores it, divides by the very same sigma.
    """
    with ExitStack() as stack:
        for layer in [layer for network in networks for layer in network.modules()]:
            if isinstance(layer, Statistics):
                stack.callback(setattr, layer, "momentum", layer.momentum)
                stack.callback(setattr, layer, "seen", layer.seen)
                layer.momentum, layer.seen = 0.0, None if layer.seen is None else []
            elif isinstance(layer, SNConv2d | SNLinear | SNEmbedding):
                stack.callback(setattr, layer, "training", layer.training)
                layer.training = False
        yield
