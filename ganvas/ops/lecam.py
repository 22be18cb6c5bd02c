"""The moving means of D's scores that LeCam's regulariser leans on (Tseng et al. 2021, arXiv 2104.03310)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ScoreAverages(nn.Module):
    """Exponential moving means of D's scores on real and on fake images; the first update sets them.

    The state is in buffers alone. `losses.lecam` takes `real` and `fake` as they stand before the step.
    """

    real: Tensor
    fake: Tensor
    updates: Tensor

    def __init__(self, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("real", torch.tensor(0.0))
        self.register_buffer("fake", torch.tensor(0.0))
        self.register_buffer("updates", torch.tensor(0.0))

    @torch.no_grad()
    def update(self, real_scores: Tensor, fake_scores: Tensor) -> None:
        """mean <- decay mean + (1 - decay) E[D].  real_scores [N, ...], fake_scores [M, ...]"""
        share = torch.where(self.updates > 0, 1 - self.decay, 1.0)
        self.real.lerp_(real_scores.float().mean(), share)
        self.fake.lerp_(fake_scores.float().mean(), share)
        self.updates += 1
