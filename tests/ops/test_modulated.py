"""Modulated convolution: both forms, a transcription per sample, and what demodulation promises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from ganvas.ops.fir import setup_filter, upsample_conv
from ganvas.ops.modulated import demodulation, modulated_conv


def inputs(size: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    shapes = (2, 3, 5, 5), (4, 3, size, size), (2, 3)
    x, weight, s = (torch.randn(shape, dtype=torch.float64, generator=rng, requires_grad=True) for shape in shapes)
    return x, weight, s


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
@pytest.mark.parametrize(("size", "up"), [(1, False), (3, False), (3, True)])
def test_sample_by_sample(size, up, demodulate, grouped):
    x, weight, s = inputs(size)
    f = setup_filter().double() if up else None
    wanted = []
    for n in range(len(x)):
        kernel = weight * s[n][None, :, None, None]
        if demodulate:
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        one = x[n : n + 1]
        wanted.append(F.conv2d(one, kernel, padding=size // 2) if f is None else upsample_conv(one, kernel, f))
    assert_close(modulated_conv(x, weight, s, f, demodulate, grouped), torch.cat(wanted))


@pytest.mark.parametrize("up", [False, True])
def test_both_forms_have_the_same_first_and_second_derivatives(up):
    f = setup_filter().double() if up else None
    results = []
    for grouped in (False, True):
        given = inputs()
        out = modulated_conv(*given, f, grouped=grouped)
        first = torch.autograd.grad(out.pow(3).sum(), given, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), given)
        results.append((out, first, second))
    assert_close(results[1], results[0])


def test_the_scale_of_weights_and_styles_divides_out():
    x, weight, s = inputs()
    assert_close(modulated_conv(x, 100 * weight, s / 7), modulated_conv(x, weight, s))


def test_demodulation_stays_exact_under_autocast():
    weight, s = inputs()[1].float(), inputs()[2].float()
    with torch.autocast("cpu", torch.bfloat16):
        inside = demodulation(weight, s)
    assert inside.dtype == torch.float32
    assert_close(inside, demodulation(weight, s), rtol=0, atol=0)
    assert torch.isfinite(demodulation(weight, 0 * s)).all()
