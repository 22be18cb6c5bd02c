"""LOGAN's latent step: numbers of the formula in float64, second derivatives included, and the laws of both rules."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from ganvas import losses
from ganvas.ops.latent_step import (
    ascend,
    climb,
    first_coordinates,
    gradient_step,
    masks,
    move,
    movement,
    natural_gradient_step,
    step_rule,
)


def recipe(n: int) -> Tensor:
    """n numbers in [-0.5, 0.5) that any machine can write down again."""
    i = torch.arange(n, dtype=torch.int64)
    modulus = 2**31
    return (((i * i % modulus) * 1103515245 + i * 1664525 + 1013904223) % modulus).double() / modulus - 0.5


def weights() -> dict[str, Tensor]:
    A, B, v = (2 * recipe(12)).view(3, 4), (2 * recipe(15)).view(5, 3), 2 * recipe(5)
    return {name: w.requires_grad_() for name, w in (("A", A), ("B", B), ("v", v))}


Z, X = (2 * recipe(8)).view(2, 4), (2 * recipe(6)).view(2, 3)


def D(u: Tensor, w: dict[str, Tensor]) -> Tensor:
    return F.leaky_relu(u @ w["B"].t(), 0.2) @ w["v"]


def f(z: Tensor, w: dict[str, Tensor]) -> Tensor:
    return D(torch.tanh(z @ w["A"].t()), w)


def losses_of(w: dict[str, Tensor], z: Tensor, cost: Tensor) -> tuple[Tensor, Tensor]:
    return losses.hinge_D(D(X, w), f(z, w)) + cost, losses.hinge_G(f(z, w)) + cost


CASES = {  # rule, weight of the cost; |step|^2, f(z'), L_D, L_G, |dL_D/dB|, |dL_D/dv|, |dL_G/dA|
    "GD": (
        partial(gradient_step, alpha=0.9),
        0.0,
        ([0.0788300220, 0.0897490965], [0.4311141746, -0.5347988110], 1.964622719, 0.051842318),
        (0.938565739, 1.074972466, 0.252243666),
    ),
    "NGD, ImageNet": (
        partial(natural_gradient_step, alpha=0.9, beta=5.0),
        300.0,
        ([0.0030339448, 0.0034359915], [0.3912755319, -0.6433471528], 2.860919677, 1.096526261),
        (3.382354796, 3.942699285, 1.297787129),
    ),
    "NGD, CIFAR": (
        partial(natural_gradient_step, alpha=0.9, beta=0.1),
        0.1,
        ([2.0246267335, 2.0196833924], [0.5217764474, 0.2413221728], 2.600229853, -0.179333804),
        (1.166677800, 0.904740112, 0.559287079),
    ),
    "NGD, half of the elements": (
        partial(natural_gradient_step, alpha=0.9, beta=5.0, mask=first_coordinates(4, 0.5)),
        300.0,
        (None, [0.3801237825, -0.6587956049], 2.161106996, 0.423313782),
        (2.031769559, 2.350767315, 0.739162605),
    ),
}


def near(value: Tensor, expected: list[float] | float, tolerance: float = 2e-9) -> None:
    assert_close(value.detach(), torch.tensor(expected, dtype=torch.float64), rtol=tolerance, atol=tolerance)


def test_the_recipe_and_the_score():
    near(recipe(1001)[[0, 1, 2, 3, 1000]], [-0.027864054, 0.486775380, 0.029143474, -0.400759774, 0.076791215])
    w = weights()
    near(f(Z, w), [0.3755113016, -0.6639055199])
    _, g = ascend(partial(f, w=w), Z, partial(gradient_step, alpha=1.0))
    near(g.square().sum(1), [0.0973210148, 0.1108013536])
    _, masked = ascend(partial(f, w=w), Z, partial(gradient_step, alpha=1.0, mask=first_coordinates(4, 0.5)))
    near(masked.square().sum(1), [0.0311523223, 0.0279743453])


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
    rule, weight, (squares, scores, L_D, L_G), norms = CASES[name]
    w = weights()
    z, step = ascend(partial(f, w=w), Z, rule)
    if squares is not None:
        near(step.square().sum(1), squares)
        near(movement(step), sum(squares) / 2)
    near(f(z, w), scores)
    D_loss, G_loss = losses_of(w, z, weight * movement(step))
    near(D_loss, L_D)
    near(G_loss, L_G)
    near(gradient_norms(w, D_loss, G_loss), norms)


def gradient_norms(w: dict[str, Tensor], D_loss: Tensor, G_loss: Tensor) -> Tensor:
    of_D = torch.autograd.grad(D_loss, [w["B"], w["v"]], retain_graph=True)
    of_G = torch.autograd.grad(G_loss, [w["A"]])
    return torch.stack([gradient.norm() for gradient in (*of_D, *of_G)])


def test_costs():
    for name, expected in [("NGD, ImageNet", 0.970490450), ("NGD, CIFAR", 0.202215506)]:
        rule, weight, _, _ = CASES[name]
        near(weight * movement(ascend(partial(f, w=weights()), Z, rule)[1]), expected)
    rule, weight, _, _ = CASES["NGD, half of the elements"]
    near(weight * movement(ascend(partial(f, w=weights()), Z, rule)[1]), 0.283977870)


def test_the_clip():
    z, _ = ascend(partial(f, w=weights()), Z, CASES["NGD, CIFAR"][0])
    near(z, [[-0.0831057174, 1, -1, -1], [0.6197611430, 0.3227396751, -0.2674955071, 0.1619246308]])


def test_the_second_order_path_is_alive():
    """With the step cut out of the graph, the ablation that collapses, the same losses have other gradients."""
    rule, weight, (_, _, L_D, _), norms = CASES["NGD, CIFAR"]
    w = weights()
    z, step = ascend(partial(f, w=w), Z, rule, create_graph=False)
    assert not z.requires_grad
    D_loss, G_loss = losses_of(w, z, weight * movement(step))
    near(D_loss, L_D)
    cut = gradient_norms(w, D_loss, G_loss)
    near(cut, [1.367447281, 1.646665307, 0.305570365])
    assert ((cut - torch.tensor(norms)).abs() > 0.1).all()


@pytest.mark.parametrize("name", CASES)
def test_gradients_against_finite_differences(name):
    rule, weight, _, _ = CASES[name]

    def both(*tensors: Tensor) -> Tensor:
        w = dict(zip("ABv", tensors))
        z, step = ascend(partial(f, w=w), Z, rule)
        return torch.stack(losses_of(w, z, weight * movement(step)))

    assert torch.autograd.gradcheck(both, tuple(weights().values()))


def test_natural_gradient_is_the_inverse_of_the_damped_fisher_matrix():
    g = torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fisher = g[:, :, None] * g[:, None, :] + 0.3 * torch.eye(7, dtype=torch.float64)
    assert_close(natural_gradient_step(g, 0.9, 0.3), 0.9 * torch.linalg.solve(fisher, g), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("beta", "bound"), [(5.0, 0.201), (0.1, 1.423)])
def test_no_natural_step_is_longer_than_its_bound(beta, bound):
    limit = 0.9 / (2 * beta**0.5)
    assert limit == pytest.approx(bound, abs=5e-4)
    lengths = torch.logspace(-4, 4, 400, dtype=torch.float64)
    g = torch.zeros(400, 3, dtype=torch.float64)
    g[:, 1] = lengths
    steps = natural_gradient_step(g, 0.9, beta).norm(dim=1)
    assert steps.max() <= limit
    longest = natural_gradient_step(torch.tensor([[0.0, beta**0.5]], dtype=torch.float64), 0.9, beta)
    assert longest.norm().item() == pytest.approx(limit)
    assert steps[0] == pytest.approx((0.9 / beta * lengths[0]).item())  # flat: gradient ascent by alpha / beta
    assert steps[-1] == pytest.approx((0.9 / lengths[-1]).item())  # steep: the shorter


def test_limits_of_the_rules():
    g = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = torch.rand(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert_close(move(z, natural_gradient_step(g, 0.0, 5.0)), z, rtol=0, atol=0)
    assert_close(natural_gradient_step(g, 0.2 * 1e9, 1e9), gradient_step(g, 0.2))
    order = torch.tensor([2, 0, 3, 1])
    assert_close(natural_gradient_step(g[order], 0.9, 0.1), natural_gradient_step(g, 0.9, 0.1)[order])


def test_masks_over_elements_and_over_samples():
    g = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    elements = torch.tensor([1.0, 0, 0, 1])
    samples = torch.tensor([[1.0], [0], [1]])
    both = elements * samples
    for rule in (partial(gradient_step, alpha=0.9), partial(natural_gradient_step, alpha=0.9, beta=0.1)):
        assert_close(rule(g, mask=elements)[:, [0, 3]], rule(g[:, [0, 3]]))
        assert not rule(g, mask=elements)[:, [1, 2]].any()
        assert_close(rule(g, mask=samples), rule(g) * samples)
        assert_close(rule(g, mask=both), rule(g * both))


def test_first_coordinates():
    assert first_coordinates(4, 0.5).tolist() == [1, 1, 0, 0]
    assert first_coordinates(128, 0.8).sum() == 102
    assert first_coordinates(100, 0.29).sum() == 29
    assert first_coordinates(5, 1.0).sum() == 5
    assert first_coordinates(5, 0.0).sum() == 0


def test_what_is_cut_has_no_gradient_and_no_box_cuts_nothing():
    z = torch.tensor([[0.5, 0.5]])
    step = torch.tensor([[0.2, 0.7]], requires_grad=True)
    moved = move(z, step)
    assert_close(moved.detach(), torch.tensor([[0.7, 1.0]]))
    assert torch.autograd.grad(moved.sum(), step)[0].tolist() == [[1.0, 0.0]]
    assert_close(move(z, step, None), z + step)
    steep = partial(gradient_step, alpha=10.0)
    z, step = ascend(partial(f, w=weights()), Z, steep, bounds=None)
    assert_close(z, Z + step)
    assert z.abs().max() > 1


def test_several_steps_climb_and_work_where_nothing_is_differentiated():
    w = weights()
    rule = partial(natural_gradient_step, alpha=0.05, beta=0.1)
    z, scores = Z, [f(Z, w).detach()]
    with torch.no_grad():
        for _ in range(10):
            z, _ = ascend(partial(f, w=w), z, rule, create_graph=False)
            scores.append(f(z, w))
    assert (torch.stack(scores).diff(dim=0) >= 0).all()
    assert z.abs().max() <= 1


def test_two_steps_stay_in_one_graph():
    """The second step's gradient reaches the weights through the first as well."""
    rule = partial(natural_gradient_step, alpha=0.3, beta=0.5)

    def after_two(*tensors: Tensor) -> Tensor:
        w = dict(zip("ABv", tensors))
        z, _ = ascend(partial(f, w=w), Z, rule)
        z, _ = ascend(partial(f, w=w), z, rule)
        return f(z, w).sum()

    assert torch.autograd.gradcheck(after_two, tuple(weights().values()))


