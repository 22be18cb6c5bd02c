"""What a run will cost: measured, said before the first step, and refused where it cannot fit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas import api, costs
from ganvas.cli import main
from ganvas.data import peek
from ganvas.engine import memory, rehearsal
from ganvas.engine.log import Screen
from ganvas.engine.rehearsal import Cost, course
from ganvas.errors import InputError
from tests import tiny
from tests.engine import running

CPU = torch.device("cpu")
SMALL = {"G_width": 4, "D_width": 4, "dim_z": 4, "images": 4_000}


def test_a_training_says_what_it_costs_before_the_first_step(tmp_path: Path, capsys: Any) -> None:
    assert running.train(tmp_path / "run", "--images", "300") == 0
    said = capsys.readouterr().err.splitlines()
    at = next(i for i, line in enumerate(said) if line.startswith("cost: about "))
    assert re.fullmatch(r"cost: about .+ on cpu.*, [\d,.]+ [MG]iB of memory.*", said[at])
    assert any(line.startswith("training wgan-gp-toy-small") for line in said[at + 1 :])


def test_what_cannot_fit_is_refused_with_what_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(costs, "available", lambda device: 64 * 2**20)
    out = tmp_path / "run"
    large = ["wgan-gp-digits", "--set", "G_width=8", "D_width=64", "batch=256"]
    assert running.train(out, recipe=large) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    found = re.search(r"accumulate=(\d+), take --batch (\d+)", line)
    assert found is not None, line
    assert int(found[1]) * int(found[2]) == 256
    assert not out.exists()
    monkeypatch.setattr(costs, "available", lambda device: 2**20)
    assert main(["train", *large, "--dry-run", "--device", "cpu"]) == 2
    assert "narrow the networks with --set" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["wgan-gp", "biggan", "unetgan", "adcgan-points"])
def test_a_rehearsal_measures_every_part(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "SHORT", 0.0)
    paper = tiny.TINY[name][0]
    recipe = api.Recipe(paper, name, tiny.build(name, images=4000).config)
    found = costs.cost(recipe, api.Settings(data="digits"), None, patience=0.05)
    assert set(found.clocks) == {"steps", "pictures", "looks", "checkpoints"}
    assert all(clock.wall > 0 and clock.processor >= 0 for clock in found.clocks.values())
    assert found.memory_bytes > 2**26  # the process, not the tensors alone
    assert found.disk_bytes > 0


@pytest.mark.parametrize(("images", "share"), [(250, 0.25), (4000, 1.0)])
def test_of_the_data_counts_what_a_run_reads(images: int, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of a look that was not tried, 512 images."""
    monkeypatch.setattr(costs, "SHORT", 0.0)
    monkeypatch.setattr(rehearsal, "peak", lambda device: 0)  # steps take none
    recipe = api.Recipe("biggan", "biggan", tiny.build("biggan", images=images).config)
    data = costs.noise(recipe.config, 1000)
    read = share * sum(array.nbytes for array in data.arrays.values())
    found = costs.cost(recipe, api.Settings(data="digits"), data, patience=0.002)
    assert found.memory_bytes == read + 512 * 4 * 64
    monkeypatch.setattr(costs, "OF_RUN", 1e9)
    assert costs.cost(recipe, api.Settings(data="digits"), data, patience=10.0).memory_bytes == read


