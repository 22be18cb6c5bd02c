"""The players of the mixture of Gaussians (Gong et al. 2019, arXiv 1907.02690): what a classifier does to the classes.

G: 2 numbers and a class -> a point; D: a point -> score and classes. In one dimension as in the authors' notebook, or
in two. PyTorch's default initialisation, no spectral norm.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.nets.heads import Answer, Head, Heads


def tanh_mlp(dim: int, width: int) -> nn.Sequential:
    """dim -> width, tanh, width, tanh, width: the last layer is followed by the heads at once, as in the notebook."""
    return nn.Sequential(nn.Linear(dim, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))


class Generator(nn.Module):
    """G(z, G.shared(y)).  z [N, dim_z], y [N] int64 -> points [N, dim]"""

    def __init__(
        self, dim: int = 1, dim_z: int = 2, num_classes: int = 3, shared_dim: int = 2, width: int = 10
    ) -> None:
        super().__init__()
        if not shared_dim:
            raise InputError("G of the mixture knows classes by their embedding alone; give shared_dim, as 2")
        self.dim_z, self.num_classes = dim_z, num_classes
        self.shared = nn.Embedding(num_classes, shared_dim)
        self.layers = tanh_mlp(dim_z + shared_dim, width)
        self.output_layer = nn.Linear(width, dim)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """`y` is already embedded, `G.shared(y)`, so that classes can be mixed."""
        return self.output_layer(self.layers(torch.cat([z, y], 1)))


class Discriminator(nn.Module):
    """D(x, y).  x [N, dim], y [N] int64 (only "embed" needs it) -> Answer

    The authors keep "ac" and "mi" in the nets of AC-GAN and PD-GAN as well, where they never learn.
    """

    def __init__(self, heads: Iterable[Head] = ("adc",), dim: int = 1, num_classes: int = 3, width: int = 10) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.layers = tanh_mlp(dim, width)
        self.heads = Heads(heads, width, num_classes, nn.Linear, nn.Embedding)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Answer:
        return self.heads(self.features(x), y)

    def features(self, x: Tensor) -> Tensor:
        """x [N, dim] -> h [N, F]"""
        return self.layers(x)