def test_compiled_equals_eager():
    rule = partial(natural_gradient_step, alpha=0.9, beta=5.0)

    def both(w: dict[str, Tensor]) -> Tensor:
        z, step = ascend(partial(f, w=w), Z, rule)
        return torch.stack(losses_of(w, z, 300 * movement(step)))

    results = []
    for function in (both, torch.compile(both, backend="aot_eager", fullgraph=True)):
        w = weights()
        value = function(w)
        results.append((value.detach(), torch.autograd.grad(value.sum(), list(w.values()))))
    assert_close(results[1], results[0])


def test_climb_is_ascend_again_and_again():
    w, rule = weights(), partial(natural_gradient_step, alpha=0.9, beta=0.1)
    z, total = Z, torch.zeros_like(Z)
    for _ in range(3):
        z, step = ascend(partial(f, w=w), z, rule)
        total = total + step
    found, moved, before = climb(partial(f, w=w), Z, rule, 3)
    assert_close(found, z)
    assert_close(moved, total)
    assert before is not None
    near(before, (0.3755113016 - 0.6639055199) / 2)
    assert not before.requires_grad
    still, moved, before = climb(partial(f, w=w), Z, rule, 0)
    assert torch.equal(still, Z)
    assert not moved.any()
    assert before is None


def test_masks_by_name():
    rng = torch.Generator().manual_seed(0)
    assert torch.equal(masks("element_fixed", 3, 8, 0.5, rng), first_coordinates(8, 0.5).expand(3, 8))
    elements, samples = masks("element_random", 50, 40, 0.8, rng), masks("sample", 500, 40, 0.8, rng)
    assert elements.shape == (50, 40)
    assert samples.shape == (500, 1)
    assert elements.unique().tolist() == samples.unique().tolist() == [0.0, 1.0]
    assert elements.mean().item() == pytest.approx(0.8, abs=0.05)
    assert samples.mean().item() == pytest.approx(0.8, abs=0.06)


def test_rules_by_name():
    g, mask = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), first_coordinates(4, 0.5)
    assert torch.equal(step_rule("natural", 0.9, 0.1, mask)(g), natural_gradient_step(g, 0.9, 0.1, mask))
    assert torch.equal(step_rule("gradient", 0.9, 0.1, mask)(g), gradient_step(g, 0.9, mask))
