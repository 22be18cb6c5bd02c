"""LPIPS, the learned perceptual distance of two images (Zhang et al. 2018, arXiv 1801.03924), version 0.1 weights.

Two files make it: an ImageNet backbone in torchvision's layout (`features.0.weight`, ...) and the 1x1 weights `lin` of
the authors' repository (`lin0.model.1.weight`, ...). Neither is downloaded silently; the error says where they are.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ganvas.errors import InputError
from ganvas.features.extractor import hash_state
from ganvas.features.files import load_state

# (channels of each stage's convolutions, kernel, stride, padding); a max pool stands before every stage but the first
ALEX = [[(64, 11, 4, 2)], [(192, 5, 1, 2)], [(384, 3, 1, 1)], [(256, 3, 1, 1)], [(256, 3, 1, 1)]]
VGG = [[(width, 3, 1, 1)] * count for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))]
FILES = {
    "alex": (
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/alex.pth",
    ),
    "vgg": (
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/vgg.pth",
    ),
}


def _backbone(net: str) -> tuple[nn.Sequential, list[int]]:
    """The convolutional part in torchvision's numbering, and behind which layers LPIPS looks."""
    layers: list[nn.Module] = []
    taps, given = [], 3
    for number, stage in enumerate(ALEX if net == "alex" else VGG):
        if number and (net == "vgg" or number < 3):  # AlexNet pools only before its second and third stage
            layers.append(nn.MaxPool2d(3, 2) if net == "alex" else nn.MaxPool2d(2, 2))
        for width, kernel, stride, padding in stage:
            layers += [nn.Conv2d(given, width, kernel, stride, padding), nn.ReLU()]
            given = width
        taps.append(len(layers) - 1)
    return nn.Sequential(*layers), taps


class LPIPS(nn.Module):
    """Distance of image pairs: 0 for equal ones.  Differentiable, so it can also be a loss."""

    shift: Tensor
    scale: Tensor

    def __init__(self, net: str, backbone: dict[str, Tensor], lin: dict[str, Tensor]) -> None:
        super().__init__()
        if net not in FILES:
            raise InputError(f"LPIPS network {net!r}, expected one of {', '.join(FILES)}")
        self.name, self.least = f"LPIPS-{net}", {"alex": 31, "vgg": 16}[net]  # pixels that the pools leave something of
        self.body, self.taps = _backbone(net)
        widths = [layer.out_channels for at in self.taps if isinstance(layer := self.body[at - 1], nn.Conv2d)]
        self.lin = nn.ParameterList([nn.Parameter(torch.zeros(1, width, 1, 1)) for width in widths])
        self._load(net, backbone, lin)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1), persistent=False)
        self.weights_hash = hash_state(self.state_dict())
        self.eval().requires_grad_(False)

    def _load(self, net: str, backbone: dict[str, Tensor], lin: dict[str, Tensor]) -> None:
        wanted = self.body.state_dict()
        convolutions = {key: backbone.get(f"features.{key}", torch.empty(0)) for key in wanted}
        misfit = [key for key in wanted if convolutions[key].shape != wanted[key].shape]
        if misfit:
            raise InputError(f"the LPIPS backbone lacks features.{misfit[0]} of its shape; give {FILES[net][0]}")
        self.body.load_state_dict(convolutions)
        for number, weight in enumerate(self.lin):
            given = lin.get(f"lin{number}.model.1.weight", torch.empty(0))
            if given.shape != weight.shape:
                raise InputError(f"the LPIPS weights lack lin{number}.model.1.weight; give {FILES[net][1]}")
            weight.data.copy_(given)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two batches [N, 3 or 1, H, W], uint8 or float in [-1, 1] -> distances [N]"""
        if min(a.shape[2:]) < self.least:
            raise InputError(f"{self.name} of {list(a.shape[2:])} pixels, it needs {self.least} a side; use SSIM")
        total = torch.zeros(len(a), device=a.device)
        for left, right, weight in zip(self._maps(a), self._maps(b), self.lin):
            total = total + ((left - right).square() * weight).sum(1).mean((1, 2))
        return total

    def _maps(self, x: Tensor) -> list[Tensor]:
        """The maps behind each tap, each position scaled to unit length over channels."""
        x = x.to(torch.float32) / 127.5 - 1 if x.dtype == torch.uint8 else x
        x = (x - self.shift) / self.scale
        maps = []
        for number, layer in enumerate(self.body):
            x = layer(x)
            if number in self.taps:
                maps.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return maps


def lpips(net: str | None = "alex", backbone: Path | None = None, lin: Path | None = None) -> LPIPS:
    """LPIPS from its two files; raises InputError that tells what to download where one is not given.

    net: alex, vgg, or None: whichever the backbone is.
    """
    if net not in (None, *FILES):
        raise InputError(f"LPIPS network {net!r}, expected one of {', '.join(FILES)}")
    if backbone is None or lin is None:
        files = FILES[net or "alex"]
        raise InputError(
            f"LPIPS ({net or 'alex'}) needs two files: download {files[0]} (backbone) and {files[1]} (lin), "
            f"and pass both paths, on the command line as --weights {_name(files[0])} --weights {_name(files[1])}"
        )
    state = load_state(backbone)
    return LPIPS(net or ("vgg" if "features.28.weight" in state else "alex"), state, load_state(lin))


def _name(url: str) -> str:
    return url.rsplit("/", 1)[1]
