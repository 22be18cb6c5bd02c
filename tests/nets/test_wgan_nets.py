"""The networks of WGAN and WGAN-GP: parameter counts to the digit, and the conventions that PyTorch does not share."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ganvas.errors import InputError
from ganvas.nets import dcgan, mlp, resnet, tflib

COUNTS = [
    (lambda: dcgan.G4(64, 3), 3_576_704),
    (lambda: dcgan.D4(64, 3), 2_765_568),
    (lambda: dcgan.G4(64, 3, batch_norm=False), 3_574_784),
    (lambda: dcgan.G4(32, 3), 1_068_928),
    (lambda: dcgan.D4(32, 3), 663_296),
    (lambda: dcgan.G4(128, 3), 12_786_560),
    (lambda: dcgan.D4(128, 3), 11_164_416),
    (lambda: mlp.ImageG(64, 3), 6_880_768),
    (lambda: mlp.ImageD(64, 3), 6_817_793),
    (lambda: resnet.G32(32, 3), 1_204_483),
    (lambda: resnet.D32(32, 3), 1_053_825),
    (lambda: resnet.G32(32, 3, num_classes=10), 1_218_307),
    (lambda: resnet.D32(32, 3, num_classes=10), 1_055_115),
    (lambda: resnet.G64(64, 3), 8_540_483),
    (lambda: resnet.D64(64, 3), 7_491_841),
    (lambda: dcgan.G5(32, 3), 5_179_907),
    (lambda: dcgan.D5(32, 3), 4_114_689),
    (lambda: dcgan.G5(32, 3, width=64), 1_565_955),
    (lambda: dcgan.D5(32, 3, width=64), 1_033_345),
    (lambda: dcgan.G5(28, 1, width=64, batch_norm=False), 1_554_177),
    (lambda: dcgan.D5(28, 1, width=64), 1_030_145),
    (lambda: mlp.ToyG(), 527_874),
    (lambda: mlp.ToyD(), 527_361),
]


@pytest.mark.parametrize(("build", "count"), COUNTS)
def test_parameter_counts(build, count: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in build().parameters()) == count


@pytest.mark.parametrize(
    ("G", "D", "side"),
    [
        (dcgan.G4(16, 3, width=4), dcgan.D4(16, 3, width=4), 16),
        (dcgan.G4(16, 1, width=4, extra_layers=2), dcgan.D4(16, 1, width=4, extra_layers=2), 16),
        (dcgan.G5(28, 1, width=4), dcgan.D5(28, 1, width=4), 28),
        (dcgan.G5(32, 3, width=4), dcgan.D5(32, 3, width=4, batch_norm=True), 32),
        (resnet.G32(8, 1, width=4), resnet.D32(8, 1, width=4), 8),
        (resnet.G32(32, 3, width=4), resnet.D32(32, 3, width=4), 32),
        (resnet.G64(16, 3, width=4), resnet.D64(16, 3, width=4), 16),
        (mlp.ImageG(12, 2, width=4), mlp.ImageD(12, 2, width=4), 12),
    ],
)
def test_shapes(G: nn.Module, D: nn.Module, side: int) -> None:
    x = G(torch.randn(3, 100 if isinstance(G, dcgan.G4 | mlp.ImageG) else 128))
    assert x.shape[2:] == (side, side)
    assert D(x).shape == (3,)


@pytest.mark.parametrize("build", [lambda: dcgan.G4(48, 3), lambda: dcgan.D5(64, 3), lambda: resnet.G64(20, 3)])
def test_a_resolution_that_does_not_fit_is_one_line(build) -> None:
    with pytest.raises(InputError, match="does not fit"):
        build()


def test_up_convolution_is_the_adjoint_of_same_padding() -> None:
    """TensorFlow's deconvolution is the gradient of its SAME convolution: <conv x, y> = <x, deconv y>."""
    down, up = tflib.DownConv5(3, 2), tflib.UpConv5(2, 3)
    with torch.no_grad():
        up.weight.copy_(down.weight)
        x, y = torch.randn(1, 3, 8, 8), torch.randn(1, 2, 4, 4)
        torch.testing.assert_close((down(x) * y).sum(), (x * up(y)).sum(), rtol=1e-4, atol=1e-5)


def test_same_padding_of_odd_sides() -> None:
    """7 pixels pad (2, 2): the centre of the kernel falls on pixels 0, 2, 4, 6."""
    down = tflib.DownConv5(1, 1)
    with torch.no_grad():
        down.weight.zero_()
        down.weight[0, 0, 2, 2] = 1.0
    x = torch.arange(49.0).view(1, 1, 7, 7)
    torch.testing.assert_close(down(x), x[..., ::2, ::2])


def test_layer_norm_is_per_sample_with_an_affine_per_channel() -> None:
    norm = tflib.layer_norm(3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(2, 3, 4, 4)
    mean, var = x.mean((1, 2, 3), keepdim=True), x.var((1, 2, 3), unbiased=False, keepdim=True)
    expected = (x - mean) / (var + 1e-5).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize(("he", "gain"), [(True, 4.0), (False, 2.0)])
def test_convolution_initialiser_is_uniform_with_the_authors_bound(he: bool, gain: float) -> None:
    conv = nn.Conv2d(64, 128, 3)
    tflib.init_conv(conv, he=he)
    bound = math.sqrt(3) * math.sqrt(gain / (64 * 9 + 128 * 9))
    assert conv.weight.abs().max() <= bound
    assert conv.weight.abs().max() > 0.99 * bound
    assert not conv.bias.any()


def test_a_stride_counts_on_the_narrow_side() -> None:
    """5x5 with stride 2 from 8 to 16 channels: fan_in 8 * 25, fan_out 16 * 25 / 4; transposed the other way round."""
    down = tflib.DownConv5(8, 16)
    assert down.weight.abs().max() <= math.sqrt(3 * 4 / (8 * 25 + 16 * 25 / 4))
    up = tflib.UpConv5(16, 8)
    bound = math.sqrt(3 * 4 / (16 * 25 / 4 + 8 * 25))
    assert 0.97 * bound < up.weight.abs().max() <= bound


def test_shortcut_orders() -> None:
    """The 32-pixel file pools after the 1x1, the 64-pixel file before it: the same numbers, not the same work."""
    x = torch.randn(2, 4, 8, 8)
    wide, narrow = resnet.Block(4, 6, "down"), resnet.Block(4, 6, "down", narrow=True)
    assert wide.conv1.bias is not None
    assert narrow.conv1.bias is None
    assert (wide.conv1.out_channels, narrow.conv1.out_channels) == (6, 4)
    narrow.shortcut.load_state_dict(wide.shortcut.state_dict())
    torch.testing.assert_close(wide._skip(x), narrow._skip(x), rtol=1e-5, atol=1e-5)
