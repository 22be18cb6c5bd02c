"""Losses of classifiers and logistic losses: the numbers that the authors' functions gave, and what must hold."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from ganvas import losses

LOGITS = torch.tensor([[0.5, -1, 2, 0.1], [1.5, 0.2, -0.3, 0.7]], dtype=torch.float64)
Y = torch.tensor([2, 1])
ADC = torch.tensor([[0.3, -0.2, 1.1, 0.4, -0.9, 0], [0.8, 0.5, -0.6, 0.2, 0.1, -0.3]], dtype=torch.float64)
ADC_Y = torch.tensor([1, 0])


def near(value: torch.Tensor, expected: float) -> None:
    assert value.dim() == 0
    assert value.item() == pytest.approx(expected, abs=2e-7)  # theirs were taken in float32


def test_golden_numbers():
    near(losses.class_cross_entropy(LOGITS, Y), 1.1437393)
    near(losses.class_hinge_D(LOGITS, Y), 0.7166667)
    near(losses.class_hinge_G(LOGITS, Y), -0.85)
    near(losses.twin_hinge_D(LOGITS, Y), 0.7875)
    near(losses.twin_hinge_G(LOGITS, Y), 0.3625)


def test_golden_numbers_of_adc():
    # The two terms of D are told apart by logits that make the other one vanish.
    sure = torch.full((2, 6), -1e3, dtype=torch.float64)
    real, fake = sure.clone(), sure.clone()
    real[range(2), 2 * ADC_Y], fake[range(2), 2 * ADC_Y + 1] = 1e3, 1e3
    near(losses.adc_D(ADC, ADC_Y, fake, ADC_Y), 1.1009634)
    near(losses.adc_D(real, ADC_Y, ADC, ADC_Y), 1.6009634)
    near(losses.adc_G(ADC, ADC_Y), -0.5)


def test_golden_numbers_of_the_hinge():
    real, fake, none = torch.tensor([1.3, 0.2]), torch.tensor([0.4, -1.7]), torch.tensor([-2.0])
    near(losses.hinge_D(real.double(), none), 0.4)
    near(losses.hinge_D(-none, fake.double()), 0.7)
    near(losses.hinge_G(fake.double()), 0.65)


def test_generators_adc_term_is_the_mean_logit_difference_and_linear():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0, 3, 1, 1, 2])
    value = losses.adc_G(logits, y)
    assert_close(value, F.cross_entropy(logits, 2 * y) - F.cross_entropy(logits, 2 * y + 1))
    (gradient,) = torch.autograd.grad(value, logits)
    expected = torch.zeros(5, 8, dtype=torch.float64)
    expected[range(5), 2 * y], expected[range(5), 2 * y + 1] = -1 / 5, 1 / 5
    assert_close(gradient, expected)
    assert_close(losses.adc_G(10 * logits, y), 10 * value)


def test_twins_do_not_cancel_and_each_sees_its_own():
    near(losses.tac_D(LOGITS, Y, LOGITS.flip(1), Y), 1.1437393 + F.cross_entropy(LOGITS.flip(1), Y).item())
    near(losses.tac_G(LOGITS, LOGITS.flip(1), Y), 1.1437393 - F.cross_entropy(LOGITS.flip(1), Y).item())
    y = torch.tensor([0, 3])
    assert_close(losses.tac_D(LOGITS, Y, LOGITS, y), F.cross_entropy(LOGITS, Y) + F.cross_entropy(LOGITS, y))


def test_am_has_one_class_of_fakes():
    expected = F.cross_entropy(LOGITS, Y) + F.cross_entropy(LOGITS[:1], torch.tensor([3]))
    assert_close(losses.am_D(LOGITS, Y, LOGITS[:1]), expected)


def test_logistic_losses():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0, 0.0])
    labels = [(real, torch.ones(2)), (fake, torch.zeros(3))]
    expected = sum(F.binary_cross_entropy_with_logits(score, label) for score, label in labels)
    assert_close(losses.logistic_D(real, fake), expected)
    assert_close(losses.logistic_G(fake), F.binary_cross_entropy_with_logits(fake, torch.ones(3)))


def test_the_best_classifier_of_two_signs_scores_the_density_ratio():
    """C(y+ | x) = p(x, y) / (p(x) + q(x)) minimises ADC-GAN's D: at a point with known p and q the gradient is zero."""
    p, q = torch.tensor([0.1, 0.5]), torch.tensor([0.3, 0.1])  # p(x, y), q(x, y) for two classes at one point x
    logits = torch.stack([p, q], 1).flatten().log().requires_grad_()
    weighted = sum(
        p[k] * F.cross_entropy(logits[None], torch.tensor([2 * k]))
        + q[k] * F.cross_entropy(logits[None], torch.tensor([2 * k + 1]))
        for k in range(2)
    )
    assert_close(torch.autograd.grad(weighted, logits)[0], torch.zeros(4), rtol=0, atol=1e-6)
    both = losses.adc_D(logits[None], torch.tensor([1]), logits[None], torch.tensor([0]))
    assert_close(both, -(p[1] * q[0]).log() + 2 * logits.logsumexp(0))
