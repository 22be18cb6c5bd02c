"""The DCGAN players against transcriptions, and their initialisation.

4x4 family: Arjovsky et al. 2017 and its code; 5x5 family: the CIFAR and MNIST scripts of Gulrajani et al. 2017.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from plain import State, assert_normal, assert_same, assert_uniform, batch_norm
from torch import Tensor, nn

from ganvas.nets import dcgan


def norms_of(state: State) -> set[str]:
    return {key.removesuffix(".running_mean") for key in state if key.endswith(".running_mean")}


def kernels_of(state: State) -> list[str]:
    """The convolutions of a plain sequence, in order."""
    keys = [key for key in state if key.endswith("weight") and state[key].dim() == 4]
    return sorted(keys, key=lambda key: int(key.split(".")[1]))


def G4(state: State, training: bool, z: Tensor, batch_norms: bool, extra: int) -> Tensor:
    """convT 4/1/0, convT 4/2/1 ..., [3x3 ...], each BN, ReLU; convT 4/2/1, tanh; no bias anywhere."""
    first, *ups, last = kernels_of(state)
    ups, extras = ups[: len(ups) - extra], ups[len(ups) - extra :]

    def activated(h: Tensor, kernel: str) -> Tensor:
        index = int(kernel.split(".")[1])
        return batch_norm(state, f"layers.{index + 1}", h, training).relu() if batch_norms else h.relu()

    h = activated(F.conv_transpose2d(z[:, :, None, None], state[first]), first)
    for kernel in ups:
        h = activated(F.conv_transpose2d(h, state[kernel], stride=2, padding=1), kernel)
    for kernel in extras:
        h = activated(F.conv2d(h, state[kernel], padding=1), kernel)
    return torch.tanh(F.conv_transpose2d(h, state[last], stride=2, padding=1))


def D4(state: State, training: bool, x: Tensor, batch_norms: bool, extra: int) -> Tensor:
    """conv 4/2/1, LReLU without BN; [3x3, BN, LReLU ...]; conv 4/2/1, BN, LReLU ...; conv 4/1/0; slopes 0.2."""
    first, *middle, last = kernels_of(state)
    h = F.leaky_relu(F.conv2d(x, state[first], stride=2, padding=1), 0.2)
    for i, kernel in enumerate(middle):
        h = F.conv2d(h, state[kernel], padding=1) if i < extra else F.conv2d(h, state[kernel], stride=2, padding=1)
        if batch_norms:
            h = batch_norm(state, f"layers.{int(kernel.split('.')[1]) + 1}", h, training)
        h = F.leaky_relu(h, 0.2)
    return F.conv2d(h, state[last])[:, 0, 0, 0]


@pytest.mark.parametrize("batch_norms", [False, True])
@pytest.mark.parametrize(("resolution", "extra"), [(8, 0), (16, 0), (16, 2), (32, 1)])
def test_the_4x4_family(resolution: int, extra: int, batch_norms: bool) -> None:
    G = dcgan.G4(resolution, 3, dim_z=5, width=4, extra_layers=extra, batch_norm=batch_norms)
    D = dcgan.D4(resolution, 3, width=4, extra_layers=extra, batch_norm=batch_norms)
    doublings = int(math.log2(resolution)) - 2
    assert len(norms_of(G.state_dict())) == (doublings + extra if batch_norms else 0)
    assert len(norms_of(D.state_dict())) == (doublings - 1 + extra if batch_norms else 0)
    assert_same(G, lambda *args: G4(*args, batch_norms, extra), torch.randn(3, 5, dtype=torch.float64))
    assert_same(
        D, lambda *args: D4(*args, batch_norms, extra), torch.randn(3, 3, resolution, resolution, dtype=torch.float64)
    )


def test_widths_of_the_4x4_family() -> None:
    """64 pixels, width w: G 8w, 4w, 2w, w; D w, 2w, 4w, 8w; the 3x3 layers keep the width where they stand."""
    G, D = dcgan.G4(64, 3, dim_z=5, width=2, extra_layers=1), dcgan.D4(64, 1, width=2, extra_layers=1)
    shapes = [tuple(G.state_dict()[key].shape) for key in kernels_of(G.state_dict())]
    assert shapes == [(5, 16, 4, 4), (16, 8, 4, 4), (8, 4, 4, 4), (4, 2, 4, 4), (2, 2, 3, 3), (2, 3, 4, 4)]
    shapes = [tuple(D.state_dict()[key].shape) for key in kernels_of(D.state_dict())]
    assert shapes == [(2, 1, 4, 4), (2, 2, 3, 3), (4, 2, 4, 4), (8, 4, 4, 4), (16, 8, 4, 4), (1, 16, 4, 4)]


@pytest.mark.parametrize("build", [dcgan.G4, dcgan.D4])
def test_initialisation_of_the_4x4_family(build) -> None:
    """Kernels N(0, 0.02), gains of batch norm N(1, 0.02), offsets 0."""
    network = build(16, 3, width=80, extra_layers=1)
    kernels = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert all(layer.bias is None for layer in kernels)
    for layer in kernels:
        assert_normal(layer.weight, 0.0, 0.02)
    assert_normal(torch.cat([norm.weight for norm in norms]), 1.0, 0.02)
    assert not any(norm.bias.any() for norm in norms)


def same_conv5(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """5x5, stride 2, TensorFlow's SAME: of 2 + 2 lines of zeros an even side has no use for the first."""
    before = [1 if side % 2 == 0 else 2 for side in x.shape[2:]]
    return F.conv2d(F.pad(x, (before[1], 2, before[0], 2)), weight, bias, stride=2)


