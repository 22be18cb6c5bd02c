"""The network of the Fréchet Inception Distance: Inception of 2015-12-05, in the PyTorch port of its weights.

Szegedy et al. 2015 (arXiv 1512.00567) as released for TensorFlow, which is not torchvision's Inception v3: average
pools leave out the padding, the last block pools by maximum, `fc` has 1008 rows. Module names are those of the file
`pt_inception-2015-12-05-6726825d.pth` (pytorch-fid, torch-fidelity), so its state dict loads as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.devices import without_memory
from ganvas.errors import InputError
from ganvas.features.extractor import Extractor, Features, expect_uint8, hash_state
from ganvas.features.files import Progress, download, hash_file, load_state
from ganvas.features.resize import RESIZES
from ganvas.files import user_cache

FILE = "pt_inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"  # 95,628,359 bytes
SIZE = 299  # pixels per side that the network was trained on
PIECE = 2  # images that pass the wide first layers together on a CPU: their maps, 6 MB each, then stay in its cache
DIMS = (64, 192, 768, 2048)  # the feature maps that may be averaged over the plane


def halved(x: Tensor) -> Tensor:
    """`max_pool2d(x, 3, stride=2)`.  [N, C, H, W] -> [N, C, (H - 1) // 2, (W - 1) // 2]

    On a CPU by maxima of whole rows, then of columns: two thirds of the time, for no positions are kept.
    """
    if x.device.type != "cpu":
        return F.max_pool2d(x, 3, stride=2)
    rows, columns = ((side - 1) // 2 * 2 for side in x.shape[2:])
    x = torch.maximum(torch.maximum(x[:, :, 0:rows:2], x[:, :, 1:rows:2]), x[:, :, 2 : rows + 1 : 2])
    return torch.maximum(torch.maximum(x[..., 0:columns:2], x[..., 1:columns:2]), x[..., 2 : columns + 1 : 2])


class ConvNorm(nn.Module):
    """Convolution, batch norm (eps 0.001), ReLU; `fold` turns the first two into one convolution, for inference."""

    def __init__(
        self, given: int, out: int, kernel: int | tuple[int, int], stride: int = 1, padding: int | tuple[int, int] = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, out, kernel, stride=stride, padding=padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.bn(self.conv(x)))

    def of_mean_pool(self, x: Tensor) -> Tensor:
        """`self(mean_pool(x))` for a 1x1 convolution: both are linear, and the fewer channels behind it pool faster."""
        pooled = F.avg_pool2d(self.bn(self.conv(x)), 3, stride=1, padding=1, count_include_pad=False)
        return F.relu_(pooled)

    def halved(self, x: Tensor) -> Tensor:
        """`max_pool2d(self(x), 3, stride=2)`: ReLU keeps the order, and behind the pool a quarter is left for it."""
        return F.relu_(halved(self.bn(self.conv(x))))

    def fold(self) -> None:
        """conv' = conv * g / sqrt(v + eps), bias = b - m g / sqrt(v + eps), in float64; exact up to rounding."""
        assert isinstance(self.bn, nn.BatchNorm2d), "folded twice"
        mean, var = self.bn.running_mean, self.bn.running_var
        assert mean is not None
        assert var is not None
        scale = self.bn.weight.double() / (var.double() + self.bn.eps).sqrt()
        weight = self.conv.weight.double() * scale[:, None, None, None]
        bias = self.bn.bias.double() - mean.double() * scale
        self.conv.weight = nn.Parameter(weight.to(torch.float32), requires_grad=False)
        self.conv.bias = nn.Parameter(bias.to(torch.float32), requires_grad=False)
        self.bn = nn.Identity()


class BlockA(nn.Module):
    """35 x 35: 1x1, 5x5, double 3x3 and pooled branches."""

    def __init__(self, given: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(given, 64, 1)
        self.branch5x5_1 = ConvNorm(given, 48, 1)
        self.branch5x5_2 = ConvNorm(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = ConvNorm(given, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, padding=1)
        self.branch_pool = ConvNorm(given, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool.of_mean_pool(x)], 1)


class BlockB(nn.Module):
    """35 x 35 -> 17 x 17."""

    def __init__(self, given: int) -> None:
        super().__init__()
        self.branch3x3 = ConvNorm(given, 384, 3, stride=2)
        self.branch3x3dbl_1 = ConvNorm(given, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, halved(x)], 1)


class BlockC(nn.Module):
    """17 x 17: 7x7 convolutions as 1x7 and 7x1, `width` channels inside."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        flat, tall = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))  # kernel, stride, padding
        self.branch1x1 = ConvNorm(given, 192, 1)
        self.branch7x7_1 = ConvNorm(given, width, 1)
        self.branch7x7_2 = ConvNorm(width, width, *flat)
        self.branch7x7_3 = ConvNorm(width, 192, *tall)
        self.branch7x7dbl_1 = ConvNorm(given, width, 1)
        self.branch7x7dbl_2 = ConvNorm(width, width, *tall)
        self.branch7x7dbl_3 = ConvNorm(width, width, *flat)
        self.branch7x7dbl_4 = ConvNorm(width, width, *tall)
        self.branch7x7dbl_5 = ConvNorm(width, 192, *flat)
        self.branch_pool = ConvNorm(given, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool.of_mean_pool(x)], 1)


class BlockD(nn.Module):
    """17 x 17 -> 8 x 8."""

    def __init__(self, given: int) -> None:
        super().__init__()
        self.branch3x3_1 = ConvNorm(given, 192, 1)
        self.branch3x3_2 = ConvNorm(192, 320, 3, stride=2)
        self.branch7x7x3_1 = ConvNorm(given, 192, 1)
        self.branch7x7x3_2 = ConvNorm(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = ConvNorm(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = ConvNorm(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_2(self.branch7x7x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(seven))
        return torch.cat([three, seven, halved(x)], 1)


class BlockE(nn.Module):
    """8 x 8. The second of the two pools by maximum: a slip of the released graph that every FID carries."""

    def __init__(self, given: int, pool_by_max: bool) -> None:
        super().__init__()
        self.pool_by_max = pool_by_max
        self.branch1x1 = ConvNorm(given, 320, 1)
        self.branch3x3_1 = ConvNorm(given, 384, 1)
        self.branch3x3_2a = ConvNorm(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = ConvNorm(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = ConvNorm(given, 448, 1)
        self.branch3x3dbl_2 = ConvNorm(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = ConvNorm(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = ConvNorm(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = ConvNorm(given, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        by_max = self.pool_by_max
        pooled = self.branch_pool(F.max_pool2d(x, 3, 1, 1)) if by_max else self.branch_pool.of_mean_pool(x)
        branches = [self.branch1x1(x), self.branch3x3_2a(single), self.branch3x3_2b(single)]
        branches += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), pooled]
        return torch.cat(branches, 1)


class InceptionNet(nn.Module):
    """float32 [N, 3, 299, 299] in 0..255 -> features of one of `DIMS`, and `logits_unbiased` where they are 2048."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = BlockA(192, 32), BlockA(256, 64), BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b, self.Mixed_6c = BlockC(768, 128), BlockC(768, 160)
        self.Mixed_6d, self.Mixed_6e = BlockC(768, 160), BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b, self.Mixed_7c = BlockE(1280, pool_by_max=False), BlockE(2048, pool_by_max=True)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Tensor, dim: int = 2048, resize: Callable[[Tensor], Tensor] | None = None) -> Features:
        """resize: from images [N, 3, H, W] of any size and type to the network's input, a few at a time"""
        piece = PIECE if x.device.type == "cpu" else len(x)
        x = torch.cat([self._stem(part if resize is None else resize(part), dim) for part in x.split(piece)])
        if dim <= 192:
            return Features(x.mean((2, 3)), None)
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        if dim == 768:
            return Features(x.mean((2, 3)), None)
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean((2, 3))
        return Features(x, x @ self.fc.weight.T)  # without the bias, as the Inception Score of the field takes them

    def _stem(self, x: Tensor, dim: int) -> Tensor:
        """[N, 3, 299, 299] -> [N, 192, 35, 35]; for 64 features, the [N, 64, 73, 73] on the way"""
        x = (x - 128).div_(128)  # the graph's own scaling: 255 becomes 0.992, not 1
        x = self.Conv2d_2b_3x3.halved(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        return x if dim == 64 else self.Conv2d_4a_3x3.halved(self.Conv2d_3b_1x1(x))

    def fold(self) -> None:
        """One convolution for each convolution and its batch norm, weights channels-last: twice as fast on a CPU."""
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold()
        for weight in self.parameters():
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)


