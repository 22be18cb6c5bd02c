"""What a checkpoint counts and when it has its name; what a step logs; what is never saved; what a feed remembers."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas import rng
from ganvas.engine import checkpoint
from ganvas.engine.checkpoint import State
from ganvas.engine.feed import Feed
from ganvas.engine.step import NonFinite, iterate
from ganvas.engine.train import new_state
from ganvas.gan import Batch, Drawn, Loss, Phase
from tests import tiny
from tests.engine.test_randomness import Books, Witness, noise, ran

CPU = torch.device("cpu")
COUNTERS = ("seconds", "best", "diversity", "rollbacks")


def state_of(**counters: Any) -> State:
    state = new_state(tiny.build("wgan"), CPU)
    for name, value in counters.items():
        setattr(state, name, value)
    return state


@pytest.mark.parametrize("best", [None, {"FD-own": 12.5, "images": 640}])
def test_every_counter_comes_back(tmp_path: Path, best: dict[str, float] | None) -> None:
    saved = state_of(seconds=71.25, best=best, diversity=0.75, rollbacks=2)
    saved.gan.iteration, saved.gan.images_seen = 41, 328
    checkpoint.save(saved, tmp_path)
    found = state_of(seconds=1.0, best={"other": 1.0, "images": 1}, diversity=0.1, rollbacks=1)
    checkpoint.restore(found, tmp_path)
    assert [getattr(found, name) for name in COUNTERS] == [71.25, best, 0.75, 2]
    assert (found.gan.iteration, found.gan.images_seen) == (41, 328)


def test_a_checkpoint_has_its_name_once_its_tensors_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the folder that holds the name is brought there behind it: else a crash leaves a name without content."""
    events: list[tuple[str, bool]] = []
    final = tmp_path / "checkpoints" / "000000000000"
    monkeypatch.setattr(checkpoint, "sync", lambda path: events.append((path.name, final.exists())))
    assert checkpoint.save(state_of(), tmp_path / "checkpoints") == final
    assert events == [("state.safetensors", False), ("checkpoints", True)]


def test_the_gradients_norm_is_that_of_the_whole_player_and_the_whole_batch() -> None:
    """3 w + 4 b has the gradient (3, 4) of length 5, in however many parts."""
    for parts in (1, 2):
        gan = Witness(accumulate=parts)
        w, b = gan.D.weight, gan.D.bias

        def loss(real: Batch, drawn: Drawn, w: torch.Tensor = w, b: torch.Tensor = b) -> Loss:
            return Loss(3 * w[0, 0] + 4 * b[0])

        gan.phases = lambda loss=loss: [Phase("D", "D", loss)]  # type: ignore[method-assign]
        real = noise().rows(Feed(noise(), 0, CPU).take, torch.arange(4), None, torch.zeros(4, 0))
        logs, _ = iterate(gan, lambda k, real=real: real, new_state(gan, CPU).optimisers, partial(rng.generator, 0))
        assert logs["D/grad"] == pytest.approx(5.0)


@pytest.mark.parametrize("averaged", [False, True])
def test_a_weight_that_is_no_number_is_not_saved(tmp_path: Path, averaged: bool) -> None:
    """Neither of the live players nor of the average: nothing is written."""
    state = new_state(Witness(ema=0.5), CPU)
    assert state.average is not None
    players = state.average.players if averaged else state.gan
    run = Books(tmp_path)
    next(players.G.parameters()).data[0, 0] = float("inf")
    with pytest.raises(NonFinite, match=r"G\.weight of the model is not finite"):
        run.save(state)
    assert run.used["model"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_line_of_the_log_is_the_mean_since_the_line_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Witness.loss

    def logged(self: Witness, real: Batch, drawn: Drawn) -> Loss:
        return Loss(plain(self, real, drawn).total, {"iteration_seen": torch.tensor(float(self.iteration))})

    monkeypatch.setattr(Witness, "loss", logged)
    ran(tmp_path, every=16)  # two iterations
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert [line["iteration_seen"] for line in lines if "iteration_seen" in line] == [0.5, 2.5, 4.5]


def test_a_feed_remembers_two_epochs_at_most() -> None:
    feed = Feed(noise(), 0, CPU)
    for position in range(0, 100, 5):
        feed.batch(position, 5)
        assert len(feed.orders) <= 2
