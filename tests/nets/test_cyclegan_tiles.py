"""The generator tile by tile against the whole image: equal everywhere, instance norm included."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ganvas.nets import cyclegan_tiles
from ganvas.nets.cyclegan import Generator, instance_norm
from ganvas.nets.cyclegan_tiles import measured


def generator(num_blocks: int = 2) -> Generator:
    """Weights large enough that what a layer sees counts."""
    torch.manual_seed(1)
    G = Generator(3, 2, width=3, num_blocks=num_blocks).double()
    for p in G.parameters():
        torch.nn.init.normal_(p, 0.0, 0.3)
    return G.eval()


def landscape(height: int, width: int, num: int = 1) -> Tensor:
    """Dark above, light below, with noise: tiles whose statistics are unlike those of the whole."""
    noise = torch.randn(num, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (noise * 0.3 + torch.linspace(-1, 1, height, dtype=torch.float64)[:, None]).clamp(-1, 1)


@pytest.mark.parametrize(("height", "width"), [(150, 90), (64, 201), (97, 101), (40, 30), (5, 133)])
def test_tiles_equal_the_whole_image_with_instance_norm(height: int, width: int) -> None:
    G, x = generator(), landscape(height, width, num=2)
    with torch.no_grad():
        whole = G(x)
    made = G.in_tiles(x, 32)
    assert made.shape == whole.shape
    assert_close(made, whole, rtol=0, atol=1e-10)


def test_tiles_alone_would_not_be_equal() -> None:
    """What the test above guards: tiles that are each normalised by themselves differ by far."""
    G, x = generator(), landscape(128, 64)
    with torch.no_grad():
        whole = G(x)
        assert (G(x[:, :, :64]) - whole[:, :, :64])[:, :, :24].abs().max() > 0.1


@pytest.mark.parametrize(("name", "smaller"), [("STEM", 0), ("HEAD", 1)])
def test_the_borders_are_no_wider_than_needed(monkeypatch, name: str, smaller: int) -> None:
    """The stem's 6 pixels are rounded up to 8, a multiple of its strides."""
    G, x = generator(), landscape(96, 96)
    with torch.no_grad():
        whole = G(x)
    monkeypatch.setattr(cyclegan_tiles, name, smaller)
    assert (G.in_tiles(x, 32) - whole).abs().max() > 1e-4


def test_float32_and_uneven_tiles() -> None:
    G, x = generator(1).float(), landscape(70, 70).float()
    with torch.no_grad():
        whole = G(x)
    for tile in (35, 64, 200):
        assert_close(G.in_tiles(x, tile), whole, rtol=0, atol=1e-4)


def test_no_more_than_a_tile_goes_through_the_network_and_progress_is_told() -> None:
    G, told, sizes = generator(), [], []
    G.first.register_forward_hook(lambda net, given, made: sizes.append(max(given[0].shape[2:])))
    G.last.register_forward_hook(lambda net, given, made: sizes.append(max(given[0].shape[2:])))
    made = G.in_tiles(landscape(128, 96), 32, lambda done, of: told.append((done, of)))
    assert not made.requires_grad
    assert max(sizes) <= 32 + 2 * 12
    assert told == [(i + 1, len(told)) for i in range(len(told))]
    assert len(told) == 12 * (3 + 2 * 2 + 3)


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    x = torch.randn(2, 3, 20, 30, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 5 + 100
    norm = measured([x[:, :, :7], x[:, :, 7:, :11], x[:, :, 7:, 11:]])
    assert_close(norm(x), instance_norm(x), rtol=0, atol=1e-9)
    assert_close(norm.mean, x.mean((2, 3), keepdim=True))
