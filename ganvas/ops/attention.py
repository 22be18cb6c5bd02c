"""Self-attention over the pixels of a feature map (SAGAN, Zhang et al. 2019, arXiv 1805.08318).

The form of the authors' released code, which differs from the paper's text: keys and values are max-pooled 2x2, the
value path has C/2 channels and a convolution back to C. BigGAN uses the same block.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.errors import InputError


class Attention(nn.Module):
    """x + gamma * o(softmax(theta(x)^T phi(x)) g(x)).  x [N, C, H, W] -> same shape

    `conv(in, out, kernel_size=1, padding=0, bias=False)` makes the four convolutions, spectrally normalised or not.
    gamma starts at 0, so the block starts as the identity; negative values are normal later.
    """

    def __init__(self, channels: int, conv: Callable[..., nn.Conv2d]) -> None:
        super().__init__()
        if channels < 8:
            raise InputError(f"attention on {channels} channels, expected at least 8; widen the network or drop it")
        self.theta = conv(channels, channels // 8, kernel_size=1, padding=0, bias=False)
        self.phi = conv(channels, channels // 8, kernel_size=1, padding=0, bias=False)
        self.g = conv(channels, channels // 2, kernel_size=1, padding=0, bias=False)
        self.o = conv(channels // 2, channels, kernel_size=1, padding=0, bias=False)
        self.gamma = nn.Parameter(torch.tensor(0.0))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """`y` is ignored: the block stands among conditional ones."""
        theta = self.theta(x).flatten(2)  # [N, C/8, HW]
        phi = F.max_pool2d(self.phi(x), 2).flatten(2)  # [N, C/8, HW/4]
        g = F.max_pool2d(self.g(x), 2).flatten(2)  # [N, C/2, HW/4]
        o = torch.bmm(g, attention_map(theta, phi).transpose(1, 2))  # [N, C/2, HW]
        return self.gamma * self.o(o.unflatten(2, x.shape[2:])) + x


def attention_map(queries: Tensor, keys: Tensor) -> Tensor:
    """Softmax over the keys, not scaled by their width.  [N, F, Q], [N, F, K] -> [N, Q, K], each row sums to 1

    Written out: the fused attention kernel has no second derivative, which penalties and latent steps need.
    """
    return torch.softmax(torch.bmm(queries.transpose(1, 2), keys), dim=-1)
