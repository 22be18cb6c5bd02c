"""Rows of a table, by class or by mixture."""

from __future__ import annotations

import torch
from torch import nn
from torch.testing import assert_close

from ganvas.ops.table import rows_of


def test_rows_by_class_and_by_mixture() -> None:
    table = nn.Embedding(3, 4)
    w = table.weight
    assert_close(rows_of(table, torch.tensor([2, 0])), torch.stack([w[2], w[0]]))
    mixed = rows_of(table, torch.tensor([[0.25, 0.0, 0.75]]))
    assert_close(mixed, (0.25 * w[0] + 0.75 * w[2])[None])


def test_a_projection_is_called() -> None:
    projection, y = nn.Linear(3, 4), torch.randn(2, 3)
    assert_close(rows_of(projection, y), y @ projection.weight.t() + projection.bias)
