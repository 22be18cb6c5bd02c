"""Fused resampling against the plain form, values and first and second derivatives, borders included."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from ganvas.ops import resample
from ganvas.ops.resample import average_pool, conv_pool, four_shifts, upsample, upsample_conv


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("operation", [upsample_conv, conv_pool])
def test_fused_equals_plain(operation, kernel):
    x = torch.randn(2, 3, 16, 24, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, kernel, kernel, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True)
    results = []
    for fused in (False, True):
        out = operation(x, weight, bias, fused)
        first = torch.autograd.grad(out.square().sum(), (x, weight, bias), create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), (x, weight))
        results.append((out, first, second))
    assert_close(results[1], results[0])


@pytest.mark.parametrize(("operation", "kernel"), [(upsample_conv, "conv_transpose2d"), (conv_pool, "conv2d")])
def test_the_fused_form_is_one_convolution(operation, kernel, monkeypatch):
    calls = []
    original = getattr(resample.F, kernel)
    monkeypatch.setattr(resample.F, kernel, lambda *a, **k: calls.append(a[1].shape) or original(*a, **k))
    operation(torch.randn(1, 3, 16, 16), torch.randn(4, 3, 3, 3))
    assert [shape[2:] for shape in calls] == [(4, 4)]


@pytest.mark.parametrize(
    ("operation", "sides", "shifts"),
    [
        (upsample_conv, (7, 7), 0),
        (upsample_conv, (4, 15), 0),
        (upsample_conv, (15, 4), 0),
        (upsample_conv, (8, 8), 1),
        (conv_pool, (14, 14), 0),
        (conv_pool, (8, 30), 0),
        (conv_pool, (30, 8), 0),
        (conv_pool, (16, 16), 1),
    ],
)
def test_the_fused_form_is_for_64_pixels_and_more(operation, sides, shifts, monkeypatch):
    """Counted on the small side; below, and whenever it is not wanted, no 4x4 kernel is made."""
    calls = []
    monkeypatch.setattr(resample, "four_shifts", lambda *a, **k: calls.append(a) or four_shifts(*a, **k))
    x, weight, bias = torch.randn(2, 3, *sides), torch.randn(4, 3, 3, 3), torch.randn(4)
    ours = operation(x, weight, bias)
    assert len(calls) == shifts
    assert_close(ours, operation(x, weight, bias, fused=False), rtol=1e-4, atol=1e-4)
    assert len(calls) == shifts


@pytest.mark.parametrize("operation", [upsample_conv, conv_pool])
def test_a_pointwise_convolution_works_on_the_small_side(operation, monkeypatch):
    sizes = []
    conv2d = resample.F.conv2d
    monkeypatch.setattr(resample.F, "conv2d", lambda x, *a, **k: sizes.append(x.shape[2]) or conv2d(x, *a, **k))
    x, weight = torch.randn(1, 3, 16, 16), torch.randn(4, 3, 1, 1)
    operation(x, weight)
    operation(x, weight, fused=False)
    assert sizes == ([16, 32] if operation is upsample_conv else [8, 16])


def test_four_shifts_in_float32_under_autocast():
    weight = torch.randn(2, 2, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        inside = four_shifts(weight)
    assert_close(inside, four_shifts(weight), rtol=0, atol=0)
    assert_close(four_shifts(weight, mirrored=True), four_shifts(weight.flip(2, 3)))
    assert_close(inside.sum((2, 3)), 4 * weight.sum((2, 3)))


def test_resampling_by_hand():
    x = torch.arange(4.0).view(1, 1, 2, 2)
    assert upsample(x)[0, 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]
    assert average_pool(x).item() == 1.5
