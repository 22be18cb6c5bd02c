"""Equalised layers and their activation, by formula."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from ganvas.ops.equalised import EqualConv2d, EqualLinear, bias_act, rms_norm
from ganvas.ops.fir import blur


def test_activation_gain_and_clamp():
    x, bias = torch.tensor([[-10.0, 2.0], [0.0, 100.0]]), torch.tensor([0.0, 1.0])
    root = math.sqrt(2)
    assert_close(bias_act(x, bias), root * torch.tensor([[-2.0, 3.0], [0.0, 101.0]]))
    assert_close(bias_act(x, bias, gain=0.5), root / 2 * torch.tensor([[-2.0, 3.0], [0.0, 101.0]]))
    assert bias_act(x, bias, "linear").tolist() == [[-10, 3], [0, 101]]
    assert bias_act(x, bias, "linear", gain=0.5, clamp=4).tolist() == [[-2, 1.5], [0, 2]]
    assert bias_act(x, None, "linear") is x


def test_bias_is_per_channel():
    x = torch.zeros(2, 3, 4, 5)
    assert_close(bias_act(x, torch.tensor([1.0, 2.0, 3.0]), "linear")[1, :, 2, 2], torch.tensor([1.0, 2.0, 3.0]))


def test_rms_norm_is_unit_second_moment_not_length():
    x = rms_norm(torch.randn(3, 50, generator=torch.Generator().manual_seed(0)) * 7)
    assert_close(x.square().mean(1), torch.ones(3))
    assert rms_norm(torch.zeros(1, 4)).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("lr_mul", [1.0, 0.01])
def test_linear(lr_mul):
    torch.manual_seed(0)
    layer = EqualLinear(400, 300, "lrelu", lr_mul)
    assert_close(layer.weight.std() * lr_mul, torch.tensor(1.0), rtol=0.02, atol=0)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(5, 400)
    linear = x @ layer.weight.t() * lr_mul / 20 + layer.bias * lr_mul
    assert_close(layer(x), F.leaky_relu(linear, 0.2) * math.sqrt(2), rtol=1e-4, atol=1e-5)
    assert EqualLinear(2, 3, bias_init=1.0).bias.tolist() == [1, 1, 1]


@pytest.mark.parametrize("size", [1, 3])
def test_convolution(size):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 6, 6)
    layer = EqualConv2d(4, 5, size)
    torch.nn.init.normal_(layer.bias)
    weight = layer.weight / math.sqrt(4 * size * size)
    wanted = F.leaky_relu(F.conv2d(x, weight, layer.bias, padding=size // 2), 0.2) * math.sqrt(2)
    assert_close(layer(x), wanted)
    assert_close(layer(x, gain=0.5), wanted / 2)


def test_convolution_down():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 6, 6)
    one, three = (EqualConv2d(4, 5, size, "linear", bias=False, down=True) for size in (1, 3))
    f = one.resample_filter
    assert_close(one(x), F.conv2d(blur(x, f, 1)[:, :, ::2, ::2], one.weight / 2))
    assert_close(three(x), F.conv2d(blur(x, f, 2), three.weight / 6, stride=2))
    assert set(one.state_dict()) == {"weight", "resample_filter"}


def test_convolution_clamps_after_the_gain():
    layer = EqualConv2d(1, 1, 1, "linear", clamp=2.0)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    assert layer(torch.full((1, 1, 1, 1), 100.0), gain=0.5).item() == 1
