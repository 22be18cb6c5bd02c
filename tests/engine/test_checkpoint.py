"""Checkpoints: the newest two and the best are kept; a damaged one is passed over by name; all damaged is one line."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ganvas
from ganvas import files
from ganvas.engine import checkpoint
from ganvas.engine.checkpoint import State
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from tests import tiny
from tests.engine import running


def truncate(path: Path) -> None:
    data = (path / "state.safetensors").read_bytes()
    (path / "state.safetensors").write_bytes(data[: len(data) // 2])


def flip_a_bit(path: Path) -> None:
    data = bytearray((path / "state.safetensors").read_bytes())
    data[-5] ^= 1
    (path / "state.safetensors").write_bytes(data)


def flip_a_digit(path: Path) -> None:
    """Still JSON, and still a count of iterations: without a checksum nobody would notice."""
    text = (path / "state.json").read_text()
    counters = json.loads(text)
    (path / "state.json").write_text(text.replace(f'"iteration": {counters["iteration"]}', '"iteration": 3'))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": truncate,
    "a bit flipped": flip_a_bit,
    "a digit flipped": flip_a_digit,
    "no state.json": lambda path: (path / "state.json").unlink(),
    "no tensors": lambda path: (path / "state.safetensors").unlink(),
    "empty state.json": lambda path: (path / "state.json").write_text(""),
    "a list in state.json": lambda path: (path / "state.json").write_text("[]"),
    "empty folder": lambda path: [p.unlink() for p in path.iterdir()],
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 640 images with checkpoints every 200, to be extended."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    assert running.train(out, "--images", "640", "--checkpoint-every", "200", "--set", "lr_schedule=constant") == 0
    return out


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stopped, tmp_path / "run")


def test_the_newest_two_and_the_best_are_kept(run: Path) -> None:
    assert [p.name for p in checkpoint.checkpoints(run / "checkpoints")] == ["000000000448", "000000000640"]
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"000000000448", "000000000640"}
    assert {p.name for p in (run / "best").iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
        "samples.png",
    }
    assert ganvas.load(run / "best", "cpu").sample(2).shape == (2, 2)
    best = json.loads((run / "checkpoints" / "000000000640" / "state.json").read_text())["best"]
    scores = [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines() if "score/" in line]
    assert best["sliced_wasserstein"] == min(line["score/sliced_wasserstein"] for line in scores)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(damage: str, run: Path, capsys: Any) -> None:
    DAMAGES[damage](run / "checkpoints" / "000000000640")
    assert running.resume(run, "--images", "704") == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "resuming" in line]
    assert "at 448 images" in line
    assert "passed over damaged 000000000640: " in line
    assert [p.name for p in checkpoint.checkpoints(run / "checkpoints")] == ["000000000640", "000000000704"]


def test_falling_back_changes_no_bit(run: Path, stopped: Path, tmp_path: Path) -> None:
    flip_a_bit(run / "checkpoints" / "000000000640")
    whole = shutil.copytree(stopped, tmp_path / "whole")
    for out in (run, whole):
        assert running.resume(out, "--images", "704") == 0
    counts = [json.loads(line)["images"] for line in (run / "train.jsonl").read_text().splitlines() if "iter" in line]
    assert counts == sorted(set(counts))  # lines behind the checkpoint were cut and written once more
    assert not running.differences(running.left(run), running.left(whole))


def test_all_damaged_is_one_line_and_changes_nothing(run: Path, capsys: Any) -> None:
    for path in checkpoint.checkpoints(run / "checkpoints"):
        truncate(path)
    before = running.listing(run)
    assert running.resume(run, "--images", "704") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ganvas: no whole checkpoint in {run / 'checkpoints'}")
    assert "000000000640: state.safetensors is damaged; 000000000448: state.safetensors is damaged" in line
    assert running.listing(run) == before


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"paper": "wgan", "config": {"nonsense": 1}}'])
def test_a_damaged_config_is_one_line(text: str, run: Path, capsys: Any) -> None:
    (run / "config.json").write_text(text)
    assert running.resume(run, "--images", "704") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ganvas: ")


def state_of(seed: int = 0) -> State:
    state = new_state(tiny.build("wgan", seed=seed), torch.device("cpu"))
    state.gan.images_seen = 100 + seed
    return state


def rewritten(path: Path, **changes: Any) -> None:
    """state.json with other counters (None: without them), whole as if it had been written so."""
    counters = json.loads((path / "state.json").read_text())
    counters = {k: v for k, v in {**counters, **changes}.items() if v is not None and k != "check"}
    counters.setdefault("best", None)
    check = hashlib.sha256(json.dumps(counters, sort_keys=True).encode()).hexdigest()
    (path / "state.json").write_text(json.dumps({**counters, "check": check}))


def test_the_format_before_this_one_is_read_and_a_later_one_is_not(tmp_path: Path) -> None:
    """The first had no number."""
    written = state_of(3)
    path = checkpoint.save(written, tmp_path)
    assert json.loads((path / "state.json").read_text())["format"] == checkpoint.FORMAT == 3
    rewritten(path, format=None)
    state = state_of()
    assert checkpoint.restore(state, tmp_path) == (path, [])
    assert state.gan.images_seen == 103
    assert not running.differences(state.tensors(), written.tensors())
    rewritten(path, format=4)
    with pytest.raises(InputError, match="it has format 4, this ganvas reads up to 3; install a newer ganvas"):
        checkpoint.restore(state_of(), tmp_path)


def test_the_memory_of_training_comes_back(tmp_path: Path) -> None:
    """Pools and running means are tensors of the state, under `gan/memory.`."""

    def remembering(value: float) -> State:
        gan = tiny.build("wgan")
        gan.memory.register_buffer("pool", torch.full((2, 3), value))
        gan.memory.register_buffer("filled", torch.tensor(int(value)))
        return new_state(gan, torch.device("cpu"))

    path = checkpoint.save(remembering(7.0), tmp_path)
    assert {name for name in checkpoint.read(path)[0] if "memory" in name} == {"gan/memory.pool", "gan/memory.filled"}
    state = remembering(0.0)
    checkpoint.restore(state, tmp_path)
    assert torch.equal(state.gan.memory.get_buffer("pool"), torch.full((2, 3), 7.0))
    assert state.gan.memory.get_buffer("filled") == 7
    assert "memory" not in state.optimisers  # it is no player: it does not learn


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(state_of(), tmp_path)
    before = running.listing(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_tensors", full)
    with pytest.raises(InputError, match=r"^no space left to write .*000000000101; free some space, then .* resume"):
        checkpoint.save(state_of(1), tmp_path)
    assert running.listing(tmp_path) == before


def test_a_kill_in_the_middle_of_a_save_is_swept_up(tmp_path: Path) -> None:
    (tmp_path / ".000000000100.77.tmp").mkdir(parents=True)
    (tmp_path / ".000000000100.77.tmp" / "state.safetensors").write_bytes(b"half")
    assert checkpoint.checkpoints(tmp_path) == []
    checkpoint.save(state_of(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["000000000100"]


def test_saving_the_same_moment_again_replaces_it(tmp_path: Path) -> None:
    first, second = state_of(), state_of()
    second.seconds = 5.0
    checkpoint.save(first, tmp_path)
    path = checkpoint.save(second, tmp_path)
    assert checkpoint.read(path)[1]["seconds"] == 5.0


def test_strays_of_atomic_writes_are_swept_up(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    for name in (".model.safetensors.77.tmp.safetensors", "best/.README.md.77.tmp.md"):
        (tmp_path / name).write_text("half")
    (tmp_path / "model.safetensors").write_text("whole")
    files.drop_strays(tmp_path)
    assert running.listing(tmp_path) == {"best": -1, "model.safetensors": 5}
