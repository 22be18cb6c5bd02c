"""BigGAN's orthogonal regularisation: the paper's formula, and the profile of the authors' code."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganvas.nets import biggan
from ganvas.ops.orthogonal import add_orthogonal_gradient, orthogonal_gradient, orthogonal_penalty, regularised

SHAPES = [(4, 3, 3, 3), (12, 5), (5, 12), (7, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_penalty_by_the_formula(shape):
    weight = torch.randn(shape, dtype=torch.float64)
    flat = weight.flatten(1)
    gram = flat @ flat.t()
    expected = (gram * (1 - torch.eye(len(flat), dtype=torch.float64))).square().sum()
    assert_close(orthogonal_penalty([weight], beta=0.3), 0.3 * expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_is_the_penaltys_and_the_code_takes_half(shape):
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(orthogonal_penalty([weight], beta=0.3), weight)
    assert_close(orthogonal_gradient(weight, 0.3, "paper"), gradient)
    assert_close(orthogonal_gradient(weight, 0.3, "code"), gradient / 2)


def test_orthogonal_filters_of_any_length_cost_nothing():
    weight = torch.diag(torch.tensor([1.0, 5.0, 0.2]))
    assert_close(orthogonal_penalty([weight]), torch.tensor(0.0))
    assert_close(orthogonal_gradient(weight), torch.zeros(3, 3))


def test_what_it_applies_to():
    G = biggan.Generator(8, ch=2, dim_z=4, num_classes=3, attention=(8,), shared_dim=2)
    chosen = {id(p) for p in regularised(G)}
    names = {name for name, p in G.named_parameters() if id(p) in chosen}
    assert "shared.weight" not in names
    assert {"linear.weight", "blocks.0.0.bn1.gain.weight", "blocks.0.1.theta.weight", "output_layer.2.weight"} <= names
    assert not any(name.endswith("bias") and "bn" not in name for name in names)
    assert not names & {"blocks.0.1.gamma", "output_layer.0.gain"}


def test_it_is_added_to_the_gradient():
    layer = nn.Linear(3, 4)
    layer(torch.ones(1, 3)).sum().backward()
    before = layer.weight.grad.clone()
    add_orthogonal_gradient([layer.weight], 0.1, form="code")
    assert_close(layer.weight.grad, before + orthogonal_gradient(layer.weight, 0.1, "code"))
