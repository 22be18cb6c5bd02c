"""Signs of collapse: each rises or falls where it should, and a healthy model raises none."""

import torch

from ganvas.metrics.health import constant_share, diversity_ratio, duplicate_share, score_gap, separation


def images(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_healthy_model() -> None:
    real, fake = images(100, 0), images(100, 1)
    torch.testing.assert_close(diversity_ratio(fake, real), 1.0, atol=0.05, rtol=0)
    assert duplicate_share(fake, real) == 0
    assert constant_share(fake) == 0


def test_a_collapsed_model() -> None:
    real = images(100, 0)
    one = images(1, 2).repeat(100, 1, 1, 1)
    assert diversity_ratio(one, real) < 1e-6
    assert duplicate_share(one, real) == 1
    half = torch.cat([one[:50], images(50, 1)])
    assert duplicate_share(half, real) == 0.5
    torch.testing.assert_close(constant_share(torch.cat([real[:75], torch.full((25, 3, 4, 4), 0.3)])), 0.25)


def test_a_duplicate_is_nearer_than_a_tenth_of_the_usual_distance() -> None:
    """Real points at distance 1; of four samples two are 0.09 and two 0.11 apart."""
    real = torch.arange(20.0)[:, None]
    samples = torch.tensor([[0.0], [0.09], [5.0], [5.11]])
    assert duplicate_share(samples, real) == 0.5
    assert duplicate_share(samples, real, threshold=0.12) == 1
    assert duplicate_share(samples * 3, real * 3) == 0.5


def test_an_image_is_blank_up_to_two_grey_levels() -> None:
    levels = torch.zeros(3, 1, 2, 2)
    levels[1, 0, 0, 0], levels[2, 0, 0, 0] = 1.9 / 255, 2.1 / 255
    torch.testing.assert_close(constant_share(levels), 2 / 3)


def test_scores() -> None:
    assert separation(torch.tensor([1.0, 2, 3]), torch.tensor([0.0, 2])) == (1 + 1.5 + 2) / 6  # a tie counts one half
    assert separation(torch.arange(5.0) + 10, torch.arange(4.0)) == 1
    assert separation(torch.zeros(5), torch.zeros(5)) == 0.5
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 4000, generator=rng)
    torch.testing.assert_close(score_gap(real * 2 + 3, fake * 2), 1.5, atol=0.06, rtol=0)
