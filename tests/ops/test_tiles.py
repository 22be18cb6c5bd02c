"""Tiles against the whole image: equal where nothing is seen beyond the margin, without seams elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.nets import cyclegan
from ganvas.nets.cyclegan import Generator
from ganvas.ops.tiles import by_tiles, crop, pad_to_multiple


def image(height: int, width: int) -> torch.Tensor:
    return torch.randn(2, 1, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def generator() -> Generator:
    torch.manual_seed(1)
    G = Generator(1, 2, width=2, num_blocks=1).double()
    for p in G.parameters():
        torch.nn.init.normal_(p, 0.0, 0.3)
    return G


@pytest.mark.parametrize(("height", "width"), [(96, 128), (101, 63), (64, 203), (40, 64)])
def test_equal_to_the_whole_image_when_the_margin_covers_what_is_seen(monkeypatch, height: int, width: int) -> None:
    monkeypatch.setattr(cyclegan, "instance_norm", lambda x: x)
    G, x = generator(), image(height, width)
    with torch.no_grad():
        whole = G(x)
    assert_close(by_tiles(G, x, tile=64, overlap=44, margin=G.reach), whole)
    if height > 64 or width > 64:
        assert (by_tiles(G, x, tile=64, overlap=44, margin=8) - whole).abs().max() > 1e-6
        shifted = by_tiles(G, x, tile=63, overlap=44, margin=G.reach, multiple=1)
        assert (shifted - whole).abs().max() > 1e-3  # off the grid of the strides


def test_instance_norm_makes_tiles_differ_and_blending_hides_the_seam() -> None:
    """A mean of its own in every tile: of a slope, tiles that are only cut make a step, blended ones none."""

    def centred(x: torch.Tensor) -> torch.Tensor:
        return x - x.mean((2, 3), keepdim=True)

    x = torch.arange(92.0, dtype=torch.float64).expand(1, 1, 8, 92)
    cut, blended = (by_tiles(centred, x, tile=64, overlap=36, margin=margin) for margin in (18, 2))
    assert_close((cut - centred(x)).abs().max().item(), 14.0)  # the means are 14 to either side of the whole one
    assert_close((blended - centred(x)).abs().max().item(), 14.0)
    assert_close(cut.diff(dim=3).abs().max().item(), 27.0)
    assert blended.diff(dim=3).abs().max() < 1.01  # the slope itself is 1


def test_the_weights_fall_linearly() -> None:
    """Each tile paints its number: 1, then 2; between them a straight line, outside the margins."""
    painted: list[int] = []

    def paint(x: torch.Tensor) -> torch.Tensor:
        painted.append(x.shape[3])
        return torch.full_like(x, float(len(painted)))

    out = by_tiles(paint, image(4, 24), tile=16, overlap=8, margin=2, multiple=1)[0, 0, 0]
    assert painted == [16, 16]
    assert_close(out[:10], torch.ones(10, dtype=torch.float64))
    assert_close(out[10:14], 1 + torch.arange(1, 5, dtype=torch.float64) / 5)
    assert_close(out[14:], torch.full((10,), 2.0, dtype=torch.float64))


@pytest.mark.parametrize("side", range(17, 60, 3))
def test_every_pixel_is_covered_by_tiles_on_the_grid(side: int) -> None:
    x = image(side, side + 1)
    starts = torch.arange(side + 1, dtype=torch.float64).expand(2, 1, side, -1)
    seen: list[tuple[int, int]] = []

    def same(tile: torch.Tensor) -> torch.Tensor:
        seen.append((int(tile[0, 0, 0, 0]), tile.shape[3]))
        return tile

    assert_close(by_tiles(same, starts, tile=16, overlap=4, margin=2), starts)
    assert all(start % 4 == 0 and length < 20 for start, length in seen)
    assert len(seen) == 1 or side >= 19  # a few pixels more do not make a second tile
    for tile, overlap, margin in ((16, 9, 1), (16, 6, 3)):
        assert_close(by_tiles(lambda t: t, x, tile, overlap, margin=margin), x)


def test_no_more_than_one_tile_is_held_and_progress_is_told() -> None:
    sizes, told = [], []

    def fn(x: torch.Tensor) -> torch.Tensor:
        sizes.append(x.numel())
        return x.repeat(1, 3, 1, 1).float()

    out = by_tiles(fn, image(200, 100), 32, 8, progress=lambda done, of: told.append((done, of)))
    assert out.shape == (2, 3, 200, 100)
    assert out.dtype == torch.float32
    assert max(sizes) <= 2 * 35 * 35
    assert told == [(i + 1, len(sizes)) for i in range(len(sizes))]
    assert not by_tiles(lambda x: x, image(20, 20).requires_grad_(), 16, 4).requires_grad


@pytest.mark.parametrize(("tile", "overlap", "margin"), [(0, 0, 0), (16, 13, 0), (16, 8, 5), (16, 8, -1), (16, -1, 0)])
def test_tiles_that_do_not_fit_are_one_line(tile: int, overlap: int, margin: int) -> None:
    with pytest.raises(InputError, match=f"tile {tile}, overlap {overlap} and margin {margin} do not fit"):
        by_tiles(lambda x: x, image(20, 20), tile, overlap, margin=margin)


def test_a_network_that_changes_the_size_is_one_line() -> None:
    with pytest.raises(InputError, match=r"the network makes \[8, 8\] pixels of \[16, 16\]"):
        by_tiles(lambda x: x[..., ::2, ::2], image(32, 32), 16, 4)


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
