"""Statistics by truncation: rows, the line between them, and a forward pass that leaves the generator alone."""

from __future__ import annotations

import pytest
import torch

from ganvas.errors import InputError
from ganvas.nets import hub
from ganvas.ops.norm import Statistics
from tests import tiny


def numbered() -> tuple[torch.nn.Module, hub.Statistics]:
    """A tiny generator and five rows of statistics: row r of the means is r, of the variances 10 + r."""
    G = tiny.build("biggan-plain").G.eval()
    brought = hub.Statistics(G, 5)
    for name, rows in brought.named_buffers():
        rows.copy_((torch.arange(5.0) + (10.0 if name.endswith("var") else 0.0))[:, None].expand_as(rows))
    return G, brought


@pytest.mark.parametrize(("truncation", "row"), [(0.25, 1.0), (0.5, 2.0), (1.0, 4.0), (0.375, 1.5), (0.9, 3.6)])
def test_a_truncation_has_its_row_or_the_line_between_two(truncation: float, row: float) -> None:
    G, brought = numbered()
    found = brought.at(truncation)
    layers = [name for name, module in G.named_modules() if isinstance(module, Statistics)]
    assert set(found) == {f"{name}.{kind}" for name in layers for kind in ("stored_mean", "stored_var")}
    for name, value in found.items():
        expected = torch.full_like(value, row + (10.0 if name.endswith("var") else 0.0))
        torch.testing.assert_close(value, expected)


def test_a_row_is_hit_exactly_for_all_that_rounding_does() -> None:
    """0.58 * 50 is less than 29 in floating point: such a place must not lie between rows 28 and 29."""
    G = tiny.build("biggan-plain").G
    brought = hub.Statistics(G, 51)
    for rows in brought.buffers():
        rows.copy_((torch.arange(51.0) ** 2)[:, None].expand_as(rows))
    for k in range(1, 51):
        for value in brought.at(k / 50).values():
            torch.testing.assert_close(value, torch.full_like(value, float(k**2)))


def test_it_runs_under_those_statistics_and_changes_no_buffer() -> None:
    G, brought = numbered()
    before = {name: value.clone() for name, value in G.state_dict().items()}
    z = torch.randn(3, 4)
    with torch.no_grad():
        found = brought(G, z, None, 0.5)
        assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())
        assert not torch.allclose(found, G(z, None))
        for layer in (m for m in G.modules() if isinstance(m, Statistics)):
            layer.stored_mean.fill_(2.0)
            layer.stored_var.fill_(12.0)
        torch.testing.assert_close(found, G(z, None))


def test_fresh_rows_are_the_generators_own() -> None:
    G = tiny.build("biggan-plain").G
    for name, value in hub.Statistics(G, 3).at(0.7).items():
        torch.testing.assert_close(value, G.get_buffer(name))


def test_standing_statistics_are_noticed() -> None:
    G = tiny.build("biggan-plain").G
    assert not hub.settled(G)
    next(m for m in G.modules() if isinstance(m, Statistics)).settled = True
    assert hub.settled(G)


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.01])
def test_a_truncation_beyond_the_rows(wrong: float) -> None:
    hub.must_have(1.0)
    hub.must_have(1e-6)
    with pytest.raises(InputError, match="has statistics for 0 to 1"):
        hub.must_have(wrong)
