"""What a whole run hands to the losses: random numbers, real rows, counters; and whose weights sample, score and stay.

A witness in place of a paper writes down what it is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganvas import config
from ganvas.data import Images
from ganvas.engine import checkpoint
from ganvas.engine.checkpoint import State
from ganvas.engine.feed import Feed
from ganvas.engine.run import Run, Settings
from ganvas.engine.train import new_state, train
from ganvas.gan import GAN, Batch, Code, Drawn, Loss, Phase, Picture

CPU = torch.device("cpu")
STEPS = [("D", 0), ("D", 1), ("G", 0)]  # of an iteration: phase, batch
ITERATIONS = 6  # 48 images, two fresh batches of 4 in each


class Config(config.Config):
    dim_z: int = 3


class Witness(GAN[Config]):
    """Losses by which both players move, and a note of everything that they saw."""

    config_type = Config
    title = "witness"

    def __init__(self, **values: Any) -> None:
        super().__init__(Config(**{"resolution": 4, "channels": 1, "batch": 4, "images": 48, **values}))
        self.G, self.D = nn.Linear(3, 16), nn.Linear(16, 1)
        self.real: list[Tensor] = []
        self.z: list[Tensor] = []
        self.moments: list[tuple[int, int, bool]] = []
        self.learners: list[str] = []
        self.weights: list[Tensor] = []  # G's, as each loss found them

    def phases(self) -> list[Phase]:
        return [Phase("D", "D", self.loss, repeat=2), Phase("G", "G", self.loss)]

    def loss(self, real: Batch, drawn: Drawn) -> Loss:
        self.real.append(real.x)
        self.z.append(drawn.z)
        self.moments.append((self.iteration, self.images_seen, self.training and self.G.training))
        learns = {name for name, player in self.players().items() if any(p.requires_grad for p in player.parameters())}
        self.learners.append("".join(learns))
        self.weights.append(self.G.weight.detach().clone())
        return Loss(self.D(self.G(drawn.z)).square().mean())

    def decode(self, code: Code) -> Tensor:
        return torch.tanh(self.G(code.z)).view(-1, 1, 4, 4)


def noise(m: int = 10) -> Images:
    """Pictures of which each is another, and unlike its mirror image."""
    x = np.random.default_rng(0).integers(0, 256, (m, 1, 4, 4), dtype=np.uint8)
    return Images(x, None, [], "noise", "none", {}, [])


class Books(Run):
    """A run that remembers whose weights it was given, for each use of them."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, noise(), Settings(data="noise", **settings), self.book_weights, self.scored)
        self.used: dict[str, list[Tensor]] = {"model": [], "best": [], "score": []}

    def book_weights(self, gan: GAN, folder: Path, facts: dict[str, str], score: str) -> None:
        self.used["best" if folder.name == "best" else "model"].append(gan.model_state()["G.weight"].clone())

    def scored(self, gan: GAN) -> dict[str, float]:
        self.used["score"].append(gan.model_state()["G.weight"].clone())
        return {"FD-own": 100.0 - gan.images_seen}


def ran(folder: Path, seed: int = 0, rollbacks: int = 0, every: int = 8, **values: Any) -> tuple[Witness, State, Books]:
    """A witness after a run."""
    torch.manual_seed(0)
    state = new_state(Witness(**{"G_lr": 0.01, "D_lr": 0.01, "optimizer": "rmsprop", **values}), CPU)
    state.rollbacks = rollbacks
    folder.mkdir(exist_ok=True)
    run = Books(folder, seed=seed, checkpoint_every=every, sample_every=every, log_every=every)
    train(run, state)
    assert isinstance(state.gan, Witness)
    return state.gan, state, run


def test_no_two_steps_draw_alike(tmp_path: Path) -> None:
    """Of no seed, iteration, phase, repetition or roll-back: and the same run draws the same."""
    drawn: list[Tensor] = []
    for seed in (0, 1):
        for rollbacks in (0, 1):
            drawn += ran(tmp_path / f"{seed}{rollbacks}", seed, rollbacks, 48, images=24)[0].z
    assert len(drawn) == 4 * 3 * len(STEPS)
    assert len({tuple(z.flatten().tolist()) for z in drawn}) == len(drawn)
    again = ran(tmp_path / "again", 1, 1, 48, images=24)[0].z
    assert all(torch.equal(a, b) for a, b in zip(again, drawn[-len(again) :], strict=True))


