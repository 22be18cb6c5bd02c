"""The conventions of the WGAN-GP authors' TensorFlow library that PyTorch does not share."""

from __future__ import annotations

import math

import pytest
import torch
from plain import assert_uniform
from torch import nn

from ganvas.nets import tflib


def test_up_convolution_is_the_adjoint_of_same_padding() -> None:
    """TensorFlow's deconvolution is the gradient of its SAME convolution: <conv x, y> = <x, deconv y>."""
    down, up = tflib.DownConv5(3, 2).double(), tflib.UpConv5(2, 3).double()
    with torch.no_grad():
        up.weight.copy_(down.weight)
        x, y = (torch.randn(shape, dtype=torch.float64) for shape in ((1, 3, 8, 8), (1, 2, 4, 4)))
        torch.testing.assert_close((down(x) * y).sum(), (x * up(y)).sum())


def test_same_padding_of_odd_sides() -> None:
    """7 pixels pad (2, 2): the centre of the kernel falls on pixels 0, 2, 4, 6."""
    down = tflib.DownConv5(1, 1)
    with torch.no_grad():
        down.weight.zero_()
        down.weight[0, 0, 2, 2] = 1.0
    x = torch.arange(49.0).view(1, 1, 7, 7)
    torch.testing.assert_close(down(x), x[..., ::2, ::2])


def test_same_padding_of_even_and_odd_sides() -> None:
    """An even side pads (1, 2): the centre falls on 1, 3, 5; each side for itself."""
    down = tflib.DownConv5(1, 1)
    with torch.no_grad():
        down.weight.zero_()
        down.weight[0, 0, 2, 2] = 1.0
    x = torch.arange(42.0).view(1, 1, 6, 7)
    torch.testing.assert_close(down(x), x[..., 1::2, ::2])
    torch.testing.assert_close(down(x.transpose(2, 3)), x.transpose(2, 3)[..., ::2, 1::2])


def test_biases_are_added() -> None:
    for layer in (tflib.DownConv5(1, 2), tflib.UpConv5(1, 2)):
        nn.init.normal_(layer.bias)
        out = layer(torch.zeros(1, 1, 4, 4))
        torch.testing.assert_close(out, layer.bias[None, :, None, None].expand_as(out))


def test_layer_norm_is_per_sample_with_an_affine_per_channel() -> None:
    norm = tflib.layer_norm(3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = 0.01 * torch.randn(2, 3, 4, 4)  # so small that eps matters
    mean, var = x.mean((1, 2, 3), keepdim=True), x.var((1, 2, 3), unbiased=False, keepdim=True)
    expected = (x - mean) / (var + 1e-5).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize(("he", "gain"), [(True, 4.0), (False, 2.0)])
def test_convolution_initialiser_is_uniform_with_the_authors_bound(he: bool, gain: float) -> None:
    conv = nn.Conv2d(8, 16, (3, 5))
    tflib.init_conv(conv, he=he)
    assert_uniform(conv.weight, math.sqrt(3 * gain / (8 * 15 + 16 * 15)))
    assert not conv.bias.any()


def test_convolutions_are_for_a_relu_unless_told() -> None:
    conv = nn.Conv2d(8, 16, 3, bias=False)
    tflib.init_conv(conv)
    assert_uniform(conv.weight, math.sqrt(3 * 4 / (8 * 9 + 16 * 9)))


def test_a_given_deviation_is_uniform_all_the_same() -> None:
    conv = nn.Conv2d(8, 16, 3)
    tflib.init_conv(conv, std=0.02)
    assert_uniform(conv.weight, 0.02 * math.sqrt(3))


def test_linear_initialiser() -> None:
    """Glorot, sqrt(2 / (in + out)), unless told that a ReLU follows: then sqrt(2 / in)."""
    linear = nn.Linear(20, 80)
    tflib.init_linear(linear)
    assert_uniform(linear.weight, math.sqrt(3 * 2 / (20 + 80)))
    assert not linear.bias.any()
    tflib.init_linear(linear, he=True)
    assert_uniform(linear.weight, math.sqrt(3 * 2 / 20))


def test_a_stride_counts_on_the_narrow_side() -> None:
    """5x5 with stride 2 from 8 to 16 channels: fan_in 8 * 25, fan_out 16 * 25 / 4; transposed the other way round."""
    assert_uniform(tflib.DownConv5(8, 16).weight, math.sqrt(3 * 4 / (8 * 25 + 16 * 25 / 4)))
    assert_uniform(tflib.DownConv5(16, 8).weight, math.sqrt(3 * 4 / (16 * 25 + 8 * 25 / 4)))
    assert_uniform(tflib.UpConv5(16, 8).weight, math.sqrt(3 * 4 / (16 * 25 / 4 + 8 * 25)))
    assert_uniform(tflib.UpConv5(8, 16).weight, math.sqrt(3 * 4 / (8 * 25 / 4 + 16 * 25)))
