"""The average: by formula, a plain copy before its start, warming up, how far it will have moved at the end."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ganvas.engine.ema import Average, averaged, unmoved
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


def test_the_decay_warms_up_by_formula() -> None:
    """(1 + i) / (10 + i) until that is more than `ema`; a copy before its start, however warm."""
    gan = tiny.build("wgan", ema=0.9, ema_ramp=True, ema_start=2)
    for iteration, decay in {0: 0.0, 1: 0.0, 2: 3 / 12, 8: 9 / 18, 79: 80 / 89, 80: 0.9, 81: 0.9, 10**6: 0.9}.items():
        gan.iteration = iteration
        assert gan.decay() == pytest.approx(decay)
    assert tiny.build("wgan", ema=0.9).decay() == 0.9  # without a ramp it is `ema` from the start
    gan.iteration = 1
    average = Average(gan)
    before = next(gan.G.parameters()).detach().clone()
    moved(gan, 8, 0.5)
    average.update()
    torch.testing.assert_close(next(average.players["G"].parameters()), before + 0.5 * 0.5)


def test_the_paper_says_how_fast_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = tiny.build("wgan", ema=0.5)
    monkeypatch.setattr(gan, "decay", lambda: 0.75)
    average = Average(gan)
    before = next(gan.G.parameters()).detach().clone()
    moved(gan, 1, 1.0)
    average.update()
    torch.testing.assert_close(next(average.players["G"].parameters()), before + 0.25)


@pytest.mark.parametrize(
    ("values", "share"),
    [
        ({"ema": 0.75}, 0.75**6),  # 48 images: 6 iterations of 2 critic steps with 4 images each
        ({"ema": 0.75, "n_critic": 1}, 0.75**12),
        ({"ema": 0.75, "batch": 8}, 0.75**3),
        ({"ema": 0.75, "ema_start": 1}, 0.75**6),
        ({"ema": 0.75, "ema_start": 2}, 0.0),  # before its start it is a copy: nothing of the first weights is left
        ({"ema": 0.999, "ema_ramp": True}, 2 / 11 * 3 / 12 * 4 / 13 * 5 / 14 * 6 / 15 * 7 / 16),
        ({"ema": 0.01}, 0.0),
    ],
)
def test_what_will_be_left_of_the_first_weights(values: dict[str, Any], share: float) -> None:
    gan = tiny.build("wgan", **values)
    gan.iteration = 5
    assert unmoved(gan) == pytest.approx(share, abs=1e-4)
    assert gan.iteration == 5


def test_that_share_is_what_an_average_does_hold() -> None:
    """The forecast against the average itself, over the iterations of a run."""
    gan = tiny.build("wgan", ema=0.75, ema_ramp=True)
    share, average = unmoved(gan), Average(gan)
    with torch.no_grad():
        for p in average.players.parameters():
            p.fill_(1.0)
        for p in gan.parameters():
            p.zero_()
    for iteration in range(1, 7):
        gan.iteration = iteration
        average.update()
    held = next(average.players.parameters())
    torch.testing.assert_close(held, torch.full_like(held, share))


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
