"""The adversarial losses at known scores."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from ganvas import losses

REAL, FAKE = torch.tensor([3.0, 0.25, -1.0]), torch.tensor([-2.0, 0.5])


def test_distance_is_what_the_critic_maximises() -> None:
    assert_close(losses.wasserstein_distance(REAL, FAKE), torch.tensor(0.75 - -0.75))


def test_hinge_stops_where_a_score_is_right_by_one() -> None:
    """Reals of 3, 0.25, -1 cost 0, 0.75, 2; fakes of -2, 0.5 cost 0, 1.5: means, then their sum."""
    assert_close(losses.hinge_D(REAL, FAKE), torch.tensor(2.75 / 3 + 1.5 / 2))


def test_hinge_gradient_is_zero_where_a_score_is_right() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    losses.hinge_D(real, fake).backward()
    assert_close(real.grad, torch.tensor([0.0, -1 / 3, -1 / 3]))
    assert_close(fake.grad, torch.tensor([0.0, 1 / 2]))


def test_the_generator_wants_high_scores() -> None:
    fake = FAKE.clone().requires_grad_()
    loss = losses.hinge_G(fake)
    loss.backward()
    assert_close(loss.detach(), torch.tensor(0.75))
    assert_close(fake.grad, torch.tensor([-1 / 2, -1 / 2]))


def test_lecam_by_formula():
    real, fake = torch.tensor([1.0, -3.0], requires_grad=True), torch.tensor([0.0, 5.0, -1.0], requires_grad=True)
    mean_real, mean_fake = torch.tensor(2.0, requires_grad=True), torch.tensor(-1.0, requires_grad=True)
    # Real above a_F = -1: 2; fakes below a_R = 2: 2 and 3.
    loss = losses.lecam(real, fake, mean_real, mean_fake)
    assert_close(loss, torch.tensor(2.0**2 / 2 + (2.0**2 + 3.0**2) / 3))
    loss.backward()
    assert_close(real.grad, torch.tensor([2.0, 0.0]))
    assert_close(fake.grad, torch.tensor([-4.0, 0.0, -6.0]) / 3)
    assert mean_real.grad is None
    assert mean_fake.grad is None


def test_consistency_by_formula():
    a, b = torch.tensor([[1.0], [2.0]], requires_grad=True), torch.tensor([[0.0], [5.0]], requires_grad=True)
    loss = losses.consistency(a, b)
    assert_close(loss, torch.tensor(5.0))
    loss.backward()
    assert_close(a.grad, torch.tensor([[1.0], [-3.0]]))
    assert_close(b.grad, torch.tensor([[-1.0], [3.0]]))  # both sides learn


def test_least_squares() -> None:
    real, fake = torch.tensor([[1.0, 3.0]]), torch.tensor([0.0, 2.0, -1.0])
    assert_close(losses.lsgan_D(real, fake).item(), 0.5 * ((0 + 4) / 2 + (0 + 4 + 1) / 3))
    assert_close(losses.lsgan_G(fake).item(), (1 + 1 + 4) / 3)


def test_l1_is_a_mean() -> None:
    a, b = torch.tensor([[0.0, 1.0], [-1.0, 0.5]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert_close(losses.l1(a, b).item(), 3.5 / 4)
