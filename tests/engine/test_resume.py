"""A run that was killed, stopped or extended ends as one that never was."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganvas.engine.log import Log
from tests.engine import running

# batch norm in both players, running statistics, flips, epochs crossed, torch's RMSProp, both clip orders by turns
WGAN = [
    "wgan-digits", "--set", "G_width=4", "D_net=dcgan4", "D_width=4", "batch=16", "n_critic=2", "dim_z=8", "flip=true",
]  # fmt: skip
CASES = {"wgan, RMSProp, batch norm": (WGAN, 2_500), "wgan-gp, Adam, EMA": (running.TOY, 6_000)}


@pytest.mark.parametrize("case", CASES)
def test_killed_at_a_random_moment_and_resumed_is_never_stopped(case: str, tmp_path: Path) -> None:
    recipe, images = CASES[case]
    running.start_and_kill(tmp_path / "killed", random.Random(case), images, recipe=recipe)
    assert running.resume(tmp_path / "killed", "--device", "cpu") == 0
    assert running.train(tmp_path / "whole", "--images", str(images), recipe=recipe) == 0

    assert not running.differences(running.left(tmp_path / "killed"), running.left(tmp_path / "whole"))
    names = [{n for n in running.listing(tmp_path / d) if "events" not in n} for d in ("killed", "whole")]
    assert names[0] == names[1]  # nothing half-written is left, nothing is missing


def log_of(out: Path) -> list[dict[str, Any]]:
    """What was logged, but for the clock; the best sample may be chosen among more candidates after a stop."""
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines if "iteration" in line]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 1,000 images that nobody stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert running.train(out, "--images", "1k") == 0
    return out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["in the log", "in a picture"])
def test_a_signal_saves_and_leaves(
    number: signal.Signals, moment: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Wherever in an iteration it comes: "in a picture" is behind the point where the loop last looked."""
    from ganvas.engine.run import Run

    where, name = (Log, "write") if moment == "in the log" else (Run, "write_picture")
    plain = getattr(where, name)

    def once(self: Any, *args: Any, **given: Any) -> None:
        if getattr(getattr(args[0], "gan", None), "images_seen", 1):  # not in the picture before the first iteration
            monkeypatch.setattr(where, name, plain)
            signal.raise_signal(number)
        plain(self, *args, **given)

    monkeypatch.setattr(where, name, once)
    out = tmp_path / "stopped"
    assert running.train(out, "--images", "1k", "--sample-every", "320") == 128 + number
    said = capsys.readouterr()
    seen = int(max((out / "checkpoints").glob("[0-9]*")).name)
    assert 0 < seen < 1000
    assert f"stopped at {seen:,} images, state saved" in said.err
    assert f"--resume {out}" in said.err
    assert running.images_seen(out) == seen
    assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)

    assert running.resume(out) == 0
    assert not running.differences(running.left(out), running.left(whole))
    assert log_of(out) == log_of(whole)


