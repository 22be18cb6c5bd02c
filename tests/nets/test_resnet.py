"""The residual players of WGAN-GP against transcriptions, and their initialisation.

The 32-pixel ResNet of the CIFAR script and the "good" ResNet of the 64-pixel script (Gulrajani et al. 2017).
"""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from plain import State, assert_same, assert_uniform, batch_norm
from torch import Tensor, nn

from ganvas.nets import resnet


def conv(state: State, key: str, x: Tensor, bias: bool = True) -> Tensor:
    """3x3, or 1x1 on a shortcut, same size.  Without `bias` there must be none."""
    weight, padding = state[f"{key}.weight"], 0 if key.endswith("shortcut") else 1
    assert weight.shape[2:] == (2 * padding + 1, 2 * padding + 1)
    assert (f"{key}.bias" in state) == bias
    return F.conv2d(x, weight, state.get(f"{key}.bias"), padding=padding)


def linear(state: State, key: str, x: Tensor) -> Tensor:
    return F.linear(x, state[f"{key}.weight"], state[f"{key}.bias"])


def doubled(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def halved(x: Tensor) -> Tensor:
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def class_norm(state: State, key: str, x: Tensor, training: bool, y: Tensor | None) -> Tensor:
    """Batch norm, or batch norm times the class's scale plus its offset."""
    if y is None:
        return batch_norm(state, key, x, training)
    h = batch_norm(state, f"{key}.norm", x, training)
    return h * state[f"{key}.scale.weight"][y][:, :, None, None] + state[f"{key}.offset.weight"][y][:, :, None, None]


def layer_norm(state: State, key: str, x: Tensor) -> Tensor:
    """Over (C, H, W) of a sample, eps 1e-5; gain and bias per channel."""
    mean, var = x.mean((1, 2, 3), keepdim=True), x.var((1, 2, 3), correction=0, keepdim=True)
    gain, bias = (state[f"{key}.{part}"][:, None, None] for part in ("weight", "bias"))
    return (x - mean) / (var + 1e-5).sqrt() * gain + bias


def up_block(state: State, key: str, x: Tensor, training: bool, y: Tensor | None, bias: bool) -> Tensor:
    """N, ReLU, up, 3x3, N, ReLU, 3x3, plus up, 1x1."""
    h = class_norm(state, f"{key}.norm1", x, training, y).relu()
    h = conv(state, f"{key}.conv1", doubled(h), bias)
    h = class_norm(state, f"{key}.norm2", h, training, y).relu()
    return conv(state, f"{key}.conv2", h) + conv(state, f"{key}.shortcut", doubled(x))


def G32(state: State, training: bool, z: Tensor, y: Tensor | None, blocks: int) -> Tensor:
    """linear to 4x4, up-blocks, BN without classes, ReLU, 3x3, tanh."""
    h = linear(state, "linear", z).view(len(z), -1, 4, 4)
    for i in range(blocks):
        h = up_block(state, f"blocks.{i}", h, training, y, bias=True)
    return torch.tanh(conv(state, "conv", batch_norm(state, "norm", h, training).relu()))


def features32(state: State, x: Tensor, downs: int) -> Tensor:
    """3x3, ReLU, 3x3, pool plus pool, 1x1; then ReLU, 3x3, ReLU, 3x3 twice or more; ReLU, mean over the pixels."""
    h = halved(conv(state, "first.conv2", conv(state, "first.conv1", x).relu()))
    h = h + conv(state, "first.shortcut", halved(x))
    for i in range(downs - 1 + 2):
        key = f"blocks.{i}"
        r = conv(state, f"{key}.conv2", conv(state, f"{key}.conv1", h.relu()).relu())
        if i < downs - 1:
            h = halved(r) + halved(conv(state, f"{key}.shortcut", h))
        else:
            assert f"{key}.shortcut.weight" not in state
            h = r + h
    return h.relu().mean((2, 3))


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(("resolution", "blocks"), [(8, 1), (32, 3)])
def test_the_32_pixel_generator(resolution: int, blocks: int, classes: int) -> None:
    G = resnet.G32(resolution, 3, dim_z=5, width=6, num_classes=classes)
    assert len(G.blocks) == blocks
    z, y = torch.randn(4, 5, dtype=torch.float64), torch.tensor([2, 0, 1, 2]) if classes else None
    assert_same(G, partial(G32, blocks=blocks), z, y)


@pytest.mark.parametrize(("resolution", "downs"), [(8, 1), (16, 1), (32, 2), (64, 3)])
def test_the_32_pixel_critic(resolution: int, downs: int) -> None:
    D = resnet.D32(resolution, 2, width=6, num_classes=3)
    assert len(D.blocks) == downs + 1
    x = torch.randn(3, 2, resolution, resolution, dtype=torch.float64)
    assert_same(D, lambda state, _training, x: linear(state, "linear", features32(state, x, downs))[:, 0], x)
    score, logits = D.score_and_logits(x)
    state = D.state_dict()
    torch.testing.assert_close(score, D(x))
    torch.testing.assert_close(logits, linear(state, "classify", features32(state, x, downs)))


def test_a_critic_without_classes_gives_no_logits() -> None:
    D = resnet.D32(8, 1, width=4)
    assert D.classify is None
    with pytest.raises(AssertionError, match="no classes"):
        D.score_and_logits(torch.zeros(1, 1, 8, 8))


def test_mixtures_of_classes_mix_scale_and_offset() -> None:
    norm = resnet.ClassBatchNorm(4, 3).eval()
    nn.init.normal_(norm.scale.weight), nn.init.normal_(norm.offset.weight)
    x = torch.randn(1, 4, 2, 2)
    half = norm(x, torch.tensor([[0.5, 0.0, 0.5]]))
    torch.testing.assert_close(half, (norm(x, torch.tensor([0])) + norm(x, torch.tensor([2]))) / 2)


def G64(state: State, training: bool, z: Tensor, blocks: int) -> Tensor:
    """linear to 4x4, up-blocks without a bias in conv1, BN, ReLU, 3x3, tanh."""
    h = linear(state, "linear", z).view(len(z), -1, 4, 4)
    for i in range(blocks):
        h = up_block(state, f"blocks.{i}", h, training, None, bias=False)
    return torch.tanh(conv(state, "conv", batch_norm(state, "norm", h, training).relu()))


def D64(state: State, _training: bool, x: Tensor, blocks: int, norm: str) -> Tensor:
    """3x3; per block LN, ReLU, 3x3 without bias, LN, ReLU, 3x3, pool plus pool, 1x1; linear on 4x4, no last ReLU."""
    h = conv(state, "conv", x)
    for i in range(blocks):
        key = f"blocks.{i}"
        r = layer_norm(state, f"{key}.norm1", h) if norm == "layer" else h
        r = conv(state, f"{key}.conv1", r.relu(), bias=False)
        r = layer_norm(state, f"{key}.norm2", r) if norm == "layer" else r
        h = halved(conv(state, f"{key}.conv2", r.relu())) + conv(state, f"{key}.shortcut", halved(h))
    return linear(state, "linear", h.flatten(1))[:, 0]


@pytest.mark.parametrize(("resolution", "blocks"), [(8, 1), (32, 3)])
def test_the_64_pixel_generator(resolution: int, blocks: int) -> None:
    G = resnet.G64(resolution, 3, dim_z=5, width=3)
    assert len(G.blocks) == blocks
    assert_same(G, partial(G64, blocks=blocks), torch.randn(4, 5, dtype=torch.float64))


@pytest.mark.parametrize("norm", ["layer", "none"])
@pytest.mark.parametrize(("resolution", "blocks"), [(8, 1), (32, 3)])
def test_the_64_pixel_critic(resolution: int, blocks: int, norm: str) -> None:
    D = resnet.D64(resolution, 3, width=3, norm=norm)
    assert len(D.blocks) == blocks
    x = torch.randn(3, 3, resolution, resolution, dtype=torch.float64)
    assert_same(D, partial(D64, blocks=blocks, norm=norm), x)


def test_widths_of_the_64_pixel_networks() -> None:
    """G 8w, 8w, 4w, 2w, w from the linear layer on; D w, 2w, 4w, 8w, 8w; going down conv1 keeps the input's width."""
    G, D = resnet.G64(64, 3, width=2), resnet.D64(64, 3, width=2)
    assert G.linear.out_features == 16 * 16
    assert [(b.conv1.in_channels, b.conv1.out_channels, b.conv2.out_channels) for b in G.blocks] == [
        (16, 16, 16), (16, 8, 8), (8, 4, 4), (4, 2, 2),
    ]  # fmt: skip
    assert D.conv.out_channels == 2
    assert [(b.conv1.in_channels, b.conv1.out_channels, b.conv2.out_channels) for b in D.blocks] == [
        (2, 2, 4), (4, 4, 8), (8, 8, 16), (16, 16, 16),
    ]  # fmt: skip
    larger = resnet.G64(128, 3, width=1).blocks  # none wider than 8w
    assert [block.conv2.out_channels for block in larger] == [8, 8, 4, 2, 1]


def test_the_critic_without_a_norm_argument_has_layer_norm() -> None:
    assert any(isinstance(layer, nn.GroupNorm) for layer in resnet.D64(8, 1, width=2).modules())


def test_shortcut_orders() -> None:
    """The 32-pixel file pools after the 1x1, the 64-pixel file before it: the same numbers, so both pool first here."""
    x = torch.randn(2, 4, 8, 8)
    wide, narrow = resnet.Block(4, 6, "down"), resnet.Block(4, 6, "down", narrow=True)
    assert wide.conv1.bias is not None
    assert narrow.conv1.bias is None
    assert (wide.conv1.out_channels, narrow.conv1.out_channels) == (6, 4)
    narrow.shortcut.load_state_dict(wide.shortcut.state_dict())
    torch.testing.assert_close(wide._skip(x), narrow._skip(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(wide._skip(x), F.avg_pool2d(wide.shortcut(x), 2), rtol=1e-5, atol=1e-5)
    sides = []
    for block in (wide, narrow):
        block.shortcut.register_forward_pre_hook(lambda _module, args: sides.append(args[0].shape[-1]))
        block(x)
    assert sides == [4, 4]


@pytest.mark.parametrize("side", [8, 16])
@pytest.mark.parametrize("narrow", [False, True])
def test_resampling_within_the_convolution_is_the_same_block(side: int, narrow: bool) -> None:
    """Against the plain order: up, 3x3 and 3x3, pool; below 8 pixels on the small side it is that order."""
    x = torch.randn(2, 4, side, side)
    up, down = resnet.Block(4, 6, "up", narrow=narrow), resnet.Block(4, 6, "down", narrow=narrow)
    large = F.interpolate(x, scale_factor=2)
    plain = up.conv2(up.conv1(F.interpolate(x.relu(), scale_factor=2)).relu()) + up.shortcut(large)
    torch.testing.assert_close(up(x), plain, rtol=1e-5, atol=1e-5)
    plain = F.avg_pool2d(down.conv2(down.conv1(x.relu()).relu()), 2) + F.avg_pool2d(down.shortcut(x), 2)
    torch.testing.assert_close(down(x), plain, rtol=1e-5, atol=1e-5)
    first = resnet.FirstBlock(4, 6)
    plain = F.avg_pool2d(first.conv2(first.conv1(x).relu()), 2) + first.shortcut(F.avg_pool2d(x, 2))
    torch.testing.assert_close(first(x), plain, rtol=1e-5, atol=1e-5)


def test_a_block_that_keeps_the_size_has_a_shortcut_only_where_the_width_changes() -> None:
    block = resnet.Block(4, 6, "none")
    x = torch.randn(2, 4, 4, 4)
    r = block.conv2(block.conv1(x.relu()).relu())
    torch.testing.assert_close(block(x), r + block.shortcut(x))
    assert resnet.Block(4, 4, "none").shortcut is None


@pytest.mark.parametrize(
    ("build", "glorot"),
    [
        (lambda: resnet.G32(16, 3, width=40, num_classes=2), {"conv"}),
        (lambda: resnet.D32(32, 3, width=128, num_classes=2), set()),
        (lambda: resnet.G64(16, 4, width=32), set()),
        (lambda: resnet.D64(16, 4, width=32), {"conv"}),
    ],
)
def test_initialisation(build, glorot: set[str]) -> None:
    """Convolutions sqrt(4 / (in + out)), except with 2: every 1x1 shortcut, the last convolution of the 32-pixel G
    and the first of the 64-pixel D.  Linear layers Glorot.  Biases 0, gains 1.
    """
    network = build()
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            gain = 2 if name in glorot or name.endswith("shortcut") else 4
            fans = layer.weight[0].numel() + layer.weight[:, 0].numel()
            assert_uniform(layer.weight, math.sqrt(3 * gain / fans))
        elif isinstance(layer, nn.Linear):
            assert_uniform(layer.weight, math.sqrt(3 * 2 / (layer.in_features + layer.out_features)))
    for name, parameter in network.named_parameters():
        if name.endswith("bias") or "offset" in name:
            assert not parameter.any(), name
        elif "norm" in name:  # gains of batch norm and layer norm, tables of scales
            assert torch.equal(parameter, torch.ones_like(parameter)), name
