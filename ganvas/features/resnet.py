"""ResNet-50 (He et al. 2015, arXiv 1512.03385) as a feature network, by a file of weights.

`swav`: trained without labels (Caron et al. 2020, arXiv 2006.09882), the features of IC-GAN without classes;
`resnet50`: torchvision's first supervised weights, those with classes; `resnet50-lt`: trained on ImageNet-LT alone
(Kang et al. 2020, arXiv 1910.09217).  Module names are torchvision's, so that its state dict loads as it is; the stride
of a block stands in its 3x3 convolution.  A feature is the mean of the last map, before any classifier.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.devices import without_memory
from ganvas.errors import InputError
from ganvas.features.extractor import Extractor, Features, expect_uint8, hash_state
from ganvas.features.files import download, load_nested
from ganvas.features.resize import RESIZES
from ganvas.files import user_cache

SIZE = 224  # pixels per side that the networks were trained on
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in [0, 1]
NAMES = ("swav", "resnet50", "resnet50-lt")
FILES = {  # where the weights are found, what the file is called
    "swav": "https://dl.fbaipublicfiles.com/deepcluster/swav_800ep_pretrain.pth.tar",
    "resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    "resnet50-lt": "resnet50_uniform_e90.pth of github.com/facebookresearch/classifier-balancing",
}
SHA256 = "0676ba61"  # first digits, as torchvision's file name has them; swav's owner names none
DROPPED = ("fc.", "projection_head.", "prototypes.")  # heads: no part of a feature
PREFIXES = ("module.", "_feature_blocks.")


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 to four times the width, added to the input."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(given, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = nn.Sequential()
        if stride > 1 or given != 4 * width:
            self.downsample.append(nn.Conv2d(given, 4 * width, 1, stride, bias=False))
            self.downsample.append(nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):
    """x [N, 3, H, W] -> mean of the last map [N, 2048]"""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        given = 64
        for i, (width, depth) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
            blocks = []
            for j in range(depth):
                blocks.append(Bottleneck(given, width, 2 if i and not j else 1))
                given = 4 * width
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for i in range(4):
            x = getattr(self, f"layer{i + 1}")(x)
        return x.mean((2, 3))


def backbone(state: dict[str, Any], path: Path) -> dict[str, Tensor]:
    """The tensors of `ResNet50` out of any of the three files: containers opened, prefixes stripped, heads dropped.

    Raises InputError where a tensor is missing, too much, or of another shape.
    """
    for container in ("state_dict", "state_dict_best", "feat_model"):
        state = state[container] if isinstance(state.get(container), dict) else state
    found = {}
    for key, value in state.items():
        for prefix in PREFIXES:
            key = key.removeprefix(prefix)
        if isinstance(value, Tensor) and not key.startswith(DROPPED):
            found[key] = value
    with without_memory():
        wanted = ResNet50().state_dict()
    for key in wanted:
        if key.endswith("num_batches_tracked"):  # torch before 0.4.1 wrote none, and nothing here reads them
            found.setdefault(key, torch.zeros((), dtype=torch.int64))
    wrong = sorted(set(wanted) ^ set(found))
    wrong += [key for key in wanted if key in found and wanted[key].shape != found[key].shape]
    if wrong:
        raise InputError(f"weights: {path} is no ResNet-50 of torchvision's layout ({wrong[0]} differs); pass another")
    return found


class ResNet(Extractor):
    """Images resized to 224 by a bicubic filter without antialiasing, as the authors of IC-GAN stored features."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, net: ResNet50) -> None:
        super().__init__()
        self.name, self.weights_hash, self.dim = name, hash_state(net.state_dict()), 2048
        self.resize, self.size = "torch_bicubic", SIZE
        self.net = net.eval().requires_grad_(False)
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(STD).view(1, 3, 1, 1))

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Features:
        x = (expect_uint8(images, 3) - self.mean) / self.std
        return Features(self.net(RESIZES[self.resize].apply(x, self.size)).clone(), None)


def resnet(name: str, weights: Path | None = None, cache: Path | None = None) -> ResNet:
    """The extractor of one of `NAMES`; without a file of weights, `resnet50`'s is downloaded.  Raises InputError."""
    if weights is None and name != "resnet50":
        raise InputError(f"features {name} need their weights: fetch {FILES[name]} and pass the file as --weights")
    path = weights or download(FILES[name], (cache or user_cache()) / Path(FILES[name]).name, SHA256)
    with without_memory():
        net = ResNet50()
    net.load_state_dict(backbone(load_nested(path), path), assign=True)
    return ResNet(name, net)
