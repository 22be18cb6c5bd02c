"""KID: the double sum by hand, torchmetrics on the same features, independence of order."""

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import KernelInceptionDistance

from ganvas.errors import InputError
from ganvas.metrics import kid as module
from ganvas.metrics.kid import kid, polynomial_mmd

from .test_frechet import Flat


def sets(m: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(m, 6, generator=rng), torch.randn(n, 6, generator=rng) * 1.2 + 0.3


def test_it_is_the_double_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (rows.double() for rows in sets(9, 7))

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        return (float(a @ b) / 6 + 1) ** 3

    xx = sum(kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / (9 * 8)
    yy = sum(kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (7 * 6)
    xy = sum(kernel(a, b) for a in x for b in y) / 63
    torch.testing.assert_close(polynomial_mmd(x, y), xx + yy - 2 * xy, rtol=1e-10, atol=0)
    torch.testing.assert_close(polynomial_mmd(x.float(), y.float()), xx + yy - 2 * xy, rtol=1e-6, atol=0)
    monkeypatch.setattr(module, "BLOCK", 4)  # blocks do not show
    torch.testing.assert_close(polynomial_mmd(x, y), xx + yy - 2 * xy, rtol=1e-10, atol=0)


def test_agrees_with_torchmetrics() -> None:
    rng = torch.Generator().manual_seed(1)
    real = torch.randint(0, 256, (100, 3, 2, 2), dtype=torch.uint8, generator=rng)
    fake = torch.randint(0, 200, (100, 3, 2, 2), dtype=torch.uint8, generator=rng)
    oracle = KernelInceptionDistance(feature=Flat(), subsets=2, subset_size=100)
    oracle.update(real, real=True)
    oracle.update(fake, real=False)
    found = kid(fake.flatten(1).float(), real.flatten(1).float(), subsets=2, subset_size=100)
    torch.testing.assert_close(found.value, oracle.compute()[0].item(), rtol=1e-4, atol=0)
    torch.testing.assert_close(found.value, polynomial_mmd(fake.flatten(1), real.flatten(1)), rtol=1e-10, atol=0)


def test_value_and_spread_are_those_of_the_subsets() -> None:
    """The spread divides by the number of subsets, as the field prints it; of one subset it is 0."""
    x, y = sets(80, 60)
    found = kid(x, y, subsets=3, subset_size=20)
    assert len(found.values) == 3
    np.testing.assert_allclose(found.value, np.mean(found.values.numpy()), rtol=1e-12)
    np.testing.assert_allclose(found.spread, np.std(found.values.numpy(), ddof=0), rtol=1e-12)
    assert kid(x, y, subsets=1, subset_size=20).spread == 0
    assert len(kid(x[:60], y, subsets=3, subset_size=60).values) == 1  # every further one would be the same


def test_order_does_not_matter_and_the_seed_does() -> None:
    x, y = sets(80, 60)
    first = kid(x, y, subsets=5, subset_size=20)
    shuffle = torch.randperm(80, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(kid(x[shuffle], y.flip(0), subsets=5, subset_size=20), first, rtol=1e-10, atol=1e-14)
    assert kid(x, y, subsets=5, subset_size=20, seed=1).value != first.value


def test_it_is_unbiased() -> None:
    """Over many pairs of sets of one distribution, the mean is 0 within three standard errors."""
    rng = torch.Generator().manual_seed(4)
    values = [polynomial_mmd(*torch.randn(2, 10, 4, generator=rng)) for _ in range(400)]
    mean, error = torch.tensor(values).mean(), torch.tensor(values).std() / 20
    assert abs(mean) < 3 * error
    assert min(values) < 0


def test_too_few_images_are_refused() -> None:
    x, y = sets(30, 20)
    with pytest.raises(InputError, match="subsets of 21"):
        kid(x, y, subset_size=21)
    with pytest.raises(InputError, match="expected 2 or more"):
        polynomial_mmd(x[:1], y)
