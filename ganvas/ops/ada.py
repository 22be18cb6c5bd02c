"""How often ADA augments: the feedback of Karras et al. 2020 (arXiv 2006.06676, section 3.1) on D's real scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AdaptiveProbability(nn.Module):
    """p, raised while D is surer of real images than `target` says and lowered while it is less sure.

    r_t = E[sign(D(x))] over the real images since the last update; p += sign(r_t - target) images / speed, not below
    0.  `speed` is the number of images in which p goes from 0 to 1: 500,000 in the paper, 100,000 for fine-tuning.  As
    in the paper p has no ceiling; `draw_ada` takes all above 1 as 1.  The state is in buffers alone, and nothing is
    read back from the device.
    """

    p: Tensor
    signs: Tensor
    count: Tensor

    def __init__(self, target: float = 0.6, speed: float = 500_000, start: float = 0.0) -> None:
        super().__init__()
        self.target, self.speed = target, speed
        self.register_buffer("p", torch.tensor(float(start)))
        self.register_buffer("signs", torch.tensor(0.0))  # sum of sign(D(x)) since the last update
        self.register_buffer("count", torch.tensor(0.0))  # how many scores that were; sums, so processes can add them

    @torch.no_grad()
    def observe(self, real_scores: Tensor) -> None:
        """Counts the signs of D's scores on augmented real images.  real_scores [N, ...]"""
        self.signs += real_scores.sign().sum()
        self.count += real_scores.numel()

    @torch.no_grad()
    def update(self, images: int) -> Tensor:
        """Moves p by what that many real images since the last update allow -> r_t, a scalar; the paper: every 4 steps

        Without a score since then p stays and r_t is NaN.
        """
        r = self.signs / self.count
        direction = (r > self.target).float() - (r < self.target).float()  # NaN is neither
        self.p += direction * (images / self.speed)
        self.p.clamp_(min=0.0)
        self.signs.zero_()
        self.count.zero_()
        return r
