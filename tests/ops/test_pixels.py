"""uint8 to [-1, 1] and back."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from ganvas.ops.pixels import to_float, to_uint8


def test_the_ends_and_the_middle() -> None:
    x = to_float(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert_close(x, torch.tensor([-1.0, -0.6, 1.0]))


def test_every_level_comes_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(4, 64)
    assert_close(to_uint8(to_float(levels)), levels)


def test_back_rounds_to_the_nearest_level_and_clamps() -> None:
    x = torch.tensor([-1.5, -1.0, (99.6 / 127.5) - 1, (99.4 / 127.5) - 1, 1.0, 3.0], requires_grad=True)
    assert to_uint8(x).tolist() == [0, 0, 100, 99, 255, 255]
