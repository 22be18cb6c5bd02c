"""Scores of image pairs: SSIM (Wang et al. 2004, doi 10.1109/TIP.2003.819861), PSNR, MSE.  LPIPS: `features/lpips.py`.

Each returns one number per pair. Images are uint8, or float in [-1, 1]; the data range follows from that.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ganvas.errors import InputError

WINDOW = 11  # pixels
SIGMA = 1.5  # pixels


def mse(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared error on the scale 0..1.  [N, C, H, W] twice -> float64 [N]"""
    left, right = _unit(a, b)
    return (left - right).square().mean((1, 2, 3))


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio, 10 log10(range^2 / MSE), in decibels; infinite for equal images.  -> float64 [N]"""
    return -10 * mse(a, b).log10()


def ssim(a: Tensor, b: Tensor, border: Literal["reflect", "valid"] = "reflect") -> Tensor:
    """Mean structural similarity under a Gaussian window of 11 pixels, sigma 1.5, K = (0.01, 0.03).  -> float64 [N]

    border: what windows at the edge see. "reflect" mirrors the image there (torchmetrics 1.9), "valid" counts whole
    windows only (Wang's code, scikit-image); the two differ by half a per cent on small images. Channels are averaged.
    """
    x, y = _unit(a, b)
    if min(x.shape[2:]) < WINDOW:
        raise InputError(f"SSIM of {list(a.shape[2:])} pixels; its window needs {WINDOW} a side or more, use MSE")
    rows, columns = (_windows(side, border).to(x.device) for side in x.shape[2:])

    def blur(image: Tensor) -> Tensor:
        return rows @ image @ columns.T

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    cov = blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return (luminance * (2 * cov + c2) / (var_x + var_y + c2)).mean((1, 2, 3))


def mse_uint8_wrapped(a: Tensor, b: Tensor) -> Tensor:
    """The mean of (a - b)^2 modulo 256: an error that image-to-image tables seem to hold.  Never a score of ours.

    uint8 [N, C, H, W] twice -> float64 [N], on the scale 0..255^2

    Squared in unsigned 8-bit arithmetic, differences of 16 grey levels or more wrap around. Completely wrong images
    then score 105.5 (27.90 dB), the mean of d^2 mod 256 over all d, where the true error is about 10,900 (7.8 dB). The
    published MSE of CSGAN, CDGAN and what they compare with lie between 83 and 105.5, their PSNR between 27.9 and 29
    dB, even where the SSIM is zero: they were in all likelihood computed so, though no script of theirs says it. Use
    this beside such a table only; the PSNR that goes with it is 10 log10(255^2 / this).
    """
    _unit(a, b)
    if a.dtype != torch.uint8:
        raise InputError(f"image pairs: {a.dtype} given, expected uint8; other numbers do not wrap")
    return (a.int() - b.int()).square().remainder(256).double().mean((1, 2, 3))


def _unit(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float64 in [0, 1]; raises InputError where they are no pairs."""
    if a.shape != b.shape or a.ndim != 4 or a.dtype != b.dtype:
        given = f"{a.dtype} {list(a.shape)} and {b.dtype} {list(b.shape)}"
        raise InputError(f"image pairs: {given} given, expected two alike [N, C, H, W]")
    if a.dtype == torch.uint8:
        return a.double() / 255, b.double() / 255
    return (a.double() + 1) / 2, (b.double() + 1) / 2


def _windows(side: int, border: str) -> Tensor:
    """The Gaussian windows along one axis as a band matrix, float64 [windows, side]; its rows sum to 1.

    Two products with it cost an eighth of two float64 convolutions on a CPU.
    """
    at = torch.arange(WINDOW) - WINDOW // 2
    weight = (-(at.double() ** 2) / (2 * SIGMA**2)).exp()
    margin = WINDOW // 2 if border == "valid" else 0
    seen = (torch.arange(margin, side - margin)[:, None] + at).abs()
    seen = side - 1 - (side - 1 - seen).abs()  # beyond either edge the image is mirrored, the edge itself not repeated
    band = torch.zeros(len(seen), side, dtype=torch.float64)
    return band.scatter_add_(1, seen, (weight / weight.sum()).expand(seen.shape))
