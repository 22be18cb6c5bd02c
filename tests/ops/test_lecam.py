"""LeCam's moving means by hand."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from ganvas.ops.lecam import ScoreAverages


def test_means_move_by_one_minus_decay():
    means = ScoreAverages(decay=0.9)
    means.update(torch.tensor([1.0, 3.0]), torch.tensor([[-4.0]]))
    assert_close((means.real, means.fake), (torch.tensor(2.0), torch.tensor(-4.0)))  # the first update sets them
    means.update(torch.tensor([12.0]), torch.tensor([6.0], requires_grad=True))
    assert_close((means.real, means.fake), (torch.tensor(3.0), torch.tensor(-3.0)))
    assert not means.fake.requires_grad


def test_the_state_is_in_the_buffers():
    means = ScoreAverages(decay=0.5)
    means.update(torch.tensor([2.0]), torch.tensor([-2.0]))
    fresh = ScoreAverages(decay=0.5)
    fresh.load_state_dict(means.state_dict())
    fresh.update(torch.tensor([4.0]), torch.tensor([0.0]))
    assert_close((fresh.real, fresh.fake), (torch.tensor(3.0), torch.tensor(-1.0)))
    assert not list(fresh.parameters())
