"""Where a mask is true, and rows of unlike length as a matrix."""

import torch

from ganvas.ops.places import padded, places


def test_rows_and_columns_in_order() -> None:
    mask = torch.rand(7, 11, generator=torch.Generator().manual_seed(0)) < 0.3
    row, column = places(mask)
    assert torch.equal(torch.stack([row, column], 1), mask.nonzero())
    assert len(places(torch.zeros(3, 4, dtype=torch.bool))[0]) == 0


def test_rows_are_filled_up_at_their_end() -> None:
    row = torch.tensor([0, 0, 2, 3, 3, 3])
    found = padded(row, torch.tensor([1.0, 2, 3, 4, 5, 6]), 4, -1.0)
    assert found.tolist() == [[1, 2, -1], [-1, -1, -1], [3, -1, -1], [4, 5, 6]]
    assert padded(row[:0], torch.zeros(0), 2, 0.0).shape == (2, 0)
