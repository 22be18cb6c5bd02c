"""The fully connected players against transcriptions, and their initialisation."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from plain import State, assert_same, assert_uniform
from torch import Tensor, nn

from ganvas.nets import mlp


def layers(state: State, h: Tensor) -> Tensor:
    """linear, ReLU, three times, and a linear layer with nothing after it."""
    for i in (0, 2, 4):
        h = F.linear(h, state[f"layers.{i}.weight"], state[f"layers.{i}.bias"]).relu()
    return F.linear(h, state["layers.6.weight"], state["layers.6.bias"])


@pytest.mark.parametrize(
    ("network", "shape", "out"),
    [
        (lambda: mlp.ToyG(3, 8, 2), (5, 3), (5, 2)),
        (lambda: mlp.ToyD(2, 8), (5, 2), (5,)),
        (lambda: mlp.ImageG(4, 2, dim_z=3, width=8), (5, 3), (5, 2, 4, 4)),
        (lambda: mlp.ImageD(4, 2, width=8), (5, 2, 4, 4), (5,)),
    ],
)
def test_forward(network, shape: tuple[int, ...], out: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    assert_same(network(), lambda state, _training, x: layers(state, x.flatten(1)).view(out), x)


@pytest.mark.parametrize(("network", "last"), [(mlp.ToyG, 2), (mlp.ToyD, 1)])
def test_toy_networks_are_he_uniform_before_a_relu_and_glorot_uniform_at_the_end(network, last: int) -> None:
    first, *hidden, final = (layer for layer in network().layers if isinstance(layer, nn.Linear))
    assert_uniform(first.weight, math.sqrt(3 * 2 / 2))
    for layer in hidden:
        assert_uniform(layer.weight, math.sqrt(3 * 2 / 512))
    assert_uniform(final.weight, math.sqrt(3 * 2 / (512 + last)))
    assert not any(layer.bias.any() for layer in [first, *hidden, final])


@pytest.mark.parametrize("network", [lambda: mlp.ImageG(16, 3), lambda: mlp.ImageD(16, 3)])
def test_image_networks_keep_the_default_of_torch(network) -> None:
    """U(+-1 / sqrt(in)), biases too: DCGAN's initialiser knows no linear layers."""
    *hidden, _ = (layer for layer in network().layers if isinstance(layer, nn.Linear))
    for layer in hidden:
        assert_uniform(layer.weight, 1 / math.sqrt(layer.in_features))
        assert_uniform(layer.bias, 1 / math.sqrt(layer.in_features))


def test_sizes() -> None:
    """Four linear layers: the hidden three as wide as told."""
    assert [tuple(p.shape) for p in mlp.ImageG(4, 2, dim_z=3, width=5).parameters() if p.dim() == 2] == [
        (5, 3), (5, 5), (5, 5), (32, 5),
    ]  # fmt: skip
    assert [tuple(p.shape) for p in mlp.ToyD(3, 5).parameters() if p.dim() == 2] == [(5, 3), (5, 5), (5, 5), (1, 5)]
