"""Tiles against the whole image: equal where nothing is seen beyond the border; padding and cropping."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import cyclegan
from ganvas.nets.cyclegan import Generator
from ganvas.ops.tiles import by_tiles, count, crop, pad_to_multiple, parts


def image(height: int, width: int) -> torch.Tensor:
    return torch.randn(2, 1, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def generator() -> Generator:
    torch.manual_seed(1)
    G = Generator(1, 2, width=2, num_blocks=1).double()
    for p in G.parameters():
        torch.nn.init.normal_(p, 0.0, 0.3)
    return G


@pytest.mark.parametrize(("height", "width"), [(96, 128), (101, 63), (64, 203), (40, 64)])
def test_equal_to_the_whole_image_when_the_border_covers_what_is_seen(monkeypatch, height: int, width: int) -> None:
    monkeypatch.setattr(cyclegan, "instance_norm", lambda x: x)
    G, x = generator(), image(height, width)
    with torch.no_grad():
        whole = G(x)
    assert_close(by_tiles(G, x, 64, G.reach, multiple=4), whole)
    if height > 64 or width > 64:
        assert (by_tiles(G, x, 64, 8, multiple=4) - whole).abs().max() > 1e-6
        shifted = by_tiles(G, x, 63, 20 + 1, multiple=1)
        assert (shifted - whole).abs().max() > 1e-3  # off the grid of the strides


@pytest.mark.parametrize(
    ("layer", "halo", "sizes"),
    [
        (nn.Conv2d(1, 2, 5, padding=2, padding_mode="reflect"), 2, {}),
        (nn.Conv2d(1, 2, 3, stride=2, padding=1), 1, {"down": 2, "multiple": 2}),
        (nn.ConvTranspose2d(1, 2, 3, stride=2, padding=1, output_padding=1), 1, {"up": 2}),
    ],
)
def test_layers_that_change_the_size(layer: nn.Module, halo: int, sizes: dict[str, int]) -> None:
    x = image(28, 38)
    with torch.no_grad():
        whole = layer.double()(x)
    assert_close(by_tiles(layer, x, 8, halo, **sizes), whole)
    assert (by_tiles(layer, x, 8, 0, **sizes) - whole).abs().max() > 1e-3


@pytest.mark.parametrize("side", range(17, 40, 3))
def test_every_pixel_is_made_once_by_tiles_on_the_grid(side: int) -> None:
    starts = torch.arange(side + 1, dtype=torch.float64).expand(2, 1, side, -1)
    seen: list[tuple[int, int]] = []

    def same(tile: torch.Tensor) -> torch.Tensor:
        seen.append((int(tile[0, 0, 0, 0]), tile.shape[3]))
        return tile

    times = torch.zeros(side, side + 1)
    for place, part in parts(same, starts, 16, 3, multiple=4):
        times[place] += 1
        assert_close(part, starts[(..., *place)])
    assert (times == 1).all()
    assert all(start % 4 == 0 and length <= 16 + 2 * 4 for start, length in seen)
    assert len(seen) == count(starts, 16)


def test_no_more_than_one_tile_is_held_and_progress_is_told() -> None:
    sizes, told = [], []

    def fn(x: torch.Tensor) -> torch.Tensor:
        sizes.append(x.numel())
        return x.repeat(1, 3, 1, 1).float()

    out = by_tiles(fn, image(200, 100), 32, 4, progress=lambda done, of: told.append((done, of)))
    assert out.shape == (2, 3, 200, 100)
    assert out.dtype == torch.float32
    assert max(sizes) <= 2 * 40 * 40
    assert told == [(i + 1, len(sizes)) for i in range(len(sizes))]
    assert not by_tiles(lambda x: x, image(20, 20).requires_grad_(), 16, 4).requires_grad


@pytest.mark.parametrize(("tile", "halo"), [(0, 0), (18, 4), (16, -1)])
def test_tiles_that_do_not_fit_are_one_line(tile: int, halo: int) -> None:
    with pytest.raises(InputError, match=f"tiles of {tile} pixels with {halo} around given, expected multiples of 4"):
        by_tiles(lambda x: x, image(20, 20), tile, halo, multiple=4)


def test_a_network_that_makes_another_size_is_one_line() -> None:
    with pytest.raises(InputError, match=r"the network makes \[8, 8\] pixels where a tile needs \[16, 16\]"):
        by_tiles(lambda x: x[..., ::2, ::2], image(32, 32), 16, 0)


def test_padding_mirrors_and_cropping_undoes_it() -> None:
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert pad_to_multiple(x, 1) is x
    assert pad_to_multiple(x[..., :2], 2).shape == (1, 1, 2, 2)
    padded = pad_to_multiple(image(5, 7), 4)
    assert padded.shape == (2, 1, 8, 8)
    assert torch.equal(padded[..., 5:, :7], image(5, 7)[..., [3, 2, 1], :])
    assert torch.equal(crop(padded, 5, 7), image(5, 7))
    with pytest.raises(InputError, match="an image of 3x2 pixels is too small"):
        pad_to_multiple(x, 8)
