"""Random numbers by name: a path is a stream, a seed is a latent, and the global state is nobody's business."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas import rng
from ganvas.errors import InputError


def test_a_path_is_a_stream() -> None:
    first, again, other = (torch.randn(8, generator=rng.generator("step", 0, k)) for k in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_unlike_paths_never_share_a_stream() -> None:
    """Neither neighbours, nor the same numbers under another name, nor digits that run together."""
    paths: list[tuple[int | str, ...]] = [("z", i) for i in range(12)]
    paths += [("order", s, i) for s in range(3) for i in range(12)]
    paths += [("step", s, i, player, k) for s in range(3) for i in range(12) for player in "DG" for k in range(3)]
    seeds = {rng.generator(*path).initial_seed() for path in paths}
    assert len(seeds) == len(paths)
    assert rng.generator("z", 1, 23).initial_seed() != rng.generator("z", 12, 3).initial_seed()


def test_streams_do_not_change_between_versions() -> None:
    """One seed is one image, for good: these numbers stand in everybody's notes."""
    assert rng.generator("z", 0).initial_seed() == 5_663_965_941_038_988_648
    torch.testing.assert_close(rng.noise([0], 3)[0], torch.tensor([-0.3428748, -0.0450931, 0.1298459]))
    assert rng.labels(range(12), 1000).tolist() == [113, 564, 182, 317, 80, 672, 397, 246, 789, 271, 115, 991]


def test_a_latent_depends_on_its_seed_alone() -> None:
    z = rng.noise([5, 6, 7], 16)
    assert torch.equal(z[1:2], rng.noise([6], 16))
    assert torch.equal(z[2:], rng.noise([7, 5, 6], 16)[:1])


def test_latents_are_standard_normal() -> None:
    z = rng.noise(range(2000), 16)
    assert z.mean().abs() < 0.02
    assert (z.std() - 1).abs() < 0.02
    assert torch.corrcoef(z.t()).fill_diagonal_(0).abs().max() < 0.1  # entries of one seed
    assert torch.corrcoef(rng.noise(range(32), 2000)).fill_diagonal_(0).abs().max() < 0.1  # seeds side by side


def test_uniform_latents_fill_the_box_and_shrink_by_a_factor() -> None:
    z = rng.uniform(range(2000), 16)
    assert -1 <= z.min() < -0.999
    assert 0.999 < z.max() <= 1
    assert (z.std() - 3**-0.5).abs() < 0.01
    assert torch.equal(z[5:6], rng.uniform([5], 16))
    assert rng.factor(None, "resample") == rng.factor(1.0, "scale") == 1.0
    assert rng.factor(0.02, "resample") == 0.02
    for truncation, form in ((0.0, "scale"), (-1.0, "scale"), (1.1, "resample"), (0.5, "clamp")):
        with pytest.raises(InputError, match="above 0, at most 1"):
            rng.factor(truncation, form)  # type: ignore[arg-type]


def test_labels_are_uniform_and_by_seed() -> None:
    y = rng.labels(range(3000), 3)
    assert torch.bincount(y, minlength=3).min() > 900
    assert torch.equal(y[10:12], rng.labels([10, 11], 3))


def test_the_label_of_a_seed_has_a_stream_of_its_own() -> None:
    """Not that of the latent: or a class would come with its own corner of the noise."""
    expected = [int(torch.randint(1000, (1,), generator=rng.generator("y", seed))) for seed in range(20)]
    assert rng.labels(range(20), 1000).tolist() == expected
    from_noise = [int(torch.randint(1000, (1,), generator=rng.generator("z", seed))) for seed in range(20)]
    assert sum(a == b for a, b in zip(expected, from_noise)) < 5


@pytest.mark.parametrize("seed", [0, 2**62, 10**30])
def test_the_global_state_stays_as_it_was(seed: int) -> None:
    before = torch.get_rng_state()
    rng.noise([seed], 4)
    rng.labels([seed], 4)
    rng.latents([seed], 4, 0.5)
    assert torch.equal(before, torch.get_rng_state())


def test_without_truncation_it_is_the_prior_itself() -> None:
    assert torch.equal(rng.latents([1, 2], 8, None), rng.noise([1, 2], 8))


def test_truncation_by_drawing_again_keeps_what_is_inside() -> None:
    plain, z = rng.noise(range(50), 16), rng.latents(range(50), 16, 0.5)
    inside = plain.abs() <= 0.5
    torch.testing.assert_close(z[inside], plain[inside])
    assert z.abs().max() <= 0.5
    assert abs(z.std() - 0.5 / math.sqrt(3)) < 0.02  # nearly uniform there, and nothing piled up on the threshold
    assert (z.abs() > 0.499).float().mean() < 0.02


def test_truncation_by_scale_is_that_of_two_made_smaller() -> None:
    z = rng.latents(range(50), 16, 0.5, "scale")
    torch.testing.assert_close(z, 0.5 * rng.latents(range(50), 16, 2.0))
    assert 0.9 < z.abs().max() <= 1


def test_truncation_by_clamping_moves_both_tails_onto_the_threshold() -> None:
    plain = rng.noise(range(50), 16)
    z = rng.latents(range(50), 16, 0.5, "clamp")
    assert (z.min(), z.max()) == (-0.5, 0.5)
    torch.testing.assert_close(z, plain.minimum(torch.tensor(0.5)).maximum(torch.tensor(-0.5)))


def test_the_great_circle() -> None:
    """A third of the way from east to north is 30 degrees; lengths go along; parallel rows are mixed on a line."""
    a = torch.tensor([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    b = torch.tensor([[0.0, 1.0], [0.0, 2.0], [3.0, 0.0], [-1.0, 0.0]])
    cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
    expected = torch.tensor([[cos, sin], [2 * cos, 2 * sin], [5 / 3, 0.0], [1 / 3, 0.0]])
    torch.testing.assert_close(rng.slerp(a, b, 1 / 3), expected, rtol=1e-5, atol=1e-5)


def test_the_great_circle_begins_and_ends_where_told() -> None:
    a, b = rng.noise([1, 2, 3], 16), rng.noise([4, 5, 6], 16)
    torch.testing.assert_close(rng.slerp(a, b, 0.0), a)
    torch.testing.assert_close(rng.slerp(a, b, 1.0), b)
    for weight in (0.0, 0.3, 1.0):  # cosines of 1 but for rounding are no trouble
        torch.testing.assert_close(rng.slerp(a, a, weight), a)


@pytest.mark.parametrize("form", ["resample", "scale", "clamp"])
@pytest.mark.parametrize("truncation", [0.0, -1.0, math.nan, math.inf])
def test_impossible_truncations(truncation: float, form: rng.TruncationForm) -> None:
    with pytest.raises(InputError, match="expected a number above 0"):
        rng.latents([0], 4, truncation, form)


def test_drawing_again_ends_in_this_life() -> None:
    """From 0.01 on it is done; below, it is refused, and the other forms are not."""
    assert rng.latents([0], 4, 0.01).abs().max() <= 0.01
    with pytest.raises(InputError, match="almost for ever"):
        rng.latents([0], 4, 0.0099)
    assert rng.latents([0], 4, 0.0099, "scale").abs().max() < 0.02
    assert rng.latents([0], 4, 0.0099, "clamp").abs().max() < 0.01


def test_classes_as_rows() -> None:
    rows = rng.one_hot(torch.tensor([2, 0]), 3)
    torch.testing.assert_close(rows, torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    assert rng.one_hot(None, 3) is None