@pytest.mark.parametrize("flip", [False, True])
def test_losses_see_the_stream_of_the_seed(tmp_path: Path, flip: bool) -> None:
    """Step k of a phase sees batch k of its iteration, mirrored if so set; the next iteration goes on behind it."""
    gan = ran(tmp_path, seed=7, flip=flip)[0]
    feed = Feed(noise(), 7, CPU, flip)
    expected = [feed.batch(8 * i + 4 * k, 4).x for i in range(ITERATIONS) for _, k in STEPS]
    assert len(gan.real) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(gan.real, expected))
    for other in (Feed(noise(), 0, CPU, flip), Feed(noise(), 7, CPU, not flip)):
        assert not torch.equal(other.batch(0, 8).x, feed.batch(0, 8).x), "nor would another stream do"


def test_losses_see_the_counters_of_their_iteration_and_players_that_train(tmp_path: Path) -> None:
    gan, state, _ = ran(tmp_path)
    assert gan.moments == [(i, 8 * i, True) for i in range(ITERATIONS) for _ in STEPS]
    assert gan.learners == [phase for _ in range(ITERATIONS) for phase, _ in STEPS], "nobody else collects gradients"
    assert all(p.requires_grad for p in gan.parameters())
    assert (gan.iteration, gan.images_seen, gan.dataset_size) == (ITERATIONS, 48, 10)
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    logged = [(line["images"], line["iteration"]) for line in lines if "iteration" in line]
    assert logged == [(8 * i, i) for i in range(1, ITERATIONS + 1)]
    assert [int(path.name) for path in checkpoint.checkpoints(tmp_path / "checkpoints")] == [40, 48]
    assert state.best == {"FD-own": 52.0, "images": 48}


def test_what_is_due_is_due_once(tmp_path: Path) -> None:
    """Each time the count passes another multiple of the interval, and at the end."""
    _, _, run = ran(tmp_path, every=20)  # 48 images by 8: after 24, 40 and 48
    assert len(run.used["score"]) == len(run.used["model"]) == 3
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [f"{n:012d}.png" for n in (24, 40, 48)]


def after_iterations(gan: Witness) -> Iterator[Tensor]:
    """G's weights after each iteration: what the next one's first loss found."""
    yield from gan.weights[len(STEPS) :: len(STEPS)]
    yield gan.G.weight.detach()


def test_the_average_moves_once_an_iteration_after_its_steps(tmp_path: Path) -> None:
    gan, state, _ = ran(tmp_path, ema=0.75)
    mean = gan.weights[0]
    for weight in after_iterations(gan):
        mean = 0.75 * mean + 0.25 * weight
    assert state.average is not None
    averaged = state.average.players["G"].get_parameter("weight")
    torch.testing.assert_close(averaged.detach(), mean)
    assert (mean - gan.weights[0]).abs().max() > 0.01
    assert (mean - gan.G.weight).abs().max() > 0.01


@pytest.mark.parametrize("ema", [0.0, 0.75])
def test_what_samples_scores_and_stays_is_the_average(
    tmp_path: Path, ema: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pictures, in the model folder, in best/ and for the score; the live player where there is no average."""
    shown: list[Tensor] = []

    def sheet(self: Witness, real: Batch) -> Picture:
        shown.append(self.G.weight.detach().clone())
        return Picture(real.x, 8)

    monkeypatch.setattr(Witness, "sheet", sheet)
    gan, _, run = ran(tmp_path, ema=ema)
    mean, expected = gan.weights[0], []
    for weight in after_iterations(gan):
        mean = ema * mean + (1 - ema) * weight
        expected.append(mean)
    for use in (shown, run.used["model"], run.used["best"], run.used["score"]):
        assert len(use) == ITERATIONS
        for found, wanted in zip(use, expected):
            torch.testing.assert_close(found, wanted)
    assert gan.G.weight.requires_grad, "the live player is in its place again"


def test_a_first_look_keeps_the_most_diverse_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fall is measured from is the best look, not the worst or the last."""
    ratios = iter([0.3, 0.8, 0.5, 0.4, 0.6, 0.7])
    monkeypatch.setattr("ganvas.metrics.health.diversity_ratio", lambda *_: next(ratios))
    state = ran(tmp_path)[1]
    assert state.diversity == 0.8
    newest = checkpoint.checkpoints(tmp_path / "checkpoints")[-1]
    assert json.loads((newest / "state.json").read_text())["diversity"] == 0.8


def test_default_intervals_are_shares_of_the_run() -> None:
    asked = partial(Settings(data="noise").interval)
    names = ("checkpoint", "sample", "log", "evaluate")
    assert [asked(name, 4_000) for name in names] == [400, 100, 20, 400]
    assert [asked(name, 10**9) for name in names] == [1_000_000, 250_000, 50_000, 1_000_000]
    assert [asked(name, 3) for name in names] == [1, 1, 1, 1]
    given = Settings(data="noise", checkpoint_every=7, sample_every=8, log_every=9)
    assert [given.interval(name, 4_000) for name in names] == [7, 8, 9, 7]
    assert given.model_copy(update={"evaluate_every": 5}).interval("evaluate", 4_000) == 5
