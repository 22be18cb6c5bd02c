"""ADA's feedback by hand."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from ganvas.ops.ada import AdaptiveProbability


def scores(*values):
    return torch.tensor(values, dtype=torch.float32)


def test_p_moves_by_images_over_speed():
    ada = AdaptiveProbability(target=0.6, speed=500_000)
    assert ada.p == 0
    ada.observe(scores(3.0, 0.1, 0.2, 9.0, -1.0))  # r = 3/5
    ada.observe(scores([1.0], [2.0], [1.0], [4.0], [5.0]))  # and 5/5: 8/10 together
    assert_close(ada.update(256), torch.tensor(0.8))
    assert_close(ada.p, torch.tensor(256 / 500_000))
    ada.observe(scores(1.0, 1.0, -1.0, -1.0))  # r = 0: a fresh window
    assert_close(ada.update(100), torch.tensor(0.0))
    assert_close(ada.p, torch.tensor(156 / 500_000))
    ada.observe(scores(-1.0))
    ada.update(256)
    assert ada.p == 0  # the floor


def test_p_crosses_from_0_to_1_in_speed_images_and_has_no_ceiling():
    ada = AdaptiveProbability(speed=1000)
    for _ in range(12):
        ada.observe(torch.ones(100))
        ada.update(100)
    assert_close(ada.p, torch.tensor(1.2))


def test_without_a_score_p_stays():
    ada = AdaptiveProbability(start=0.5)
    assert ada.update(1000).isnan()
    assert ada.p == 0.5


def test_target_and_zero_scores():
    ada = AdaptiveProbability(target=0.2, speed=100)
    ada.observe(scores(0.0, 0.0, 1.0, 1.0))  # r = 1/2: the sign of 0 is 0
    assert_close(ada.update(10), torch.tensor(0.5))
    assert_close(ada.p, torch.tensor(0.1))


@pytest.mark.parametrize("between", [False, True])
def test_the_state_is_in_the_buffers(between):
    """Saved and loaded in the middle of a window, it goes on as if never stopped."""
    ada = AdaptiveProbability(speed=100)
    ada.observe(torch.ones(10))
    ada.update(10)
    ada.observe(torch.ones(3))
    if between:
        fresh = AdaptiveProbability(speed=100)
        fresh.load_state_dict(ada.state_dict())
        ada = fresh
    ada.observe(-torch.ones(1))
    assert_close(ada.update(10), torch.tensor(0.5))
    assert_close(ada.p, torch.tensor(0.0))
    assert not list(ada.parameters())


def test_observing_holds_no_graph():
    ada = AdaptiveProbability()
    ada.observe(torch.ones(4, requires_grad=True) * 2)
    assert not ada.signs.requires_grad
    assert not ada.update(4).requires_grad
