"""CutMix masks: the rule box by box, the statistics of the authors' sampler, and the seed."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from ganvas.ops.cutmix import cutmix_masks, mix


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_boxes_one_by_one():
    """Side floor(S sqrt(1 - lambda)), halved and rounded down to either side of the centre, cut at the border."""
    n, height, width = 200, 9, 14
    rng = generator(0)
    area = 1 - torch.rand(n, generator=rng)
    y = torch.randint(height, (n,), generator=rng)
    x = torch.randint(width, (n,), generator=rng)
    flip = torch.rand(n, generator=rng)
    masks = cutmix_masks(n, height, width, generator(0))
    for i in range(n):
        h, w = (int(length * area[i].item() ** 0.5) // 2 for length in (height, width))
        expected = torch.ones(1, height, width)
        expected[0, max(y[i] - h, 0) : min(y[i] + h, height), max(x[i] - w, 0) : min(x[i] + w, width)] = 0
        assert torch.equal(masks[i], 1 - expected if flip[i] < 0.5 else expected), i


@pytest.mark.parametrize(("side", "box"), [(128, 0.315), (256, 0.319)])
def test_areas_are_those_of_the_authors(side, box):
    """Box: mean, median 0.30, 5 % below 0.039, 5 % above 0.653; mask: mean 0.50, deviation 0.26."""
    rng = generator(1)
    rows = []
    for _ in range(10):
        masks = cutmix_masks(200, side, side, rng)
        rows.append(torch.stack([masks.mean((1, 2, 3)), outside(masks)]))
    of_mask, around = torch.cat(rows, 1)
    of_box = torch.where(around == 1, 1 - of_mask, of_mask)
    assert of_box.mean().item() == pytest.approx(box, abs=0.015)
    low, middle, high = of_box.quantile(torch.tensor([0.05, 0.5, 0.95])).tolist()
    assert (low, middle, high) == (
        pytest.approx(0.039, abs=0.015),
        pytest.approx(0.30, abs=0.025),
        pytest.approx(0.653, abs=0.03),
    )
    assert of_mask.mean().item() == pytest.approx(0.5, abs=0.02)
    assert of_mask.std().item() == pytest.approx(0.26, abs=0.02)
    assert around.mean().item() == pytest.approx(0.5, abs=0.05)


def outside(masks: torch.Tensor) -> torch.Tensor:
    """The value outside the box, told by the corners: it holds one of the four at most, unless it is all there is."""
    return (masks[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]].sum(1) > 2).float()


def test_shape_values_and_seed():
    masks = cutmix_masks(16, 8, 12, generator(2))
    assert (masks.shape, masks.dtype) == ((16, 1, 8, 12), torch.float32)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(masks, cutmix_masks(16, 8, 12, generator(2)))
    assert not torch.equal(masks, cutmix_masks(16, 8, 12, generator(3)))
    state = torch.get_rng_state()
    cutmix_masks(2, 8, 8, generator(2))
    assert torch.equal(torch.get_rng_state(), state)


def test_mix_shows_the_real_image_where_the_mask_is_1():
    real, fake = torch.full((2, 3, 2, 2), 5.0), torch.full((2, 3, 2, 2), -1.0)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]], [[[1.0, 1.0], [1.0, 0.0]]]])
    assert_close(mix(real, fake, mask)[0, 2], torch.tensor([[5.0, -1.0], [-1.0, -1.0]]))
    assert_close(mix(real, fake, mask)[1, 0], torch.tensor([[5.0, 5.0], [5.0, -1.0]]))
