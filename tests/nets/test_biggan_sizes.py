"""Widths and sizes, block by block: counts of parameters do not tell where D halves, or where attention stands.

The patterns are those of BigGAN-PyTorch (at 512 pixels of StudioGAN), and of the published BigGAN-deep generators.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganvas.nets import biggan, biggan_deep
from ganvas.ops.attention import Attention
from ganvas.ops.spectral import SNConv2d, SNEmbedding, SNLinear

Sizes = list[tuple[int, int]]


def stages(network: nn.Module, *inputs: torch.Tensor) -> Sizes:
    """(channels, size) after each entry of `blocks`."""
    seen: Sizes = []
    for stage in network.blocks:
        stage[-1].register_forward_hook(lambda _module, _args, h: seen.append((h.shape[1], h.shape[2])))
    network(*inputs)
    return seen


# resolution -> channels in multiples of `ch` and size after every block
G_SIZES = {
    8: [(4, 8)],
    16: [(4, 8), (4, 16)],
    32: [(4, 8), (4, 16), (4, 32)],
    64: [(16, 8), (8, 16), (4, 32), (2, 64)],
    128: [(16, 8), (8, 16), (4, 32), (2, 64), (1, 128)],
    256: [(16, 8), (8, 16), (8, 32), (4, 64), (2, 128), (1, 256)],
    512: [(16, 8), (8, 16), (8, 32), (4, 64), (2, 128), (1, 256), (1, 512)],
}
D_SIZES = {
    8: [(4, 4), (4, 4)],
    16: [(4, 8), (4, 8), (4, 8)],
    32: [(4, 16), (4, 8), (4, 8), (4, 8)],
    64: [(1, 32), (2, 16), (4, 8), (8, 4), (16, 4)],
    128: [(1, 64), (2, 32), (4, 16), (8, 8), (16, 4), (16, 4)],
    256: [(1, 128), (2, 64), (4, 32), (8, 16), (8, 8), (16, 4), (16, 4)],
    512: [(1, 256), (1, 128), (2, 64), (4, 32), (8, 16), (8, 8), (16, 4), (16, 4)],
}
DEEP_D_SIZES = {
    8: [(4, 4), (4, 4)],
    16: [(4, 8), (4, 8)],
    32: [(4, 16), (4, 8), (4, 8)],
    64: [(2, 32), (4, 16), (8, 8), (16, 4)],
    128: [(2, 64), (4, 32), (8, 16), (16, 8), (16, 4)],
    256: [(2, 128), (4, 64), (8, 32), (8, 16), (16, 8), (16, 4)],
    512: [(1, 256), (2, 128), (4, 64), (8, 32), (8, 16), (16, 8), (16, 4)],
}
CH = 4


@pytest.mark.parametrize("resolution", G_SIZES)
def test_generator(resolution: int) -> None:
    with torch.device("meta"):
        slots = len(G_SIZES[resolution]) + 1
        G = biggan.Generator(resolution, CH, 2 * slots, 3, attention=(), shared_dim=2)
        assert stages(G, torch.zeros(1, 2 * slots), torch.zeros(1, 2)) == wide(G_SIZES[resolution])


@pytest.mark.parametrize("resolution", D_SIZES)
def test_discriminator(resolution: int) -> None:
    with torch.device("meta"):
        D = biggan.Discriminator(resolution, CH, 0, attention=())
        assert stages(D, torch.zeros(1, 3, resolution, resolution)) == wide(D_SIZES[resolution])


@pytest.mark.parametrize("resolution", G_SIZES)
def test_deep_generator(resolution: int) -> None:
    """Two blocks a stage: the first keeps width and size of its input, the second changes both."""
    with torch.device("meta"):
        G = biggan_deep.Generator(resolution, CH, 2, 3, attention=(), shared_dim=2)
        seen = stages(G, torch.zeros(1, 2), torch.zeros(1, 2))
    after = wide(G_SIZES[resolution])
    assert seen[1::2] == after
    assert seen[0::2] == [(after[0][0], 4), *after[:-1]]


@pytest.mark.parametrize("resolution", DEEP_D_SIZES)
def test_deep_discriminator(resolution: int) -> None:
    with torch.device("meta"):
        D = biggan_deep.Discriminator(resolution, CH, 0, attention=())
        assert D.input_conv.out_channels == CH * (1 if resolution >= 64 else 4)
        assert stages(D, torch.zeros(1, 3, resolution, resolution)) == wide(DEEP_D_SIZES[resolution])


def wide(sizes: Sizes) -> Sizes:
    return [(multiplier * CH, size) for multiplier, size in sizes]


# G: after the block whose OUTPUT has that size; of BigGAN-deep's two blocks of a stage, after the second
PLACES = {
    (biggan.Generator, 128, 64): "3.1",
    (biggan.Generator, 256, 128): "4.1",
    (biggan.Generator, 512, 64): "3.1",
    (biggan.Discriminator, 128, 64): "0.1",
    (biggan.Discriminator, 256, 64): "1.1",
    (biggan.Discriminator, 512, 64): "2.1",
    (biggan_deep.Generator, 128, 64): "7.1",
    (biggan_deep.Generator, 256, 64): "7.1",
    (biggan_deep.Discriminator, 128, 64): "0.2",
    (biggan_deep.Discriminator, 256, 64): "1.2",
    (biggan_deep.Discriminator, 512, 128): "1.2",
}


@pytest.mark.parametrize(("kind", "resolution", "size"), PLACES)
def test_attention_stands_after_the_block_of_its_size(kind: type[nn.Module], resolution: int, size: int) -> None:
    generates = "Generator" in kind.__name__
    seen = []
    with torch.device("meta"):
        network = kind(resolution, 16, attention=(size,), num_classes=2, **({"dim_z": 168} if generates else {}))
        names = [name for name, module in network.named_modules() if isinstance(module, Attention)]
        assert names == [f"blocks.{PLACES[kind, resolution, size]}"]
        network.get_submodule(names[0]).register_forward_hook(lambda _module, _args, h: seen.append(h.shape[2]))
        y = torch.zeros(1, dtype=torch.int64)
        if generates:
            network(torch.zeros(1, 168), network.shared(y))
        else:
            network(torch.zeros(1, 3, resolution, resolution), y)
    assert seen == [size]


@pytest.mark.parametrize("module", [biggan, biggan_deep])
@pytest.mark.parametrize("kind", ["Generator", "Discriminator"])
def test_one_eps_reaches_every_spectral_layer(module, kind: str) -> None:
    """D's class embedding, attention and the projections of batch norm too."""
    network = getattr(module, kind)(8, ch=8, num_classes=3, attention=(8 if kind == "Generator" else 4,), sn_eps=0.125)
    layers = [m for m in network.modules() if isinstance(m, SNConv2d | SNLinear | SNEmbedding)]
    assert any(isinstance(layer, SNLinear) for layer in layers)
    assert any(isinstance(layer, SNEmbedding) for layer in layers) == (kind == "Discriminator")
    assert {layer.sn_eps for layer in layers} == {0.125}