def test_pairs_are_looked_at_in_a_rehearsal_or_counted_as_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(rehearsal.Run, "evaluate", lambda self, state, means: looks.append(1))
    monkeypatch.setattr(costs, "SHORT", 0.0)
    monkeypatch.setattr(costs, "OF_RUN", 1e9)
    kind = api.peek("csgan-demo", "photo-edges")
    recipe = api.recipe("csgan-demo", kind, (16, 16), {"images": 40, "G_width": 4, "D_width": 4})
    settings = api.Settings(**{**kind.settings, "data": "photo-edges"})
    data = api.load_data("csgan", settings, recipe.config, Screen())
    counts = {name: 40 // settings.interval(name, 40) + 1 for name in ("sample", "evaluate")}
    costs.cost(recipe, settings, data, patience=100.0)
    assert looks == [1]
    monkeypatch.setattr(rehearsal, "PAIRS", 1e9)
    clocks = costs.cost(recipe, settings, data, patience=1.0).clocks
    assert looks == [1]
    one = clocks["pictures"].wall / counts["sample"]
    assert clocks["looks"].wall == pytest.approx(1e9 * one * counts["evaluate"])


def test_steps_are_counted_as_the_loop_takes_them() -> None:
    """The authors' WGAN takes 100 critic steps in each of the first 25 iterations and in every 500th."""
    values = {"batch": 4, "images": 4 * (25 * 100 + 5 * 100), "G_width": 4, "D_width": 4}
    gan = api.recipe("wgan-32", peek("digits"), None, values).on_meta()
    iterations, steps = course(gan, 4)
    assert (iterations, steps) == (125, {"D": 3000, "G": 125})
    longer = gan.config.model_copy(update={"images": 4_000_000})
    gan.config = longer
    iterations, steps = course(gan, 4)
    assert steps["D"] * 4 == pytest.approx(4_000_000, rel=0.01)
    assert steps["G"] == pytest.approx(iterations, rel=0.01)


def test_memory_is_that_of_the_process() -> None:
    """Of one that does nothing else: what other tests have left behind may be given back at any moment."""
    code = (
        "import torch; from ganvas.engine import memory; cpu = torch.device('cpu'); memory.reset_peak(cpu);"
        "before = memory.peak(cpu); held = torch.ones(64, 2**20); del held; print(memory.peak(cpu) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == pytest.approx(256 * 2**20, rel=0.2)
    assert memory.available(CPU) > 2**26
    assert memory.resident(CPU) > 2**26


def test_what_is_too_dear_to_be_tried_whole_is_a_straight_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were not tried cost what the last ones did."""
    clock = rehearsal.Clock
    rows_tried: list[int] = []

    def repeated(what: Any, seconds: float, device: Any) -> Any:
        rows = what.args[3]
        rows_tried.append(rows)
        return clock(1.0 + 0.5 * rows, 1.0 + 0.5 * rows)

    monkeypatch.setattr(rehearsal, "repeated", repeated)
    recipe = api.recipe("wgan-gp-digits", peek("digits"), None, {**SMALL, "batch": 64})
    state = api.new_state(recipe.build(0), CPU)
    run = type("Run", (), {"settings": api.Settings(data="digits"), "data": costs.noise(recipe.config)})()
    steps, _ = rehearsal.tried_steps(run, state, 16.0)  # type: ignore[arg-type]
    assert sorted(set(rows_tried)) == [2, 16]
    assert steps["D"].wall == pytest.approx(1.0 + 0.5 * 64)


@pytest.mark.parametrize(
    ("part", "bearable", "rows"), [(32, 25.0, 16), (64, 100.0, 64), (7, 5.0, 2), (9, 5.0, 3), (2, 0.1, 2), (1, 0.1, 1)]
)
def test_what_is_tried_divides_the_batch(part: int, bearable: float, rows: int) -> None:
    """A minibatch deviation by fours cannot see 25 of 32 rows."""
    assert rehearsal.most_rows(part, min(2, part), bearable) == rows


def test_the_words_of_a_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = Cost({"steps": rehearsal.Clock(60.0), "looks": rehearsal.Clock(30.0)}, 2**31, 2**30, 5 * 2**20)
    assert costs.said(cost, "cpu") == (
        "cost: about 1:30 min on cpu (30 s of it pictures, scores and checkpoints), 2.0 GiB of memory, 5 MiB of disk"
    )
    monkeypatch.setattr(costs, "available", lambda device: 2**20)
    with pytest.raises(InputError, match=r"needs about 1.0 GiB of memory for batches of 32"):
        costs.must_fit(api.recipe("wgan-gp-digits", peek("digits")), Cost(more_bytes=2**30), torch.device("meta"))


def parts(steps: float, **besides: float) -> Cost:
    """A measured cost, in seconds."""
    named = {"pictures": 0.0, "looks": 0.0, "checkpoints": 0.0, **besides}
    return Cost({name: rehearsal.Clock(wall, wall) for name, wall in {"steps": steps, **named}.items()})


def test_what_stands_beside_the_steps_takes_a_twentieth_of_their_time() -> None:
    """The dearest part is thinned first; what is written down is what the run keeps."""
    before = api.Settings(data="digits")
    settings, found = costs.sparing(before, parts(100.0, pictures=2.0, looks=20.0, checkpoints=1.0), 10_000)
    assert [settings.interval(name, 10_000) for name in ("sample", "evaluate", "checkpoint")] == [250, 10_000, 1000]
    assert found.clocks["looks"].wall == pytest.approx(2.0)
    assert sum(found.clocks[part].wall for part in costs.BESIDES) <= 5.0
    assert costs.rarer(before, settings, 10_000).startswith("looks at score and health every 10,000 images, so that")
    assert costs.sparing(before, parts(100.0, looks=4.0), 10_000)[0] == before
    busy = Cost({**parts(100.0).clocks, "looks": rehearsal.Clock(20.0, 4.0)})  # by processor time on a CPU
    assert costs.sparing(before, busy, 10_000)[0] == before
    assert costs.sparing(before.model_copy(update={"device": "cuda"}), busy, 10_000)[0].evaluate_every > 1000
    assert costs.rarer(before, before, 10_000) == ""


def test_what_was_asked_for_stays_as_often_as_asked() -> None:
    dear = parts(10.0, pictures=50.0, looks=50.0, checkpoints=50.0)
    for asked in (
        {"sample_every": 10, "checkpoint_every": 10},  # looks go with the checkpoints
        {"sample_every": 10, "checkpoint_every": 20, "evaluate_every": 30},
        {"on_collapse": "rollback"},
    ):
        settings = api.Settings(data="digits", **asked)
        assert costs.sparing(settings, dear, 10_000)[0] == settings
    settings, _ = costs.sparing(api.Settings(data="digits", sample_every=10), dear, 10_000)
    assert (settings.sample_every, settings.evaluate_every, settings.checkpoint_every) == (10, 10_000, 10_000)


def test_a_run_of_seconds_is_looked_at_once() -> None:
    """Unmeasured, so the same each time; a long run that is too dear to be tried keeps its habits."""
    before = api.Settings(data="digits")
    settings, _ = costs.sparing(before, Cost({"steps": rehearsal.Clock(costs.SHORT - 1)}), 10_000)
    assert (settings.sample_every, settings.evaluate_every, settings.checkpoint_every) == (1250, 10_000, 5000)
    assert costs.sparing(before, Cost({"steps": rehearsal.Clock(costs.SHORT)}), 10_000)[0] == before
