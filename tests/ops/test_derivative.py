"""The gradient of a score by its input: by formula, and eager against compiled."""

from __future__ import annotations

import torch
from torch import nn
from torch.testing import assert_close

from ganvas.nets import biggan
from ganvas.ops.derivative import input_gradient


def test_linear_score_and_no_grad():
    w = torch.randn(3)
    x = torch.randn(5, 3)
    with torch.no_grad():
        gradient = input_gradient(lambda x: x @ w, x, create_graph=False)
    assert_close(gradient, w.expand(5, 3))
    assert not gradient.requires_grad
    assert not x.requires_grad


def test_differentiable_by_weights_and_by_where_x_came_from():
    w = torch.randn(3, requires_grad=True)
    z = torch.randn(2, 3, requires_grad=True)
    x = 2 * z
    gradient = input_gradient(lambda x: x**2 @ w, x)  # 2 x w
    gradient.sum().backward()
    assert_close(gradient, 2 * x * w)
    assert_close(w.grad, (2 * x).sum(0).detach())
    assert_close(z.grad, (4 * w).expand(2, 3).detach())


def test_compiled_equals_eager():
    """With spectral norm in evaluation mode: a transform refuses to store u, which training mode would have to."""
    D = biggan.Discriminator(8, ch=4, num_classes=3, attention=()).eval()
    x, y = torch.randn(2, 3, 8, 8), torch.tensor([0, 2])

    def penalty(x):
        return input_gradient(lambda x: D(x, y), x).square().sum((1, 2, 3)).mean()

    results = []
    for f in (penalty, torch.compile(penalty, backend="aot_eager", fullgraph=True)):
        D.zero_grad()
        value = f(x)
        value.backward()
        results.append((value.detach(), {k: p.grad for k, p in D.named_parameters() if p.grad is not None}))
    assert_close(results[1], results[0])
    assert len(results[0][1]) > 5


def test_compiled_critic_without_spectral_norm_in_training_mode():
    D = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    x = torch.randn(3, 4)
    compiled = torch.compile(lambda x: input_gradient(D, x), backend="aot_eager", fullgraph=True)
    assert_close(compiled(x), input_gradient(D, x))


def test_the_form_for_the_compiler_is_cut_on_request_as_well(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    w, x = torch.randn(3, requires_grad=True), torch.randn(5, 3)
    kept, cut = (input_gradient(lambda x: x @ w, x, create_graph) for create_graph in (True, False))
    assert_close(kept, w.expand(5, 3))
    assert_close(cut, kept.detach())
    assert kept.requires_grad
    assert not cut.requires_grad
