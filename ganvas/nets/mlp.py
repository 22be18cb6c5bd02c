"""Fully connected players: the toy networks of WGAN-GP and the MLPs of WGAN."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ganvas.nets.tflib import init_linear


def mlp(widths: list[int]) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for num_in, num_out in pairwise(widths):
        layers += [nn.Linear(num_in, num_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class ToyG(nn.Module):
    """2 -> width x3 -> 2, ReLU, He-uniform hidden layers (WGAN-GP toy script)."""

    def __init__(self, dim_z: int = 2, width: int = 512, num_out: int = 2) -> None:
        super().__init__()
        self.layers = mlp([dim_z, width, width, width, num_out])
        _init_toy(self.layers)

    def forward(self, z: Tensor) -> Tensor:
        """z [N, Z] -> points [N, 2]"""
        return self.layers(z)


class ToyD(nn.Module):
    """2 -> width x3 -> 1, ReLU, He-uniform hidden layers (WGAN-GP toy script)."""

    def __init__(self, num_in: int = 2, width: int = 512) -> None:
        super().__init__()
        self.layers = mlp([num_in, width, width, width, 1])
        _init_toy(self.layers)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, 2] -> scores [N]"""
        return self.layers(x).flatten()


def _init_toy(layers: nn.Sequential) -> None:
    linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
    for linear in linears:
        init_linear(linear, he=linear is not linears[-1])


class ImageG(nn.Module):
    """z -> width x3 -> image, ReLU, no output non-linearity (WGAN, Fig. 6); PyTorch's default initialisation."""

    def __init__(self, resolution: int, channels: int, dim_z: int = 100, width: int = 512) -> None:
        super().__init__()
        self.shape = (channels, resolution, resolution)
        self.layers = mlp([dim_z, width, width, width, channels * resolution**2])

    def forward(self, z: Tensor) -> Tensor:
        """z [N, Z] -> [N, C, H, W], unbounded"""
        return self.layers(z).unflatten(1, self.shape)


class ImageD(nn.Module):
    """image -> width x3 -> 1, ReLU (WGAN); PyTorch's default initialisation."""

    def __init__(self, resolution: int, channels: int, width: int = 512) -> None:
        super().__init__()
        self.layers = mlp([channels * resolution**2, width, width, width, 1])

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> scores [N]"""
        return self.layers(x.flatten(1)).flatten()
