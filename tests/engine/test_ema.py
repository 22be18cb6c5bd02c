"""The average: by formula, a plain copy before its start, buffers by their switch, the live players untouched."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganvas.engine.ema import Average, averaged
from ganvas.gan import GAN
from tests import tiny


def moved(gan: GAN, iteration: int, by: float) -> None:
    """What an iteration does, as far as an average can see it."""
    gan.iteration = iteration
    with torch.no_grad():
        for value in gan.state_dict().values():
            value.add_(by if value.is_floating_point() else 1)


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]


def test_the_decay_is_applied_once_an_iteration() -> None:
    gan = tiny.build("wgan", ema=0.75)
    average = Average(gan)
    expected = {k: v.clone() for k, v in gan.G.state_dict().items()}
    for iteration in range(1, 4):
        moved(gan, iteration, 0.5)
        average.update()
        for key, value in gan.G.state_dict().items():
            expected[key] = 0.75 * expected[key] + 0.25 * value if value.is_floating_point() else value.clone()
    torch.testing.assert_close(dict(average.players["G"].state_dict()), expected)


@pytest.mark.parametrize("start", [0, 2])
def test_before_its_start_it_is_a_copy(start: int) -> None:
    gan = tiny.build("wgan", ema=0.75, ema_start=start)
    average = Average(gan)
    for iteration in range(1, 4):
        moved(gan, iteration, 0.5)
        average.update()
        copied = torch.equal(next(average.players["G"].parameters()), next(gan.G.parameters()))
        assert copied == (iteration < start)


def test_ema_averages_batch_norm_buffers() -> None:
    gan = tiny.build("wgan", ema=0.5, ema_buffers="average")
    average = Average(gan)
    before = [m.running_var.clone() for m in norms(gan.G)]
    moved(gan, 1, 1.0)
    average.update()
    assert norms(gan.G)
    for old, live, mean in zip(before, norms(gan.G), norms(average.players["G"])):
        torch.testing.assert_close(mean.running_var, 0.5 * old + 0.5 * live.running_var)
        assert not torch.equal(mean.running_var, live.running_var)
        assert mean.num_batches_tracked == live.num_batches_tracked  # a count is copied, never averaged


def test_or_it_copies_them() -> None:
    gan = tiny.build("wgan", ema=0.5, ema_buffers="copy")
    average = Average(gan)
    moved(gan, 1, 1.0)
    average.update()
    for live, mean in zip(norms(gan.G), norms(average.players["G"])):
        assert torch.equal(mean.running_mean, live.running_mean)
        assert not torch.equal(mean.weight, live.weight)


def test_the_averaged_players_step_in_and_out_again() -> None:
    gan = tiny.build("wgan", ema=0.5)
    average = Average(gan)
    moved(gan, 1, 1.0)
    live, keys = gan.G, list(gan.state_dict())
    with averaged(gan, average):
        assert gan.G is average.players["G"]
        assert list(gan.state_dict()) == keys
    assert gan.G is live
    with pytest.raises(ZeroDivisionError), averaged(gan, average):
        raise ZeroDivisionError
    assert gan.G is live
    with averaged(gan, None):
        assert gan.G is live


def test_the_average_does_not_learn() -> None:
    gan = tiny.build("wgan", ema=0.5)
    average = Average(gan)
    gan.requires_grad_(True)
    assert not any(p.requires_grad for p in average.players.parameters())
    assert "ema" not in "".join(gan.state_dict())
