"""The cache of what was seen of a reference set: under all that matters, and one metric does not drive out another."""

from pathlib import Path

import pytest
import torch

from ganvas.metrics.reference import Need, reference

from .conftest import Pixels

DATA = torch.randint(0, 256, (20, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def looked(cache: Path, *needs: Need, **attributes: object) -> int:
    """How many images the network saw, for a reference that may be cached."""
    network = Pixels()
    for name, value in attributes.items():
        setattr(network, name, value)
    seen = reference([DATA], network, frozenset(needs), cache=cache)
    assert all(getattr(seen, need) is not None for need in needs)
    return network.calls


@pytest.mark.parametrize(
    "attributes", [{"name": "other"}, {"weights_hash": "1" * 64}, {"resize": "tf1_bilinear"}, {"size": 7}, {"dim": 6}]
)
def test_another_network_or_resize_is_another_entry(tmp_path: Path, attributes: dict[str, object]) -> None:
    assert looked(tmp_path, "moments") == 20
    assert looked(tmp_path, "moments") == 0
    assert looked(tmp_path, "moments", **attributes) == 20
    assert looked(tmp_path, "moments") == 0


def test_what_was_kept_stays_when_more_is_needed(tmp_path: Path) -> None:
    """Else two metrics that are asked for by turns would look at the reference every time."""
    assert looked(tmp_path, "moments") == 20
    assert looked(tmp_path, "features") == 20
    assert looked(tmp_path, "moments") == looked(tmp_path, "features", "moments") == 0
