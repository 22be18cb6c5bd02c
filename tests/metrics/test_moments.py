"""Streamed moments: equal to numpy's, whatever the batches, the order or the parts."""

import numpy as np
import pytest
import torch

from ganvas.metrics.moments import ROWS, Moments, moments_of


def rows(count: int, dim: int = 700) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(count, dim, generator=rng) * torch.linspace(0.1, 3, dim) + torch.linspace(-50, 50, dim)


def close(a: Moments, b: Moments) -> None:
    assert a.count == b.count
    scale = float(b.covariance.diag().max())
    torch.testing.assert_close(a.mean, b.mean, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(a.covariance, b.covariance, rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize("count", [2, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 300])
def test_they_are_numpys(count: int) -> None:
    x = rows(count)
    found = moments_of(x)
    np.testing.assert_allclose(found.mean, x.double().numpy().mean(0), rtol=1e-10)
    np.testing.assert_allclose(found.covariance, np.cov(x.double().numpy().T), rtol=1e-10, atol=1e-9)


def test_order_and_batches_do_not_matter() -> None:
    x = rows(2500)
    whole = moments_of(x)
    for batch in (1, 64, 1023, 2499):
        other = Moments(x.shape[1])
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(batch))
        for part in x[order].split(batch):
            other.update(part)
        close(other, whole)
    close(moments_of(x[x[:, 0].argsort()]), whole)


def test_parts_merge() -> None:
    x = rows(1500)
    first, second = moments_of(x[:1200]), moments_of(x[1200:])
    first.merge(second)
    first.merge(Moments(x.shape[1]))
    close(first, moments_of(x))
    assert second.count == 300
    close(Moments.from_state(first.state()), first)


@pytest.mark.parametrize("count", [2, ROWS - 1, ROWS])
def test_few_rows_are_kept_centred(count: int) -> None:
    x = rows(count, 60).double()
    found = moments_of(x)
    for _ in range(2):  # reading does not lose them
        assert found.centred is not None
        torch.testing.assert_close(found.centred, x - x.mean(0), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.variance, x.var(0), rtol=1e-9, atol=0)


def test_rows_that_are_no_longer_all_are_not_given_out() -> None:
    x = rows(ROWS + 1, 60)
    assert moments_of(x).centred is None
    read = moments_of(x[:10])
    assert read.mean.shape == (60,)
    read.update(x[10:12])
    assert read.centred is None
    merged = moments_of(x[:10])
    merged.merge(moments_of(x[10:20]))
    assert merged.centred is None
    torch.testing.assert_close(merged.variance, x[:20].double().var(0), rtol=1e-9, atol=0)
    assert Moments.from_state(merged.state()).centred is None


def test_reading_between_updates_changes_nothing() -> None:
    x = rows(300)
    read = Moments(x.shape[1])
    for part in x.split(70):
        read.update(part)
        assert read.mean.shape == (x.shape[1],)
    close(read, moments_of(x))
    with pytest.raises(AssertionError, match="for moments of"):
        read.update(x[:, :3])
