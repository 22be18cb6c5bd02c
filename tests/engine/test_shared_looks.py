"""Looks at a run of several processes: who samples what for a score, and that nobody is lost over a long one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganvas.engine import checkpoint
from ganvas.engine.checkpoint import State
from ganvas.engine.run import Run, Settings, Silent, as_the_first_samples
from ganvas.engine.train import new_state
from ganvas.gan import GAN
from ganvas.scoring import choose
from ganvas.team import ALONE, Team
from tests import tiny
from tests.engine import running, together
from tests.metrics.conftest import Pixels
from tests.scoring.test_samples import data
from tests.teams import in_threads

SMALL = ["wgan-gp-digits", "--set", "G_width=2", "D_width=2", "batch=4", "n_critic=1", "dim_z=2", "penalty_eps=1e-6"]
LOOKED = [*SMALL, "ema=0.5", "--score", "fid", "--images", "64", "--checkpoint-every", "32", "--log-every", "8"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "noise.npz"
    x = np.random.default_rng(0).integers(0, 256, (150, 8, 8), dtype=np.uint8)
    np.savez(path, x=x, y=np.arange(150) % 2)
    return path


def scores(out: Path) -> list[dict[str, float]]:
    """Of every look, but for the health, by the images seen."""
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    return [
        {key: value for key, value in line.items() if key.startswith("score/") or key == "images"}
        for line in lines
        if any(key.startswith("score/") for key in line)
    ]


def shifted(gan: GAN, by: float) -> None:
    with torch.no_grad():
        for value in gan.parameters():
            value.add_(by)


def test_all_sample_from_the_average_that_the_first_one_keeps() -> None:
    """Weights, running statistics and spectral vectors; afterwards the live players are back, and no average more."""

    states = [new_state(tiny.build("sagan", ema=0.5), torch.device("cpu")) for _ in range(2)]

    def work(team: Team) -> tuple[Tensor, dict[str, Tensor], GAN, Any]:
        state = states[team.rank]
        shifted(state.gan, 0.1)
        if team.first:
            assert state.average is not None
            state.average.update()
        else:
            state.average = None
        with as_the_first_samples(state, team) as gan:
            return gan.sample(3, seed=7), dict(gan.G.state_dict()), state.gan, state.average

    (x, average, gan, _), (other, sent, live, kept) = in_threads(2, work)
    assert torch.equal(x, other)
    torch.testing.assert_close(sent, average, rtol=0, atol=0)
    assert kept is None
    torch.testing.assert_close(live.G.state_dict(), gan.G.state_dict(), rtol=0, atol=0)
    assert not torch.equal(live.sample(3, seed=7), x)


def test_a_score_is_that_of_one_process_and_each_has_made_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, networks = data(m=150), [Pixels(dim=64) for _ in range(3)]
    made: list[int] = []
    sample = GAN.sample
    monkeypatch.setattr(GAN, "sample", lambda gan, n, *a, **b: (made.append(n), sample(gan, n, *a, **b))[1])

    states = [new_state(tiny.build("sagan", ema=0.5), torch.device("cpu")) for _ in range(4)]

    def looked(team: Team, state: State, folder: Path) -> dict[str, float]:
        score = choose.scorer("fid", images, 1000, num_classes=3, team=team)
        kind = Run if team.first else Silent
        if not team.first:
            state.average = None
        run = kind(folder, images, Settings(data="noise"), lambda *_: None, score, scoring=team)
        assert run.evaluate(state, {})[0] == run.evaluate(state, {})[0]  # the second knows the reference's hash
        return run.evaluate(state, {})[0]

    monkeypatch.setattr(choose, "feature_network", lambda *_, team, **__: networks[team.rank])
    one = looked(ALONE, states[3], tmp_path / "one")
    networks[0].calls = 0
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    made.clear()
    found = in_threads(3, lambda team: looked(team, states[team.rank], tmp_path / "many"))
    assert found == [one, {}, {}]
    assert one["score/FD-pixels"] > 0
    assert [network.calls for network in networks] == [64 + 3 * 64, 64 + 3 * 64, 22 + 3 * 22]
    assert sorted(n for n in made if n in (64, 22)) == [22] * 3 + [64] * 6


@pytest.mark.parametrize(("name", "shared"), [("fid", True), ("recall", True), ("sliced", False)])
def test_which_scores_are_shared(name: str, shared: bool) -> None:
    assert choose.is_shared(name, data()) == shared
    assert not choose.is_shared(name, tiny.images(tiny.build("csgan")))


def test_a_look_may_last_longer_than_the_others_wait_for_gradients(pictures: Path, tmp_path: Path, capsys: Any) -> None:
    """Three times three seconds before and behind it, where two are the limit between steps; its scores are those of
    one process, which two processes come to up to rounding.
    """
    words = ["train", *LOOKED, "--data", str(pictures), "--device", "cpu", "--sample-every", "1M"]
    together.start(2, tmp_path, run=[*words, "--out", str(tmp_path / "two")], mishap="slow look")
    assert running.main([*words, "--out", str(tmp_path / "one")]) == 0
    one, two = scores(tmp_path / "one"), scores(tmp_path / "two")
    assert [line["images"] for line in two] == [32, 64]
    for many, alone in zip(two, one, strict=True):
        assert many == pytest.approx(alone, rel=2e-2)


def test_a_signal_that_one_of_them_has_not_seen_yet_ends_both(pictures: Path, tmp_path: Path) -> None:
    """They agree on whether there is a look before one of them begins it."""
    words = ["train", *LOOKED, "--data", str(pictures), "--device", "cpu", "--out", str(tmp_path / "run")]
    together.start(2, tmp_path, run=words, mishap="signal", status=143)
    assert int(checkpoint.checkpoints(tmp_path / "run" / "checkpoints")[-1].name) == 32
    assert scores(tmp_path / "run") == []
