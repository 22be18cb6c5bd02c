"""LOGAN's networks: BigGAN-deep with LeakyReLU everywhere, and the 32-pixel SN-GAN; counts and conventions."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import biggan, biggan_deep, sngan
from ganvas.ops.latent_step import ascend, movement, natural_gradient_step
from ganvas.ops.norm import BatchNorm2d
from ganvas.ops.spectral import SNConv2d, SNLinear, weight_of


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_counts_of_the_imagenet_model():
    with torch.device("meta"):
        assert count(biggan_deep.Generator(128, 128, 256, rgb="bgpt", slope=0.2)) == 59_714_436
        assert count(biggan_deep.Generator(128, 128, 128, rgb="bgpt", slope=0.2)) == 50_244_484
        assert count(biggan_deep.Discriminator(128, 128, slope=0.2)) == 34_590_210


def activations(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.ReLU | nn.LeakyReLU)]


@pytest.mark.parametrize("module", [biggan, biggan_deep])
def test_leaky_everywhere_or_nowhere(module):
    kwargs = {"ch": 8, "num_classes": 3, "attention": ()}
    for slope, kind in [(0.2, nn.LeakyReLU), (0.0, nn.ReLU)]:
        G, D = module.Generator(8, dim_z=8, slope=slope, **kwargs), module.Discriminator(8, slope=slope, **kwargs)
        for network in (G, D):
            found = activations(network)
            assert found
            assert all(type(m) is kind and not m.inplace for m in found)
            assert all(m.negative_slope == slope for m in found if slope)


@pytest.mark.parametrize("module", [biggan, biggan_deep])
@pytest.mark.parametrize("resolution", [8, 32])
def test_no_relu_is_left_in_any_path(module, resolution, monkeypatch):
    """A network whose slope is 1 is linear but for batch norm: with one relu left, D(-x) would not be -D(x)."""
    torch.manual_seed(0)
    D = module.Discriminator(resolution, ch=4, num_classes=0, attention=(), slope=1.0).eval()
    x = torch.randn(2, 3, resolution, resolution)
    assert_close(D(-x), -D(x))
    G = module.Generator(resolution, ch=4, dim_z=8, num_classes=0, attention=(), slope=1.0).eval()
    z = torch.randn(2, 8)
    # Projections of a condition z make G quadratic and more; taken as 0, plain batch norm in evaluation is linear.
    monkeypatch.setattr("ganvas.ops.norm.rows_of", lambda table, y: torch.zeros(len(y), table.weight.shape[0]))
    assert_close(torch.atanh(G(-z)), -torch.atanh(G(z)))


def test_the_slope_changes_what_g_and_d_compute():
    torch.manual_seed(0)
    for module in (biggan, biggan_deep):
        D = module.Discriminator(8, ch=8, num_classes=0, attention=()).eval()
        leaky = module.Discriminator(8, ch=8, num_classes=0, attention=(), slope=0.2).eval()
        leaky.load_state_dict(D.state_dict())
        x = torch.randn(2, 3, 8, 8)
        assert not torch.allclose(leaky(x), D(x))


def test_counts_of_the_cifar_model():
    assert count(sngan.Generator()) == 3_812_355
    assert count(sngan.Discriminator()) == 2_935_873
    assert count(sngan.Discriminator(num_logits=2)) == 2_944_066


@pytest.mark.parametrize("resolution", [8, 14, 16, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_and_gradients(resolution, channels):
    torch.manual_seed(0)
    G, D = sngan.Generator(resolution, channels, 6, width=2), sngan.Discriminator(resolution, channels, width=2)
    x = G(torch.randn(3, 6), G.shared(None))
    assert x.shape == (3, channels, resolution, resolution)
    assert x.abs().max() <= 1
    score = D(x)
    assert score.shape == (3, 1)
    score.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for net in (G, D) for p in net.parameters())


def test_sides_and_widths():
    assert sngan.sides(28) == [4, 7, 14, 28]
    assert sngan.sides(64) == [4, 8, 16, 32, 64]
    assert sngan.widths(32, 64) == [512, 256, 128, 64]
    assert sngan.widths(64, 64) == [512, 512, 256, 128, 64]
    assert sngan.widths(16, 64) == [256, 128, 64]
    for resolution in (4, 20, 48):
        with pytest.raises(InputError, match=f"resolution={resolution}"):
            sngan.Generator(resolution)


def reference_same(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """TensorFlow's SAME for stride 2: as much padding as ceil(side / 2) outputs need, the odd pixel at the end."""
    pads = []
    for side in reversed(x.shape[-2:]):
        total = max((math.ceil(side / 2) - 1) * 2 + 4 - side, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), weight, stride=2)