@pytest.mark.parametrize("after", [1, 2])
def test_a_signal_within_an_iteration_is_obeyed_at_the_next_step(
    after: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Two critic steps and one of G are an iteration: it is left after the first, or the second, and ends the same."""
    from ganvas.engine import train as loop

    plain, seen = loop.iterate, []

    def interrupted(*given: Any) -> Any:
        gan, asked = given[0], given[-1]

        def noticed(done: int, total: int) -> bool:
            seen.append((done, total))
            if gan.iteration == 5 and done == after - 1:
                signal.raise_signal(signal.SIGTERM)
                assert "saving after this optimiser step" in capsys.readouterr().err
                return False  # it came while this step was at work
            return asked(done, total)

        return plain(*given[:-1], noticed)

    monkeypatch.setattr(loop, "iterate", interrupted)
    out = tmp_path / "stopped"
    assert running.train(out, "--images", "1k") == 143
    assert seen[-1] == (after, 3)
    counters = json.loads((max((out / "checkpoints").glob("[0-9]*")) / "state.json").read_text())
    assert counters["half"]["steps"] == after
    assert counters["iteration"] == 5
    monkeypatch.undo()
    assert running.resume(out) == 0
    assert not running.differences(running.left(out), running.left(whole))
    assert log_of(out) == log_of(whole)


def test_a_signal_in_the_last_iteration_is_a_finished_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Log.write

    def interrupted(self: Log, images_seen: int, values: dict[str, Any]) -> None:
        if images_seen >= 300 and "iteration" in values:
            signal.raise_signal(signal.SIGTERM)
        plain(self, images_seen, values)

    monkeypatch.setattr(Log, "write", interrupted)
    assert running.train(tmp_path / "run", "--images", "300") == 0


def test_a_second_signal_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(
        Log, "write", lambda *_: (signal.raise_signal(signal.SIGINT), signal.raise_signal(signal.SIGINT))
    )
    assert running.train(tmp_path / "run", "--images", "2k") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "ganvas: interrupted"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_decoding_leaves_nothing(
    number: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganvas.data import decode

    plain, seen = decode.pixels, []

    def interrupted(*args: Any) -> Any:
        seen.append(1)
        if len(seen) == 3:
            signal.raise_signal(number)
        return plain(*args)

    folder, cache = tmp_path / "data", tmp_path / "cache"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(np.full((9, 9, 3), i, np.uint8)).save(folder / f"{i}.png")
    monkeypatch.setenv("GANVAS_CACHE", str(cache))
    monkeypatch.setattr("ganvas.data.folder.pixels", interrupted)
    before = running.listing(tmp_path)
    assert running.train(tmp_path / "new" / "run", "--data", str(folder), recipe=["wgan-32"]) == status
    assert len(seen) >= 3
    after = running.listing(tmp_path)
    after.pop("cache", None)
    assert after == before


def test_extending_a_run(tmp_path: Path) -> None:
    """A finished run goes on to more images; under a constant rate it is the run that was longer from the start."""
    constant = ["--set", "lr_schedule=constant"]
    assert running.train(tmp_path / "short", "--images", "1k", *constant) == 0
    assert running.train(tmp_path / "long", "--images", "2k", *constant) == 0
    # 1,024 images were shown for the 1,000 asked for, and the longer run passes through there as well
    assert running.resume(tmp_path / "short", "--images", "2k") == 0
    assert not running.differences(running.left(tmp_path / "short"), running.left(tmp_path / "long"))
    config = json.loads((tmp_path / "short" / "config.json").read_text())
    assert config["config"]["images"] == 2000


CHANGES = {
    "--set G_lr=1": "G_lr: the run has 0.002, asked for 1",
    "--set n_critic=3 dim_z=3": "n_critic: the run has 2, asked for 3; dim_z: the run has 2, asked for 3",
    "--set nonsense=1": "nonsense: the run has None, asked for 1",
    "--seed 3": "seed: the run has 0, asked for 3",
    "--batch 64": "batch: the run has 32, asked for 64",
    "--precision bf16": "precision: the run has 'fp32', asked for 'bf16'",
    "--score fid": "score: the run has 'sliced', asked for 'fid'",
    "--on-collapse stop": "on_collapse: the run has 'warn', asked for 'stop'",
    "--log-every 7": "log_every: the run has 1, asked for 7",
    "--data grid25": "grid25 no longer holds what this run was trained on: it has",
    "--resolution 16": "resolution: the run has 0, asked for 16",
    "--images 100": "can only be extended",
    "--out elsewhere": "--out given with --resume",
    "--dry-run": "--dry-run given with --resume",
    "": "has already seen its 300 images; pass --images N to extend it",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    assert running.train(out, "--images", "300") == 0
    return out


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_recipe_is_refused_with_the_differences(change: str, finished: Path, capsys: Any) -> None:
    before = running.listing(finished)
    more = [] if change in ("", "--images 100") else ["--images", "400"]
    assert running.resume(finished, *change.split(), *more) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ganvas: ")
    assert CHANGES[change] in line
    assert running.listing(finished) == before


def test_another_preset_is_refused(finished: Path, capsys: Any) -> None:
    from ganvas.cli import main

    assert main(["train", "wgan-toy", "--resume", str(finished), "--images", "400"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "preset: the run has 'wgan-gp-toy-small', asked for 'wgan-toy'" in line


def test_the_same_recipe_may_be_repeated(finished: Path, tmp_path: Path) -> None:
    import shutil

    from ganvas.cli import main

    shutil.copytree(finished, tmp_path / "copy")
    again = ["--set", "G_width=16", "--batch", "32", "--seed", "0", "--data", "ring8", "--images", "400"]
    assert main(["train", "wgan-gp-toy-small", "--resume", str(tmp_path / "copy"), *again]) == 0


def test_other_data_on_the_disk_are_refused(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 8), i * 9, np.uint8)).save(folder / f"{i}.png")
    small = [
        "wgan-gp-digits",
        "--set",
        "G_width=2",
        "D_width=2",
        "batch=4",
        "n_critic=1",
        "dim_z=2",
        "penalty_eps=1e-6",
    ]
    out = tmp_path / "run"
    assert running.train(out, "--images", "16", "--data", str(folder), recipe=small) == 0
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(folder / "0.png")
    capsys.readouterr()
    assert running.resume(out, "--images", "32") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no longer holds what this run was trained on: it has 4 images" in line


def test_data_that_moved_are_found_where_they_are(tmp_path: Path, capsys: Any) -> None:
    folder, moved = tmp_path / "data", tmp_path / "elsewhere" / "photos"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 8), i * 9, np.uint8)).save(folder / f"{i}.png")
    small = ["wgan-gp-digits", "--set", "G_width=2", "D_width=2", "batch=4", "dim_z=2", "penalty_eps=1e-6"]
    out = tmp_path / "run"
    assert running.train(out, "--images", "16", "--data", str(folder), recipe=small) == 0
    moved.parent.mkdir()
    folder.rename(moved)
    assert running.resume(out, "--images", "32") == 2
    assert running.resume(out, "--images", "32", "--data", str(moved)) == 0
    assert json.loads((out / "config.json").read_text())["training"]["data"] == str(moved)
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(moved / "4.png")
    capsys.readouterr()
    assert running.resume(out, "--images", "48", "--data", str(moved)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "it has 5 images (fingerprint " in line
    assert "the run saw 4 images (fingerprint " in line
