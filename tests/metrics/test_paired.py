"""Scores of pairs against torchmetrics, and on cases by hand."""

import numpy as np
import pytest
import torch
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from ganvas.errors import InputError
from ganvas.metrics.paired import mse, mse_uint8_wrapped, psnr, ssim


def pairs(channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    a = torch.randint(0, 256, (3, channels, 20, 17), generator=rng)
    noise = torch.randint(-60, 61, a.shape, generator=rng) * torch.tensor([0.1, 0.5, 1.0]).view(3, 1, 1, 1)
    return a.to(torch.uint8), (a + noise).clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_agrees_with_torchmetrics(channels: int) -> None:
    a, b = pairs(channels)
    for row in range(3):
        one, two = a[row : row + 1], b[row : row + 1]
        oracle = StructuralSimilarityIndexMeasure(data_range=255.0)(one.float(), two.float()).item()
        torch.testing.assert_close(ssim(a, b)[row].item(), oracle, rtol=1e-4, atol=0)
        oracle = PeakSignalNoiseRatio(data_range=255.0)(one.float(), two.float()).item()
        torch.testing.assert_close(psnr(a, b)[row].item(), oracle, rtol=1e-4, atol=0)


def test_whole_windows_are_the_inner_part_of_the_reflected_ones() -> None:
    """Of an 11 x 11 image one window is whole: its SSIM is the formula on weighted moments."""
    a, b = (image[:1, :1, :11, :11].double() / 255 for image in pairs())
    at = torch.arange(11.0, dtype=torch.float64) - 5
    weight = torch.outer((-(at**2) / 4.5).exp(), (-(at**2) / 4.5).exp())
    weight /= weight.sum()
    mean_a, mean_b = (a * weight).sum(), (b * weight).sum()
    var_a, var_b = ((a - mean_a) ** 2 * weight).sum(), ((b - mean_b) ** 2 * weight).sum()
    cov = ((a - mean_a) * (b - mean_b) * weight).sum()
    expected = (2 * mean_a * mean_b + 1e-4) * (2 * cov + 9e-4)
    expected = expected / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
    torch.testing.assert_close(ssim(a * 2 - 1, b * 2 - 1, border="valid")[0], expected)


def test_by_hand() -> None:
    a = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    torch.testing.assert_close(mse(a, a + 51).item(), 0.04)
    torch.testing.assert_close(psnr(a, a + 51).item(), 13.979400086720377)
    torch.testing.assert_close(ssim(a, a + 255).item(), 1e-4 / (1 + 1e-4))  # only the luminance term is left
    assert psnr(a, a).item() == float("inf")
    b = pairs()[0]
    torch.testing.assert_close(ssim(b, b), torch.ones(3, dtype=torch.float64))


def test_float_images_are_in_minus_one_to_one() -> None:
    a, b = pairs()
    for score in (mse, psnr, ssim):
        torch.testing.assert_close(score(a.double() / 127.5 - 1, b.double() / 127.5 - 1), score(a, b))


def test_wrong_pairs_are_one_sentence() -> None:
    a, b = pairs()
    with pytest.raises(InputError, match="expected two alike"):
        mse(a, b[:2])
    with pytest.raises(InputError, match="expected two alike"):
        ssim(a, b.float())
    with pytest.raises(InputError, match="its window needs 11"):
        ssim(a[..., :10], b[..., :10])


def test_wrapped_error_is_numpys_on_uint8() -> None:
    a, b = pairs()
    wrapped = np.mean((a.numpy() - b.numpy()) ** 2, axis=(1, 2, 3))
    torch.testing.assert_close(mse_uint8_wrapped(a, b), torch.from_numpy(wrapped))
    torch.testing.assert_close(mse_uint8_wrapped(b, a), torch.from_numpy(wrapped))
    near = (a.int() // 2 + 15).to(torch.uint8)
    assert mse_uint8_wrapped(a // 2, near).tolist() == [225.0] * 3  # below 16 levels nothing wraps
    assert mse_uint8_wrapped(a // 2, near + 1).tolist() == [0.0] * 3  # 16^2 is 0


def test_wrapped_error_of_wrong_images_is_105() -> None:
    """The mean of d^2 mod 256 over all d is 105.5; the true error of two random images is a hundred times that."""
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert mse_uint8_wrapped(every, torch.zeros_like(every)).item() == 105.5
    rng = torch.Generator().manual_seed(1)
    a, b = (torch.randint(0, 256, (1, 3, 256, 256), generator=rng).to(torch.uint8) for _ in "ab")
    assert abs(mse_uint8_wrapped(a, b).item() - 105.5) < 0.5
    assert abs(mse(a, b).item() * 255**2 - 10_922.5) < 200
    with pytest.raises(InputError, match=r"torch\.float32 given, expected uint8"):
        mse_uint8_wrapped(a.float(), b.float())
