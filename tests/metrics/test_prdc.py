"""Precision, recall, density, coverage against their definition written out with sorted numpy distances."""

import numpy as np
import pytest
import torch

from ganvas.errors import InputError
from ganvas.metrics import distances
from ganvas.metrics.prdc import prdc


def by_definition(real: np.ndarray, fake: np.ndarray, k: int) -> list[float]:
    """Naeem et al. 2020, Eqs. 1-5, with full matrices."""

    def pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.linalg.norm(a[:, None] - b[None], axis=2)

    real_radius, fake_radius = (np.sort(pairs(a, a), axis=1)[:, k] for a in (real, fake))
    cross = pairs(real, fake)
    inside = cross < real_radius[:, None]
    return [
        inside.any(0).mean(),
        (cross < fake_radius).any(1).mean(),
        inside.sum(0).mean() / k,
        (cross.min(1) < real_radius).mean(),
    ]


@pytest.mark.parametrize("block", [1 << 23, 500])
@pytest.mark.parametrize("k", [1, 5])
def test_it_is_the_definition(monkeypatch: pytest.MonkeyPatch, block: int, k: int) -> None:
    monkeypatch.setattr(distances, "BLOCK", block)
    monkeypatch.setattr(distances, "COLUMNS", 64)
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(150, 8)), rng.normal(size=(120, 8)) * 0.8 + 0.3
    found = prdc(torch.from_numpy(real), torch.from_numpy(fake), k)
    np.testing.assert_allclose(list(found), by_definition(real, fake, k), rtol=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_it_is_the_definition_where_float32_sees_nothing(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    monkeypatch.setattr(distances, "OPEN", share)
    rng = np.random.default_rng(1)
    real, fake = (rng.normal(size=(n, 8)) * 0.01 + rng.integers(2, size=(n, 1)) * 100 for n in (90, 80))
    found = prdc(torch.from_numpy(real), torch.from_numpy(fake), 3)
    np.testing.assert_allclose(list(found), by_definition(real, fake, 3), rtol=1e-12)


def test_identical_sets_and_far_sets() -> None:
    x = torch.randn(100, 6, generator=torch.Generator().manual_seed(0))
    same = prdc(x, x.flip(0))
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    torch.testing.assert_close(same.density, 6 / 5)  # each ball holds its own centre and its five neighbours
    assert prdc(x, x + 100) == (0, 0, 0, 0)


def test_a_collapsed_model_is_precise_and_recalls_nothing() -> None:
    x = torch.randn(100, 6, generator=torch.Generator().manual_seed(1))
    found = prdc(x, x[:1].repeat(100, 1))
    assert found.precision == 1
    assert found.recall == 0.01  # the one image it repeats
    assert found.coverage < 0.3
    with pytest.raises(InputError, match="k=5 of 100 and 5"):
        prdc(x, x[:5])
