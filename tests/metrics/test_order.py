"""The order that a set has of itself, however its rows were given."""

import torch

from ganvas.metrics.order import canonical, shuffled


def test_any_order_of_the_rows_gives_the_same_sequence() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    mixed = x[torch.randperm(50, generator=torch.Generator().manual_seed(1))]
    assert torch.equal(mixed[canonical(mixed)], x[canonical(x)])
    assert torch.equal(mixed[shuffled(mixed, 3)], x[shuffled(x, 3)])
    assert not torch.equal(x[shuffled(x, 4)], x[shuffled(x, 3)])
    assert sorted(shuffled(x, 3).tolist()) == list(range(50))
