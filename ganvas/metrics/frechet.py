"""The Fréchet distance of two Gaussians (Dowson & Landau 1982), which FID (Heusel et al. 2017, arXiv 1706.08500) is.

    d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^1/2

With S1 = A A^T and S2 = B B^T (Cholesky's factors, or eigenvectors where a covariance is singular), tr (S1 S2)^1/2 is
the sum of the singular values of A^T B. That needs no square root of a matrix product (`scipy.linalg.sqrtm` fails or
turns complex where a covariance is singular) and, unlike the eigenvalues of S1^1/2 S2 S1^1/2, takes no root of rounding
noise: noise of 1e-16 stays 1e-16 rather than becoming 1e-8 in each of the 2048 directions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.metrics.moments import Moments, moments_of

PIVOT = 1e-9  # Cholesky's smallest pivot over the largest variance; nearer to singular, eigenvectors are taken
ROUNDING = 1e-12  # a distance below this share of the traces is the rounding of a zero


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """The squared Fréchet distance of N(mean1, cov1) and N(mean2, cov2).  [F], [F, F], [F], [F, F]; never negative"""
    cov1, cov2 = cov1.double(), cov2.double()
    shared = torch.linalg.svdvals(_factor(cov1).T @ _factor(cov2)).sum()
    return _distance(mean1, mean2, cov1.trace(), cov2.trace(), shared)


def frechet_from_moments(a: Moments, b: Moments) -> float:
    """The squared Fréchet distance of what two `Moments` saw.

    Of fewer rows than features that are still at hand, the centred rows are the factor: no F x F matrix is taken apart.
    """
    if min(a.count, b.count) < 2:
        raise InputError(f"a Fréchet distance of {a.count} and {b.count} images was asked for, expected 2 or more each")
    shared = torch.linalg.svdvals(_factor_of(a).T @ _factor_of(b)).sum()
    return _distance(a.mean, b.mean, a.variance.sum(), b.variance.sum(), shared)


def _factor_of(moments: Moments) -> Tensor:
    """A [F, r] with A A^T = the covariance."""
    rows = moments.centred
    if rows is None or len(rows) >= moments.dim:
        return _factor(moments.covariance)
    return rows.T / (len(rows) - 1) ** 0.5


def frechet_from_features(x: Tensor, y: Tensor) -> float:
    """The squared Fréchet distance of features [M, F] and [N, F].

    With fewer rows than features the centred rows themselves are the factors: tr (S1 S2)^1/2 is the sum of singular
    values of X Y^T / sqrt((M-1)(N-1)), M x N instead of F x F.
    """
    if min(len(x), len(y)) < 2:
        raise InputError(f"a Fréchet distance of {len(x)} and {len(y)} images was asked for, expected 2 or more each")
    if min(len(x), len(y)) >= x.shape[1]:
        return frechet_from_moments(moments_of(x), moments_of(y))
    x, y = x.double(), y.double()
    mean1, mean2 = x.mean(0), y.mean(0)
    x, y = (x - mean1) / (len(x) - 1) ** 0.5, (y - mean2) / (len(y) - 1) ** 0.5
    # The larger set shrinks to at most F rows first: R of its QR has the same product with itself, in any direction.
    x, y = (rows if len(rows) <= rows.shape[1] else torch.linalg.qr(rows, mode="r").R for rows in (x, y))
    return _distance(mean1, mean2, x.square().sum(), y.square().sum(), torch.linalg.svdvals(x @ y.T).sum())


def _factor(cov: Tensor) -> Tensor:
    """A [F, r] with A A^T = cov; directions whose variance is rounding noise are left out.

    Any factor will do, so Cholesky's is taken where the matrix is far from singular: a tenth of the cost.
    """
    lower, info = torch.linalg.cholesky_ex(cov)
    if int(info) == 0 and float(lower.diag().min() ** 2) > PIVOT * float(cov.diag().max()):
        return lower
    values, vectors = torch.linalg.eigh((cov + cov.T) / 2)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, kept] * values[kept].sqrt()


def _distance(mean1: Tensor, mean2: Tensor, trace1: Tensor, trace2: Tensor, shared: Tensor) -> float:
    means = (mean1.double() - mean2.double()).square().sum()
    spread = trace1 + trace2 - 2 * shared  # >= 0 by Cauchy-Schwarz; rounding may miss it by 1e-15 of the traces
    if spread < ROUNDING * (trace1 + trace2):
        spread = torch.zeros_like(spread)
    return float(means + spread)