class Inception(Extractor):
    """The FID network as an `Extractor`; `official` tells whether the weights are the ones that FID is defined by."""

    def __init__(
        self, state: dict[str, Tensor], weights_hash: str, dim: int = 2048, resize: str = "tf1_bilinear"
    ) -> None:
        super().__init__()
        if dim not in DIMS:
            raise InputError(f"inception features of {dim} numbers asked for, expected one of {DIMS}")
        self.official = weights_hash == SHA256
        self.name = "inception" if dim == 2048 else f"inception{dim}"
        if not self.official:
            self.name += f"-{weights_hash[:8]}"
        self.weights_hash, self.dim, self.resize, self.size = weights_hash, dim, resize, SIZE
        with without_memory():  # the weights are not drawn only to be overwritten
            self.net = InceptionNet()
        load_exactly(self.net, state, FILE)
        self.net.eval().requires_grad_(False)
        self.net.fold()

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Features:
        found = self.net(expect_uint8(images, 3), self.dim, self.resized)
        return Features(found.features.clone(), found.logits)

    def resized(self, images: Tensor) -> Tensor:
        """uint8 [N, 3, H, W] -> float32 [N, 3, 299, 299] in 0..255, channels last in memory"""
        return RESIZES[self.resize].apply(images, self.size).contiguous(memory_format=torch.channels_last)


def load_exactly(net: nn.Module, state: dict[str, Tensor], what: str) -> None:
    """Loads `state`; raises InputError that names the first keys or shapes that do not fit the layout of `what`."""
    own = net.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in own]
    misfit = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or unknown or misfit:
        raise InputError(
            f"the weights do not have the layout of {what}: "
            f"missing {missing[:3]}, unknown {unknown[:3]}, of another shape {misfit[:3]}; give that file"
        )
    steps = {key: torch.tensor(0) for key in own if key.endswith("num_batches_tracked")}
    net.load_state_dict(steps | state, assign=True)


def inception(
    weights: Path | None = None,
    cache: Path | None = None,
    dim: int = 2048,
    resize: str = "tf1_bilinear",
    progress: Progress | None = None,
) -> Inception:
    """The FID network from a file, or from a download that is kept in `cache` and checked by its SHA-256."""
    path = weights or download(URL, (cache or user_cache()) / FILE, SHA256, progress)
    state = load_state(path)
    found = hash_file(path)
    # Another container of tensors is told apart by the tensors themselves, so that a renamed copy has the same name.
    return Inception(state, found if found == SHA256 else hash_state(state), dim, resize)
