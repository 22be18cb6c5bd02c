"""Random numbers by name: a path is a stream, a seed is a latent, and the global state is nobody's business."""

from __future__ import annotations

import pytest
import torch

from ganvas import rng


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


def test_labels_are_uniform_and_by_seed() -> None:
    y = rng.labels(range(3000), 3)
    assert torch.bincount(y, minlength=3).min() > 900
    assert torch.equal(y[10:12], rng.labels([10, 11], 3))


@pytest.mark.parametrize("seed", [0, 2**62, 10**30])
def test_the_global_state_stays_as_it_was(seed: int) -> None:
    before = torch.get_rng_state()
    rng.noise([seed], 4)
    rng.labels([seed], 4)
    rng.latents([seed], 4, 0.5)
    assert torch.equal(before, torch.get_rng_state())


def test_without_truncation_it_is_the_prior_itself() -> None:
    assert torch.equal(rng.latents([1, 2], 8, None), rng.noise([1, 2], 8))
