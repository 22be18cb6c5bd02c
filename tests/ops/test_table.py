"""Rows of a table by index and by mixture."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganvas.nets.biggan_parts import project
from ganvas.ops.spectral import SNEmbedding, SNLinear
from ganvas.ops.table import rows_of


@pytest.mark.parametrize("kind", [nn.Embedding, SNEmbedding])
def test_a_one_hot_row_is_an_index_and_a_mixture_lies_between(kind: type[nn.Embedding]) -> None:
    torch.manual_seed(0)
    table = kind(4, 3).eval()
    y = torch.tensor([2, 0])
    rows = nn.functional.one_hot(y, 4).float()
    assert_close(rows_of(table, rows), rows_of(table, y))
    assert_close(rows_of(table, rows), table(y))
    assert_close(rows_of(table, rows.mean(0, keepdim=True)), table(y).mean(0, keepdim=True))


def test_a_projection_takes_mixtures() -> None:
    torch.manual_seed(0)
    linear, embed, h, y = SNLinear(3, 1).eval(), SNEmbedding(4, 3).eval(), torch.randn(2, 3), torch.tensor([2, 0])
    expected = linear(h) + (embed(y) * h).sum(1, keepdim=True)
    assert_close(project(linear, embed, h, y), expected)
    assert_close(project(linear, embed, h, nn.functional.one_hot(y, 4).float()), expected)
    assert_close(project(linear, None, h, None), linear(h))


def test_rows_by_class_and_by_mixture() -> None:
    table = nn.Embedding(3, 4)
    w = table.weight
    assert_close(rows_of(table, torch.tensor([2, 0])), torch.stack([w[2], w[0]]))
    mixed = rows_of(table, torch.tensor([[0.25, 0.0, 0.75]]))
    assert_close(mixed, (0.25 * w[0] + 0.75 * w[2])[None])


def test_a_projection_is_called() -> None:
    projection, y = nn.Linear(3, 4), torch.randn(2, 3)
    assert_close(rows_of(projection, y), y @ projection.weight.t() + projection.bias)
