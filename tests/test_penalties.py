"""The gradient penalty where it can be computed by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ganvas.penalties import gradient_penalty


class Linear(nn.Module):
    """D(x) = <w, x>: its gradient is w everywhere."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w).flatten(1).sum(1)


def half_square(x: Tensor) -> Tensor:
    """|x|^2 / 2: its gradient is x, so the penalty tells where it was taken."""
    return x.square().flatten(1).sum(1) / 2


def test_a_linear_critic_costs_its_slope_less_one_squared() -> None:
    """From above and from below: the penalty is two-sided.  The norm is over C, H and W."""
    for scale in (0.1, 3.0):
        w = scale * torch.randn(3, 4, 4)
        real, fake, alpha = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4), torch.rand(5)
        assert_close(gradient_penalty(Linear(w), real, fake, alpha), (w.norm() - 1) ** 2)


def test_it_is_differentiated_through() -> None:
    """d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|."""
    D = Linear(torch.randn(2, 3))
    gradient_penalty(D, torch.randn(4, 2, 3), torch.randn(4, 2, 3), torch.rand(4)).backward()
    w = D.w.detach()
    assert_close(D.w.grad, 2 * (w.norm() - 1) * w / w.norm())


def test_alpha_leads_from_the_real_to_the_fake() -> None:
    """0 is x, 1 is x~, and one number for a sample; neither image is at the origin."""
    real, fake, alpha = torch.randn(3, 2, 2, 2), torch.randn(3, 2, 2, 2) + 2, torch.tensor([0.0, 1.0, 0.25])
    at = torch.stack([real[0], fake[1], 0.75 * real[2] + 0.25 * fake[2]])
    assert_close(gradient_penalty(half_square, real, fake, alpha), (at.flatten(1).norm(dim=1) - 1).square().mean())


def test_points_as_well_as_images() -> None:
    real, fake = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.tensor([[9.0, 9.0], [0.0, 3.0]])
    assert_close(gradient_penalty(half_square, real, fake, torch.tensor([0.0, 0.5])), torch.tensor((2**2 + 1**2) / 2))


def test_a_flat_critic_is_finite_with_the_switch_alone() -> None:
    """The root has no derivative at 0; the penalty there is (sqrt(eps) - 1)^2."""
    x = torch.randn(3, 1, 2, 2)
    for eps, finite in ((0.0, False), (1e-4, True)):
        D = Linear(torch.zeros(1, 2, 2))
        penalty = gradient_penalty(D, x, x, torch.rand(3), eps=eps)
        penalty.backward()
        assert bool(D.w.grad.isfinite().all()) == finite
        assert_close(penalty.detach(), torch.tensor((eps**0.5 - 1) ** 2))


def test_images_are_constants() -> None:
    """The penalty teaches the critic, never whoever made the images."""
    scale = torch.tensor(2.0, requires_grad=True)
    real, fake = (torch.randn(2, 1, 2, 2, requires_grad=True) for _ in range(2))
    gradient_penalty(lambda x: scale * half_square(x), real, fake, torch.rand(2)).backward()
    assert scale.grad is not None
    assert real.grad is None
    assert fake.grad is None


def test_float32_under_autocast() -> None:
    D = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1))
    real, fake, alpha = torch.randn(4, 1, 4, 4), torch.randn(4, 1, 4, 4), torch.rand(4)
    exact = gradient_penalty(D, real, fake, alpha)
    with torch.autocast("cpu", torch.bfloat16):
        inside = gradient_penalty(D, real.bfloat16(), fake.bfloat16(), alpha)
        assert_close(gradient_penalty(D, real, fake, alpha), exact)
    assert inside.dtype == torch.float32
    assert_close(inside, gradient_penalty(D, real.bfloat16().float(), fake.bfloat16().float(), alpha))
