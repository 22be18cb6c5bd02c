"""Spectral norm: when u moves, what sigma is, what its derivative is."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from ganvas.ops.spectral import SNConv2d, SNEmbedding, SNLinear, largest_singular_value, weight_of

LAYERS = {
    "conv": (lambda: SNConv2d(5, 7, 3, padding=1), lambda: torch.randn(2, 5, 6, 6)),
    "linear": (lambda: SNLinear(5, 7), lambda: torch.randn(3, 5)),
    "embedding": (lambda: SNEmbedding(7, 4), lambda: torch.tensor([0, 6, 2])),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_keys_and_shapes_are_those_of_the_checkpoints(kind):
    make, _ = LAYERS[kind]
    state = make().state_dict()
    bias = [] if kind == "embedding" else ["bias"]
    assert sorted(state) == sorted(["weight", "u0", "sv0", *bias])
    assert state["u0"].shape == (1, 7)
    assert state["sv0"].shape == (1,)


@pytest.mark.parametrize("kind", LAYERS)
def test_training_stores_u_and_evaluation_does_not(kind):
    layer, x = (make() for make in LAYERS[kind])
    before = copy.deepcopy(layer.state_dict())
    evaluated = layer.eval()(x)
    assert_close(layer.state_dict(), before, rtol=0, atol=0)
    trained = layer.train()(x)
    assert not torch.equal(layer.u0, before["u0"])
    # Evaluation iterates once from the stored u as well, so the first training forward gives the same numbers.
    assert_close(trained, evaluated)
    assert_close(layer.eval()(x), layer.train()(x))


@pytest.mark.parametrize("kind", LAYERS)
def test_forward_uses_the_divided_weight(kind):
    layer, x = (make() for make in LAYERS[kind])
    nn.init.normal_(layer.weight, 0.0, 3.0)
    weight = weight_of(layer.eval())
    sigma, _ = largest_singular_value(layer.weight.flatten(1), layer.u0, layer.sn_eps)
    assert_close(weight, layer.weight / sigma)
    functions = {
        "conv": lambda: F.conv2d(x, weight, layer.bias, padding=1),
        "linear": lambda: F.linear(x, weight, layer.bias),
        "embedding": lambda: weight[x],
    }
    assert_close(layer(x), functions[kind]())


def test_u_starts_normal_and_of_no_particular_length():
    u = SNLinear(2, 4000).u0
    assert abs(u.mean()) < 0.08
    assert abs(u.std() - 1) < 0.06
    assert u.abs().max() > 3


def test_sigma_tends_to_the_largest_singular_value():
    layer = SNConv2d(5, 7, 3)
    for _ in range(200):
        weight_of(layer)
    assert_close(torch.linalg.matrix_norm(weight_of(layer).flatten(1), ord=2), torch.tensor(1.0))
    assert_close(layer.sv0[0], torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2))


def test_gradient_flows_through_w_in_sigma_and_not_through_u_and_v():
    layer = SNLinear(5, 7).double()
    u = layer.u0.clone()
    target = torch.randn(7, 5, dtype=torch.float64)
    (weight_of(layer) * target).sum().backward()

    weight = layer.weight.detach().clone().requires_grad_()
    v = F.normalize(u @ weight.detach())
    u = F.normalize(v @ weight.detach().t())
    (weight / (v @ weight.t() @ u.t()) * target).sum().backward()
    assert_close(layer.weight.grad, weight.grad)


def test_eps_keeps_a_weight_of_zeros_finite_where_it_is_divided():
    sigma, u = largest_singular_value(torch.zeros(3, 4), torch.ones(1, 3), eps=1e-4)
    assert_close(sigma, torch.tensor(0.0))
    assert_close(u, torch.zeros(1, 3))
    # max(norm, eps), as in BigGAN-PyTorch, not norm + eps: above eps it changes nothing.
    matrix = torch.randn(3, 4)
    big, _ = largest_singular_value(matrix, torch.ones(1, 3), eps=1e-4)
    none, _ = largest_singular_value(matrix, torch.ones(1, 3), eps=0.0)
    assert_close(big, none, rtol=0, atol=0)


@pytest.mark.parametrize("kind", LAYERS)
def test_eps_is_next_to_nothing_unless_told(kind):
    assert LAYERS[kind][0]().sn_eps == 1e-12


def test_eps_is_the_least_length_that_either_step_divides_by():
    """Below it, v = u W / eps and u' = v W^T / eps, each for itself."""
    matrix, u = 0.01 * torch.randn(3, 4), torch.randn(1, 3)
    sigma, after = largest_singular_value(matrix, u, eps=0.5)
    v = u @ matrix / 0.5
    assert (u @ matrix).norm() < 0.5
    assert_close(after, v @ matrix.t() / 0.5)
    assert_close(sigma, (v @ matrix.t() @ after.t()).squeeze())
    # An eps between the two lengths: v is a unit vector, u' is not.
    matrix, u = 0.1 * torch.eye(3), torch.tensor([[10.0, 0.0, 0.0]])
    sigma, after = largest_singular_value(matrix, u, eps=0.5)
    assert_close(after, torch.tensor([[0.2, 0.0, 0.0]]))
    assert_close(sigma, torch.tensor(0.02))


def test_two_forwards_before_one_backward():
    layer = SNConv2d(3, 4, 3, padding=1)
    x = torch.randn(2, 3, 4, 4)
    (layer(x).square().sum() + layer(2 * x).square().sum()).backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.isfinite().all()


def test_twice_differentiable():
    layer = SNLinear(3, 2).double().eval()

    def f(x):
        return layer(x).tanh()

    assert torch.autograd.gradgradcheck(f, torch.randn(2, 3, dtype=torch.float64, requires_grad=True))


def test_sigma_stays_float32_under_autocast():
    layer = SNConv2d(8, 16, 3, padding=1).eval()
    exact = weight_of(layer)
    with torch.autocast("cpu", torch.bfloat16):
        weight = weight_of(layer)
        assert weight.dtype == torch.float32
        assert layer(torch.randn(1, 8, 4, 4)).dtype == torch.bfloat16
    assert_close(weight, exact, rtol=0, atol=0)


def test_forward_leaves_the_random_state_alone():
    layer = SNLinear(3, 2)
    state = torch.get_rng_state()
    layer(torch.ones(1, 3))
    assert torch.equal(torch.get_rng_state(), state)
