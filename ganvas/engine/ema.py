"""The exponential moving average of players: the copy that samples."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ganvas.gan import GAN


class Average:
    """Averages of the players in `gan.averaged`, moved once per iteration:  a <- decay a + (1 - decay) p.

    The decay is the paper's to say (`gan.decay()`); 0 is a copy.  Buffers (batch-norm statistics, spectral-norm
    vectors) are averaged with the weights, or copied: `ema_buffers`.  Integer buffers are always copied.
    """

    def __init__(self, gan: GAN) -> None:
        self.gan = gan
        self.players = nn.ModuleDict({name: copy.deepcopy(getattr(gan, name)) for name in gan.averaged})
        self.players.requires_grad_(False)

    @torch.no_grad()
    def update(self) -> None:
        """One move towards the live players; call after the iteration's steps."""
        decay = self.gan.decay()
        for name, mean in self.players.items():
            live = getattr(self.gan, name)
            buffers = decay if self.gan.config.ema_buffers == "average" else 0.0
            for a, p in zip(mean.parameters(), live.parameters()):
                _move(a, p, decay)
            for b, q in zip(mean.buffers(), live.buffers()):
                _move(b, q, buffers if b.is_floating_point() else 0.0)


def unmoved(gan: GAN) -> float:
    """The share of its first weights that the average will still hold when the run ends, counted as the loop counts."""
    c, start, share = gan.config, (gan.iteration, gan.images_seen), 1.0
    gan.iteration = gan.images_seen = 0
    try:
        while gan.images_seen < c.images and share > 1e-4:
            longest = max(phase.repeat for phase in gan.phases() if gan.iteration % phase.every == 0)
            gan.images_seen += longest * c.batch
            gan.iteration += 1
            share *= gan.decay()
    finally:
        gan.iteration, gan.images_seen = start
    return share if share > 1e-4 else 0.0


def _move(mean: Tensor, value: Tensor, decay: float) -> None:
    if decay:
        mean.lerp_(value, 1.0 - decay)
    else:
        mean.copy_(value)


@contextmanager
def averaged(gan: GAN, average: Average | None) -> Iterator[GAN]:
    """The GAN with its averaged players in place of the live ones, for as long as the block runs."""
    if average is None:
        yield gan
        return
    live = {name: getattr(gan, name) for name in average.players}
    try:
        for name, mean in average.players.items():
            setattr(gan, name, mean)
        yield gan
    finally:
        for name, module in live.items():
            setattr(gan, name, module)
