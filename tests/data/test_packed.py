"""Six bits an entry: what comes back, how near it is, how many bytes it takes."""

from __future__ import annotations

import pytest
import torch

from ganvas.data.packed import pack, packed_bytes, unpack


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5, 2048])
def test_vectors_on_the_levels_come_back(dim: int) -> None:
    """-1 + 2 i / 63 are levels themselves, wherever a row has both ends."""
    levels = torch.randint(0, 64, (9, dim), generator=torch.Generator().manual_seed(dim))
    levels[:, 0], levels[:, -1] = 63, 0 if dim > 1 else 63
    x = torch.nn.functional.normalize(-1 + 2 * levels / 63, dim=1)
    codes, ranges = pack(x)
    assert codes.dtype == torch.uint8
    assert codes.shape == (9, packed_bytes(dim))
    torch.testing.assert_close(unpack(codes, ranges, dim), x, rtol=1e-5, atol=1e-6)


def test_features_of_a_resnet_stay_near() -> None:
    """Means of a positive part over 49 places, 2048 of them: cosine above 0.998, lengths 1."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(20, 2048, 49, generator=rng).sub(1).clamp_min(0).mean(2) * torch.rand(20, 2048, generator=rng) ** 3
    x = torch.nn.functional.normalize(x, dim=1)
    back = unpack(*pack(x), 2048)
    torch.testing.assert_close(back.norm(dim=1), torch.ones(20))
    assert (back * x).sum(1).min() > 0.998
    assert packed_bytes(2048) * 8 == 2048 * 6


def test_a_vector_of_equal_numbers_has_no_range() -> None:
    x = torch.full((2, 8), 8**-0.5)
    torch.testing.assert_close(unpack(*pack(x), 8), x)
