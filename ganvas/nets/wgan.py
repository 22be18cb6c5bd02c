"""The networks of WGAN's and WGAN-GP's tables by name: which class stands behind a name, what it takes and sees.

Not here: the networks (dcgan.py, resnet.py, mlp.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from ganvas import config
from ganvas.config import ANY, only
from ganvas.errors import InputError
from ganvas.nets import dcgan, mlp, resnet

Net = Literal["dcgan4", "dcgan5", "resnet32", "resnet64", "mlp", "toy"]
DCGAN = ("dcgan4", "dcgan5")
Range = Literal["symmetric", "unit"]  # [-1, 1] or [0, 1]
NORMED = (*DCGAN, "resnet64")  # critics that may have batch norm


class Config(config.Config):
    """What chooses the networks.  Defaults are the DCGAN of WGAN's experiments (section 4.1)."""

    G_net: Net = "dcgan4"
    D_net: Net = "dcgan4"
    dim_z: int = 100  # latent dimensions, standard normal
    G_width: int = 64  # channels of the narrowest layer (mlp, toy: of every hidden layer)
    D_width: int = 64
    extra_layers: int = only(0, either=True, G_net="dcgan4", D_net="dcgan4")  # 3x3 layers at full width
    G_batch_norm: bool = only(True, G_net=DCGAN)  # the ResNets always have it, the MLPs never
    D_norm: Literal["batch", "layer", "none"] = only("batch", D_net=NORMED)  # layer: resnet64 alone
    pixel_range: Range = only("symmetric", resolution=ANY)  # players see [-1, 1] or [0, 1]
    dequantise: bool = only(False, resolution=ANY, pixel_range="symmetric")  # 2 (x / 256 - 1 / 2) + U(0, 1 / 128)

    @model_validator(mode="after")
    def _has_classes(self) -> Self:
        if self.num_classes and (self.G_net, self.D_net) != ("resnet32", "resnet32"):
            raise ValueError("classes need the ResNets of the CIFAR script: set G_net=resnet32 and D_net=resnet32")
        return self


def generator(
    net: Net,
    shape: tuple[int, ...],
    dim_z: int,
    width: int,
    num_classes: int = 0,
    extra_layers: int = 0,
    batch_norm: bool = True,
) -> nn.Module:
    """G(z) or G(z, y) of that name for samples of a shape, (C, H, W) or (D,).  Raises InputError where it has none."""
    channels, size = _sizes(net, shape)
    made: dict[str, Callable[[], nn.Module]] = {
        "toy": lambda: mlp.ToyG(dim_z, width, channels),
        "mlp": lambda: mlp.ImageG(size, channels, dim_z, width),
        "dcgan4": lambda: dcgan.G4(size, channels, dim_z, width, extra_layers, batch_norm),
        "dcgan5": lambda: dcgan.G5(size, channels, dim_z, width, batch_norm),
        "resnet32": lambda: resnet.G32(size, channels, dim_z, width, num_classes),
        "resnet64": lambda: resnet.G64(size, channels, dim_z, width),
    }
    return made[net]()


def critic(
    net: Net, shape: tuple[int, ...], width: int, num_classes: int = 0, extra_layers: int = 0, norm: str = "batch"
) -> nn.Module:
    """D(x) of that name.  norm: batch, layer or none, as the network has it."""
    channels, size = _sizes(net, shape)
    if norm == "layer" and net in DCGAN:
        raise InputError(f"{net} has batch norm or none: set D_norm=batch or D_norm=none")
    made: dict[str, Callable[[], nn.Module]] = {
        "toy": lambda: mlp.ToyD(channels, width),
        "mlp": lambda: mlp.ImageD(size, channels, width),
        "dcgan4": lambda: dcgan.D4(size, channels, width, extra_layers, norm == "batch"),
        "dcgan5": lambda: dcgan.D5(size, channels, width, norm == "batch"),
        "resnet32": lambda: resnet.D32(size, channels, width, num_classes),
        "resnet64": lambda: resnet.D64(size, channels, width, norm),
    }
    return made[net]()


def native(x: Tensor, pixel_range: Range, dither: Tensor | None = None) -> Tensor:
    """Images in [-1, 1] to what the players see, dequantised with `dither` of U(0, 1 / 128).  Any shape -> same"""
    if dither is not None:  # levels 0..255 as 2 (x / 256 - 1 / 2)
        return (x + 1.0) * (255 / 256) - 1.0 + dither
    return (x + 1.0) / 2.0 if pixel_range == "unit" else x


def symmetric(x: Tensor, pixel_range: Range) -> Tensor:
    """What G makes to images in [-1, 1].  Any shape -> same"""
    return x * 2.0 - 1.0 if pixel_range == "unit" else x


def score_and_class_loss(D: nn.Module, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """Scores [N] of the images x, and the cross-entropy (scalar) of the critic's class head against y [N]."""
    assert isinstance(D, resnet.D32), "a class loss needs the ResNet critic"
    assert y is not None, "a class loss needs classes"
    scores, logits = D.score_and_logits(x)
    return scores, F.cross_entropy(logits, y)


def _sizes(net: Net, shape: tuple[int, ...]) -> tuple[int, int]:
    points = len(shape) == 1
    if points and net != "toy":
        raise InputError(f"{net} makes images, these data are points; use a toy preset such as wgan-gp-toy")
    if net == "toy" and not points:
        raise InputError("toy networks make points, these data are images; use another network, as dcgan4")
    return shape[0], shape[-1]
