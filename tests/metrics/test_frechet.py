"""The Fréchet distance: closed forms, scipy's square root, torchmetrics, and the cases where those fail."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from ganvas.errors import InputError
from ganvas.metrics import frechet as module
from ganvas.metrics.frechet import frechet_distance, frechet_from_features, frechet_from_moments
from ganvas.metrics.moments import Moments, moments_of


def features(count: int, dim: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    """float64 [count, dim], coloured, with a spectrum over three decades"""
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(dim, dim, generator=torch.Generator().manual_seed(99), dtype=torch.float64) / dim**0.5
    x = torch.randn(count, dim, generator=rng, dtype=torch.float64) * torch.logspace(0, -3, dim, dtype=torch.float64)
    return x @ mix + shift


def by_scipy(x: torch.Tensor, y: torch.Tensor) -> float:
    a, b = np.cov(x.numpy().T), np.cov(y.numpy().T)
    gap = ((x.mean(0) - y.mean(0)) ** 2).sum().item()
    return gap + np.trace(a) + np.trace(b) - 2 * np.trace(scipy.linalg.sqrtm(a @ b)).real


def test_both_factors_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = features(400, 60, 1), features(500, 60, 2, shift=0.1) * 1.1
    by_cholesky = frechet_from_features(x, y)
    monkeypatch.setattr(module, "PIVOT", 2.0)  # no pivot is so large: eigenvectors
    torch.testing.assert_close(frechet_from_features(x, y), by_cholesky, rtol=1e-9, atol=0)


def test_closed_forms() -> None:
    d = 5
    one, zero = torch.eye(d), torch.zeros(d)
    torch.testing.assert_close(frechet_distance(zero, one, zero + 2, one), 4.0 * d)
    torch.testing.assert_close(frechet_distance(zero, 4 * one, zero, 9 * one), 1.0 * d)  # (2 - 3)^2 per direction
    variances = torch.tensor([1.0, 4, 9, 16, 25]).diag()
    torch.testing.assert_close(frechet_distance(zero, variances, zero + 1, one), d + 0.0 + 1 + 4 + 9 + 16)


def test_it_is_scipys_square_root_where_that_works() -> None:
    x, y = features(400, 60, 1), features(500, 60, 2, shift=0.1) * 1.1
    torch.testing.assert_close(frechet_from_features(x, y), by_scipy(x, y), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("m", "n"), [(20, 30), (20, 400), (400, 20), (59, 60)])
def test_fewer_samples_than_features_by_either_path(m: int, n: int) -> None:
    x, y = features(m, 60, 3), features(n, 60, 4, shift=0.05)
    by_moments = frechet_from_moments(moments_of(x), moments_of(y))
    torch.testing.assert_close(frechet_from_features(x, y), by_moments, rtol=1e-7, atol=0)
    taken_apart = [Moments.from_state(moments_of(rows).state()) for rows in (x, y)]  # their rows are gone
    torch.testing.assert_close(frechet_from_moments(*taken_apart), by_moments, rtol=1e-7, atol=0)
    torch.testing.assert_close(frechet_from_moments(moments_of(x), taken_apart[1]), by_moments, rtol=1e-7, atol=0)


def test_singular_covariances_by_closed_form() -> None:
    """Two lines at 60 degrees in the plane, in 40 dimensions: tr (S1 S2)^1/2 = s1 s2 |cos|."""
    u, v = torch.zeros(40, dtype=torch.float64), torch.zeros(40, dtype=torch.float64)
    u[0], v[0], v[1] = 2.0, 3 * 0.5, 3 * 0.75**0.5
    found = frechet_distance(torch.zeros(40), torch.outer(u, u), torch.zeros(40), torch.outer(v, v))
    torch.testing.assert_close(found, 4 + 9 - 2 * 2 * 3 * 0.5, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("count", "dim"), [(500, 64), (30, 64), (64, 64), (2, 8), (3000, 16)])
def test_identical_sets_give_zero_in_any_order_and_batches(count: int, dim: int) -> None:
    x = features(count, dim, 5, shift=1.0).float()
    streamed = Moments(dim)
    for part in x.flip(0).split(7):
        streamed.update(part)
    found = frechet_from_moments(moments_of(x), streamed)
    assert 0 <= found <= 1e-8 * float(streamed.covariance.trace())
    assert 0 <= frechet_from_features(x, x.flip(0)) <= 1e-8 * float(streamed.covariance.trace())


def test_a_small_distance_is_not_taken_for_rounding() -> None:
    """sigma and sigma + 1e-4 in 6 directions: 6e-8, a share of 5e-9 of the traces."""
    one, zero = torch.eye(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    torch.testing.assert_close(frechet_distance(zero, one, zero, 1.0001**2 * one), 6e-8, rtol=1e-6, atol=0)
    assert frechet_distance(zero, one, zero, (1 + 1e-8) ** 2 * one) == 0  # 6e-16: below what the traces resolve


def test_a_direction_of_rounding_noise_has_no_variance() -> None:
    """One covariance without, the other with nothing but the last direction: d^2 = 39 + 1.

    The noise is of the size that rounding leaves, and positive, so that Cholesky passes: its factor would hold the
    root of it, 6e-8.
    """
    d, rng = 40, torch.Generator().manual_seed(7)
    axes = torch.linalg.qr(torch.randn(d, d, generator=rng, dtype=torch.float64)).Q
    most, last = axes[:, :-1], axes[:, -1:]
    noisy = most @ most.T + 4e-15 * torch.eye(d, dtype=torch.float64)
    assert int(torch.linalg.cholesky_ex(noisy).info) == 0
    found = frechet_distance(torch.zeros(d), noisy, torch.zeros(d), last @ last.T)
    torch.testing.assert_close(found, float(d), rtol=1e-11, atol=0)


class Flat(nn.Module):
    """Features of 2 x 2 pictures: their twelve numbers."""

    num_features = 12

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).float()


def test_agrees_with_torchmetrics() -> None:
    rng = torch.Generator().manual_seed(6)
    real = torch.randint(0, 256, (300, 3, 2, 2), dtype=torch.uint8, generator=rng)
    fake = torch.randint(0, 200, (257, 3, 2, 2), dtype=torch.uint8, generator=rng)
    oracle = FrechetInceptionDistance(feature=Flat(), input_img_size=(3, 2, 2))
    oracle.update(real, real=True)
    oracle.update(fake, real=False)
    found = frechet_from_features(fake.flatten(1).float(), real.flatten(1).float())
    torch.testing.assert_close(found, oracle.compute().item(), rtol=1e-4, atol=0)


def test_one_image_is_refused() -> None:
    x = torch.zeros(1, 4)
    with pytest.raises(InputError, match="expected 2 or more"):
        frechet_from_features(x, x)
    with pytest.raises(InputError, match="expected 2 or more"):
        frechet_from_moments(moments_of(x), moments_of(x))