def same_deconv5(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """5x5, stride 2, SAME, [N, C, H, W] -> [N, C', 2H, 2W]: the padding-1 result less its last row and column."""
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)[:, :, : 2 * x.shape[2], : 2 * x.shape[3]]


def G5(state: State, training: bool, z: Tensor, batch_norms: bool, resolution: int) -> Tensor:
    """linear, BN per feature, ReLU; deconv, BN, ReLU; [crop to 7x7]; deconv, BN, ReLU; deconv; tanh or sigmoid."""

    def activated(h: Tensor, key: str) -> Tensor:
        return batch_norm(state, key, h, training).relu() if batch_norms else h.relu()

    h = activated(F.linear(z, state["linear.weight"], state["linear.bias"]), "norm")
    h = h.view(len(z), -1, 4, 4)
    h = activated(same_deconv5(h, state["ups.0.weight"], state["ups.0.bias"]), "norms.0")
    if resolution == 28:
        h = h[:, :, 0:7, 0:7]
    h = activated(same_deconv5(h, state["ups.1.weight"], state["ups.1.bias"]), "norms.1")
    h = same_deconv5(h, state["ups.2.weight"], state["ups.2.bias"])
    return torch.sigmoid(h) if resolution == 28 else torch.tanh(h)


def D5(state: State, training: bool, x: Tensor, batch_norms: bool) -> Tensor:
    """conv, LReLU; conv, [BN], LReLU; conv, [BN], LReLU; linear on 4x4; slopes 0.2."""
    for i in range(3):
        x = same_conv5(x, state[f"downs.{i}.weight"], state[f"downs.{i}.bias"])
        if batch_norms and i > 0:
            x = batch_norm(state, f"norms.{i}", x, training)
        x = F.leaky_relu(x, 0.2)
    return F.linear(x.flatten(1), state["linear.weight"], state["linear.bias"])[:, 0]


@pytest.mark.parametrize("batch_norms", [False, True])
@pytest.mark.parametrize(("resolution", "channels"), [(32, 3), (28, 1)])
def test_the_5x5_family(resolution: int, channels: int, batch_norms: bool) -> None:
    G = dcgan.G5(resolution, channels, dim_z=5, width=4, batch_norm=batch_norms)
    D = dcgan.D5(resolution, channels, width=4, batch_norm=batch_norms)
    assert norms_of(G.state_dict()) == ({"norm", "norms.0", "norms.1"} if batch_norms else set())
    assert norms_of(D.state_dict()) == ({"norms.1", "norms.2"} if batch_norms else set())
    z, x = (torch.randn(shape, dtype=torch.float64) for shape in ((3, 5), (3, channels, resolution, resolution)))
    assert_same(G, lambda *args: G5(*args, batch_norms, resolution), z)
    assert_same(D, lambda *args: D5(*args, batch_norms), x)


def test_batch_norm_stands_where_the_scripts_have_it() -> None:
    """G has it unless told otherwise, the critic of the penalty none."""
    assert norms_of(dcgan.G5(32, 3, width=4).state_dict())
    assert not norms_of(dcgan.D5(32, 3, width=4).state_dict())
    assert norms_of(dcgan.G4(16, 3, width=4).state_dict())
    assert norms_of(dcgan.D4(16, 3, width=4).state_dict())


def test_initialisation_of_the_5x5_family() -> None:
    """Linear layers Glorot uniform; convolutions sqrt(4 / (fan_in + fan_out)), the stride on the narrow side."""
    w = 16
    G, D = dcgan.G5(32, 3, dim_z=20, width=w), dcgan.D5(32, 3, width=w)
    assert_uniform(G.linear.weight, math.sqrt(6 / (20 + 64 * w)))
    assert_uniform(D.linear.weight, math.sqrt(6 / (64 * w + 1)))
    for conv, (num_in, num_out) in zip(D.downs, [(3, w), (w, 2 * w), (2 * w, 4 * w)]):
        assert_uniform(conv.weight, math.sqrt(3 * 4 / (25 * num_in + 25 * num_out / 4)))
    for conv, (num_in, num_out) in zip(G.ups, [(4 * w, 2 * w), (2 * w, w), (w, 3)]):
        assert_uniform(conv.weight, math.sqrt(3 * 4 / (25 * num_in / 4 + 25 * num_out)))
    assert not any(layer.bias.any() for layer in [G.linear, D.linear, *G.ups, *D.downs])
    for norm in (G.norm, *G.norms):
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert not norm.bias.any()
