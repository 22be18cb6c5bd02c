"""BigGAN's orthogonal regularisation: the paper's formula, and the profile of the authors' code."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

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


@pytest.mark.parametrize("shape", [(300, 2), (2, 300)])
def test_it_costs_the_smaller_gram_matrix(shape):
    """G's first linear layer has 24576 rows and 20 columns: the larger one would fill the memory."""
    weight = torch.empty(shape, device="meta")
    for function, products in ((lambda: orthogonal_penalty([weight]), 1), (lambda: orthogonal_gradient(weight), 2)):
        with FlopCounterMode(display=False) as counter:
            function()
        assert counter.get_total_flops() == products * 2 * 300 * 2 * 2


def test_the_strength_is_the_papers_unless_told():
    weight = torch.randn(3, 4, dtype=torch.float64)
    assert_close(orthogonal_penalty([weight]), orthogonal_penalty([weight], 1e-4))
    assert_close(orthogonal_gradient(weight), orthogonal_gradient(weight, 1e-4, "paper"))
    parameter = nn.Parameter(weight)
    parameter.grad = torch.zeros_like(weight)
    add_orthogonal_gradient([parameter])
    assert_close(parameter.grad, orthogonal_gradient(weight, 1e-4, "paper"))


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
    never = nn.Parameter(torch.ones(2, 2))  # no gradient, so nothing is added
    add_orthogonal_gradient([layer.weight, never], 0.1, form="code")
    assert never.grad is None
    assert_close(layer.weight.grad, before + orthogonal_gradient(layer.weight, 0.1, "code"))
