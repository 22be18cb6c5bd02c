"""FIR resampling against its definition, written out: zeros between pixels, pad, correlate, take every second."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.ops import resample
from ganvas.ops.fir import blur, downsample, downsample_conv, setup_filter, upsample, upsample_conv

BOX, BINOMIAL, SIX = (1, 1), (1, 3, 3, 1), (1, 5, 10, 10, 5, 1)


def plain(x: Tensor, f: Tensor, up: int = 1, down: int = 1, before: int = 0, after: int = 0) -> Tensor:
    """Zero-insert, pad, correlate, decimate, one output pixel at a time along each axis."""
    N, C, H, W = x.shape
    z = x.new_zeros(N, C, H * up, W * up)
    z[:, :, ::up, ::up] = x
    z = F.pad(z, [before, after, before, after])
    T = len(f)
    rows = range(0, z.shape[2] - T + 1, down)
    columns = range(0, z.shape[3] - T + 1, down)
    return torch.stack(
        [torch.stack([(z[:, :, i : i + T, j : j + T] * f).sum((2, 3)) for j in columns], -1) for i in rows], -2
    )


def doubles(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed), requires_grad=True)


def test_the_filter():
    f = setup_filter()
    assert f.shape == (4, 4)
    assert f.sum() == 1
    assert (f * 64).tolist() == [[1, 3, 3, 1], [3, 9, 9, 3], [3, 9, 9, 3], [1, 3, 3, 1]]
    assert setup_filter((2, 2)).tolist() == [[0.25, 0.25], [0.25, 0.25]]


@pytest.mark.parametrize("taps", [(), (1,), (1, 2, 1), (1, 2), (1, -1, -1, 1)])
def test_filters_that_would_shift_or_vanish_are_refused(taps):
    with pytest.raises(InputError, match="symmetric taps"):
        setup_filter(taps)


@pytest.mark.parametrize(("taps", "before", "after"), [(BOX, 1, 0), (BINOMIAL, 2, 1), (SIX, 3, 2)])
def test_upsample(taps, before, after):
    x, f = doubles(2, 3, 5, 4), setup_filter(taps).double()
    assert_close(upsample(x, f), plain(x, 4 * f, up=2, before=before, after=after))


@pytest.mark.parametrize("taps", [BOX, BINOMIAL, SIX])
def test_downsample(taps):
    x, f = doubles(2, 3, 6, 4), setup_filter(taps).double()
    pad = len(f) // 2 - 1
    assert_close(downsample(x, f), plain(x, f, down=2, before=pad, after=pad))
    assert_close(blur(x, f, 2), plain(x, f, before=2, after=2))


def test_up_conv_is_a_true_convolution():
    """Zero-insert, pad (3, 2), 4f, then correlation with the MIRRORED kernel."""
    x, weight, f = doubles(2, 3, 5, 4), doubles(4, 3, 3, 3, seed=1), setup_filter().double()
    wanted = F.conv2d(plain(x, 4 * f, up=2, before=3, after=2), weight.flip(2, 3))
    assert_close(upsample_conv(x, weight, f), wanted)
    assert upsample_conv(x, weight, f).shape == (2, 4, 10, 8)


def test_up_conv_in_groups():
    x, weight, f = doubles(1, 6, 4, 4), doubles(8, 3, 3, 3, seed=1), setup_filter().double()
    halves = [upsample_conv(x[:, 3 * i : 3 * i + 3], weight[4 * i : 4 * i + 4], f) for i in range(2)]
    assert_close(upsample_conv(x, weight, f, groups=2), torch.cat(halves, 1))


def test_down_conv():
    x, weight, f = doubles(2, 3, 6, 4), doubles(4, 3, 3, 3, seed=1), setup_filter().double()
    assert_close(downsample_conv(x, weight, f), F.conv2d(plain(x, f, before=2, after=2), weight, stride=2))
    assert downsample_conv(x, weight, f).shape == (2, 4, 3, 2)


def test_a_box_is_nearest_and_average():
    x, f = doubles(2, 3, 4, 6), setup_filter(BOX).double()
    assert_close(upsample(x, f), resample.upsample(x))
    assert_close(downsample(x, f), resample.average_pool(x))


def test_a_constant_stays_one_away_from_the_border():
    x, f = torch.ones(1, 2, 8, 8), setup_filter()
    assert_close(upsample(x, f)[..., 2:-2, 2:-2], torch.ones(1, 2, 12, 12))
    assert_close(downsample(x, f)[..., 1:-1, 1:-1], torch.ones(1, 2, 2, 2))


def test_first_and_second_derivatives():
    x, weight, f = doubles(1, 2, 4, 4), doubles(2, 2, 3, 3, seed=1), setup_filter().double()
    for function in (upsample_conv, downsample_conv):
        assert torch.autograd.gradcheck(lambda x, w: function(x, w, f), (x, weight))  # noqa: B023
        assert torch.autograd.gradgradcheck(lambda x, w: function(x, w, f), (x, weight))  # noqa: B023
    for function in (upsample, downsample):
        assert torch.autograd.gradgradcheck(lambda x: function(x, f).pow(3), (x,))  # noqa: B023