@pytest.mark.parametrize("side", [7, 8, 14])
def test_same_padding(side):
    torch.manual_seed(0)
    conv = sngan.DownConv4(2, 3, 1e-12).eval()
    nn.init.zeros_(conv.bias)
    x = torch.randn(2, 2, side, side)
    expected = reference_same(x, weight_of(conv))
    assert expected.shape[-1] == math.ceil(side / 2)
    assert_close(conv(x), expected)


@pytest.mark.parametrize(("small", "large"), [(4, 7), (4, 8), (7, 14)])
def test_same_transposed_is_the_gradient_of_same(small, large):
    """TensorFlow defines the transposed convolution so; the crop must be at the end."""
    torch.manual_seed(0)
    up = nn.ConvTranspose2d(3, 2, 4, 2, padding=1, bias=False)
    h = torch.randn(1, 3, small, small)
    x = torch.zeros(1, 2, large, large, requires_grad=True)
    (gradient,) = torch.autograd.grad(reference_same(x, up.weight), x, h)
    assert_close(up(h)[..., :large, :large], gradient)


def test_generator_crops_at_the_end():
    torch.manual_seed(0)
    G = sngan.Generator(7, 1, 3, width=2).eval()
    z = torch.randn(2, 3)
    h = G.linear(z).view(2, -1, 4, 4)
    x = torch.zeros(2, 2, 7, 7, requires_grad=True)
    (up,) = torch.autograd.grad(reference_same(x, G.ups[0].weight), x, h)  # biases start at 0
    assert_close(G(z), torch.tanh(G.rgb(G.norms[0](up).relu())))


def test_layers_and_their_order():
    G, D = sngan.Generator(width=2), sngan.Discriminator(width=2)
    kernels = [(c.in_channels // 2, c.out_channels // 2, c.kernel_size[0], c.stride[0]) for c in D.convs]
    assert kernels[1:] == [(1, 1, 4, 2), (1, 2, 3, 1), (2, 2, 4, 2), (2, 4, 3, 1), (4, 4, 4, 2), (4, 8, 3, 1)]
    assert all(isinstance(m, SNConv2d | SNLinear) for m in (*D.convs, D.linear))
    D.eval()
    h = x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for conv in D.convs:
        h = F.leaky_relu(conv(h), 0.1)
    assert_close(D(x), D.linear(h.flatten(1)))
    assert not D.act.inplace
    norms = [m for m in G.modules() if isinstance(m, BatchNorm2d)]
    assert [(len(m.gain), m.eps, m.momentum) for m in norms] == [(8, 1e-3, 1e-3), (4, 1e-3, 1e-3), (2, 1e-3, 1e-3)]


def test_initialisation_is_sonnets():
    torch.manual_seed(0)
    G, D = sngan.Generator(width=16), sngan.Discriminator(width=16)
    fans = [(G.linear, 128), (G.ups[0], 16 * 128), (G.ups[2], 16 * 32), (D.convs[2], 9 * 16), (D.convs[3], 16 * 32)]
    for layer, fan_in in fans:
        std = 1 / math.sqrt(fan_in)
        assert layer.weight.abs().max() <= 2 * std
        assert layer.weight.std().item() == pytest.approx(0.8796 * std, rel=0.03)  # of a normal cut at two deviations
        assert not layer.bias.any()


@pytest.mark.parametrize("name", ["sngan", "biggan_deep"])
def test_a_latent_step_is_differentiated_through(name):
    torch.manual_seed(0)
    if name == "sngan":
        G, D = sngan.Generator(16, 1, 6, width=2), sngan.Discriminator(16, 1, width=2)
    else:
        kwargs = {"num_classes": 0, "attention": (), "slope": 0.2}
        G = biggan_deep.Generator(8, 4, 6, rgb="bgpt", **kwargs)
        D = biggan_deep.Discriminator(8, 4, **kwargs)
    z = 2 * torch.rand(4, 6) - 1
    moved, step = ascend(lambda z: D(G(z)), z, partial(natural_gradient_step, alpha=0.9, beta=5.0))
    (D(G(moved)).mean() + movement(step)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for net in (G, D) for p in net.parameters())
    assert moved.abs().max() <= 1
    assert step.norm(dim=1).max() <= 0.9 / (2 * 5**0.5)
