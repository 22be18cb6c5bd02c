"""What a person types: every wrong input ends in one line and leaves nothing behind, the right ones do as told."""

from __future__ import annotations

import json
import math
import os
import resource
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganvas.cli import main
from tests.engine import running

SMALL = "wgan-gp-digits --set G_width=2 D_width=8 batch=8 n_critic=1 dim_z=2 --images 16 --device cpu"

# what is typed -> what the line must say
WRONG = {
    "frobnicate": "invalid choice: 'frobnicate'",
    "papers --nonsense": "unrecognized arguments: --nonsense",
    "train": "no preset given",
    "train nosuch": "unknown preset 'nosuch'",
    "train wgan extra": "unrecognized arguments: extra",
    "train wgan --data missing": "no such file or folder: 'missing'",
    "train wgan --data empty": "empty holds no images",
    "train wgan --data texts": "texts holds no images",
    "train wgan --data file": "file is not a data set",
    "train wgan-64 --data rotten": "1 of 4 images cannot be read: x.png (not an image); remove them, or allow",
    "train wgan-64 --data rotten --max-unreadable 0.2": "1 of 4 images cannot be read",
    "train wgan --resolution 0": "argument --resolution: '0' given, expected a whole number from 1 on",
    "train wgan --resolution -1": "'-1' given, expected a whole number",
    "train wgan --resolution abc": "'abc' given, expected a whole number",
    "train wgan-64 --data images --resolution 48": "resolution 48 does not fit the DCGAN; it takes a power of two",
    "train wgan-64 --data images --resolution 100000": "resolution",
    "train wgan --data ring8 --resolution 32": "ring8 holds points, which have no resolution",
    "train wgan-gp-toy --data digits": "wgan-gp-toy learns points, digits holds images",
    "train wgan-gp-toy --data digits --resolution 16": "learns points",
    "train wgan-64 --data ring8": "makes images, these data are points",
    "train wgan-gp-digits --set foo=1": "unknown key foo for wgan; known keys: D_class, D_lr",
    "train wgan-gp-digits --set foo": "--set 'foo' given, expected KEY=VALUE",
    "train wgan-gp-digits --set =3": "--set '=3' given, expected KEY=VALUE",
    "train wgan-gp-digits --set": "expected at least one argument",
    "train wgan-gp-digits --set G_lr=abc": "G_lr='abc' given, expected a valid number",
    "train wgan-gp-digits --set G_lr=": "G_lr='' given, expected a valid number",
    "train wgan-gp-digits --set G_lr=NaN": "G_lr=nan given, expected a finite number",
    "train wgan-gp-digits --set G_lr=-1": "G_lr=-1.0, expected 0 or more",
    "train wgan-gp-digits --set batch=1.5": "batch=1.5 given, expected a valid integer",
    "train wgan-gp-digits --set flip=maybe": "flip='maybe' given, expected a valid boolean",
    "train wgan-gp-digits --set beta1=1": "beta1=1.0",
    "train wgan-gp-digits --set ema=1": "ema=1.0, expected a decay in [0, 1)",
    "train wgan-gp-digits --set optimizer=sgd": "optimizer='sgd' given, expected 'adam', 'rmsprop' or 'rmsprop_tf1'",
    "train wgan-gp-digits --set G_width=0": "G_width=0, expected 1 or more",
    "train wgan-gp-digits --set dim_z=-3": "dim_z=-3, expected 1 or more",
    "train wgan-gp-digits --set channels=7": "channels=7, expected 1 (grey) or 3 (RGB)",
    "train wgan-gp-digits --dry-run --set channels=7": "channels=7, expected 1 (grey) or 3 (RGB)",
    "train wgan-gp-digits --dry-run --score nonsense": "score 'nonsense' given for digits, expected one of: sliced",
    "train wgan-gp-digits --dry-run --score cas": "score cas compares class by class, and this model has no classes",
    "train wgan-64 --data rotten --dry-run": "1 of 4 images cannot be read: x.png (not an image); remove them",
    "train wgan-gp-digits --set resolution=0": "use a toy preset",
    "train wgan-gp-digits --set resolution=abc": "resolution='abc' given, expected a valid integer",
    "train wgan-gp-digits --set num_classes=-1": "num_classes=-1, expected 0 or more",
    "train wgan-gp-digits --set D_net=toy": "toy networks make points, these data are images",
    "train wgan-gp-digits --set D_norm=batch D_net=dcgan4": "a gradient penalty needs a critic that does not couple",
    "train wgan-gp-digits --set G_width=10000000000": "",
    "train wgan-gp-digits --images abc": "'abc' given, expected a number of images",
    "train wgan-gp-digits --images 0": "'0' given, expected a number of images",
    "train wgan-gp-digits --images nan": "'nan' given, expected a number of images",
    "train wgan-gp-digits --images inf": "'inf' given, expected a number of images",
    "train wgan-gp-digits --batch 0": "'0' given, expected a whole number from 1 on",
    "train wgan-gp-digits --batch 9 --set accumulate=2": "batch=9 cannot be split into accumulate=2 equal parts",
    "train wgan-gp-digits --batch 2 --set accumulate=4": "cannot be split into accumulate=4",
    "train wgan-gp-digits --device nosuch": "device 'nosuch' cannot be used here",
    "train wgan-gp-digits --device meta": "device 'meta' cannot be used here",
    "train wgan-gp-digits --device cuda:99": "device 'cuda:99' cannot be used here",
    "train wgan-gp-digits --precision fp64": "invalid choice: 'fp64'",
    "train wgan-gp-digits --seed abc": "'abc' given, expected a whole number from 0",
    "train wgan-gp-digits --seed -1": "'-1' given, expected a whole number from 0",
    "train wgan-gp-digits --seed 99999999999999999999": "expected a whole number from 0 to 2^63 - 1",
    "train wgan-gp-digits --fit squeeze": "invalid choice: 'squeeze'",
    "train wgan-gp-digits --max-unreadable nan": "expected a share from 0 to 1",
    "train wgan-gp-digits --max-unreadable 7": "expected a share from 0 to 1",
    f"train {SMALL} --out images": "images already exists and is not empty; pass another --out, or continue it",
    f"train {SMALL} --out file": "--out file is a file; pass the name of a new folder",
    f"train {SMALL} --out file/below/it": "cannot write file/below/it: Not a directory",
    "train --resume missing": "missing is not a folder; expected a model folder",
    "train --resume file": "file is not a folder",
    "train --resume empty": "empty holds no config.json",
    "train --resume images": "images holds no config.json",
    "train --resume model_only": "model_only is a model without a training run",
    "sample missing": "missing is not a folder; expected a model folder",
    "sample file": "file is not a folder",
    "sample empty": "empty holds no config.json",
    "sample unfinished": "unfinished/model.safetensors is missing",
    "sample truncated": "truncated/model.safetensors is damaged",
    "sample pickled": "pickled/model.safetensors is damaged",
    "sample mismatched": "mismatched: weights and config.json do not belong together",
    "sample foreign": "foreign is a model of 'stylegan9', which this ganvas lacks",
    "sample newer": "newer has format 99, this ganvas reads up to 2; install a newer ganvas",
    "sample toy -n 0": "argument -n: '0' given, expected a whole number from 1 on",
    "sample toy -n -4": "'-4' given",
    "sample toy -n many": "'many' given",
    "sample toy --batch 0": "argument --batch: '0' given",
    "sample toy --seed x": "argument --seed: 'x' given",
    "sample toy --out x.foo": "--out x.foo given, expected a name that ends in .png",
    "sample toy --out x": "--out x given, expected a name that ends in",
    "sample toy --out folder.png": "cannot write folder.png: it is a folder",
    "sample toy --out file/x.png": "cannot write file/x.png: ",
    "sample toy --each d": "--each is for images, this model makes points",
    "sample toy --each d --out x.png": "not allowed with argument",
    "sample toy --class 3": "--class 3 given, but this model is unconditional",
    "sample toy --truncation 0": "truncation 0.0 given, expected a number above 0",
    "sample toy --truncation -1": "truncation -1.0 given, expected a number above 0",
    "sample toy --truncation nan": "truncation nan given, expected a number above 0",
    "sample toy --truncation 1e-9": "truncation 1e-09",
    "sample toy --truncation abc": "invalid float value: 'abc'",
    "sample toy --device nosuch": "device 'nosuch' cannot be used here",
    "sample classy --class dog": "unknown class 'dog'; expected an index from 0 to 2 or a name (ant, bee, cat)",
    "sample classy --class 3": "unknown class '3'; expected an index from 0 to 2",
    "sample classy --class -1": "unknown class '-1'",
    "sample classy --class ²": "unknown class '²'",
    "sample classy --each file": "cannot write file/seed.png: ",
    "check missing": "no such file or folder: 'missing'",
    "check empty": "empty holds no images",
    "check ring8": "check looks at pictures",
    "check images --json file/x.json": "cannot write file/x.json: ",
    "check images --sheet empty": "--sheet empty given, expected a name that ends in .png",
    "check images --sheet folder.png": "cannot write folder.png: it is a folder",
    "fetch nosuch there": "'nosuch' is not a set that can be fetched",
}  # fmt: skip


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the wrong inputs point at."""
    import torch

    from ganvas.models import folder
    from ganvas.models.folder import Description
    from tests import tiny

    world = tmp_path_factory.mktemp("world")
    for name in ("empty", "texts", "images", "rotten", "folder.png"):
        (world / name).mkdir()
    (world / "texts" / "notes.txt").write_text("no image")
    (world / "file").write_text("a file\n" * 100)
    rng = np.random.default_rng(0)
    for name, count in (("images", 5), ("rotten", 3)):
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(world / name / f"{i}.png")
    (world / "rotten" / "x.png").write_bytes(b"not a picture")

    gan = tiny.build("wgan-gp-acgan")
    training = {"data": "digits"}
    classy = Description(
        paper="wgan", config=gan.config.model_dump(), class_names=["ant", "bee", "cat"], training=training
    )
    for name in ("classy", "unfinished", "truncated", "pickled", "mismatched", "foreign", "newer", "model_only"):
        changes: dict[str, Any] = {
            "mismatched": {"config": classy.config | {"G_width": 8}},
            "foreign": {"paper": "stylegan9"},
            "newer": {"format": 99},
            "model_only": {"training": {}},
        }.get(name, {})
        folder.write_description(world / name, classy.model_copy(update=changes))
        folder.write_weights(world / name, gan.state_dict(), {})
    (world / "unfinished" / "model.safetensors").unlink()
    weights = (world / "truncated" / "model.safetensors").read_bytes()
    (world / "truncated" / "model.safetensors").write_bytes(weights[:-100])
    torch.save(gan.state_dict(), world / "pickled" / "model.safetensors")

    assert running.train(world / "toy", "--images", "64") == 0
    return world


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    return world


@pytest.mark.parametrize("typed", WRONG)
def test_a_wrong_input_is_one_line_and_leaves_nothing(typed: str, here: Path, capsys: Any) -> None:
    before = running.listing(here)
    assert main(shlex.split(typed)) == 2
    said = capsys.readouterr()
    assert not said.out
    (line,) = said.err.splitlines()
    assert line.startswith("ganvas: ")
    assert WRONG[typed] in line
    assert len(line) < 1200
    assert running.listing(here) == before


def test_a_line_break_in_a_name_does_not_break_the_line(here: Path, capsys: Any) -> None:
    assert main(["train", "wgan", "--data", "no\nsuch\nplace"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_no_command_prints_help(capsys: Any) -> None:
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


@pytest.fixture
def room_for_400_bytes() -> Iterator[None]:
    """No file of this process may grow beyond that: writes fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "typed",
    [
        f"train {SMALL} --out new/run",
        f"train {SMALL} --data images --resolution 16 --out new/run",
        "sample classy -n 4 --out full.png",
        "sample classy -n 4 --out full.npz",
        "check images --sheet full.png",
    ],
)
@pytest.mark.usefixtures("room_for_400_bytes")
def test_a_full_disk_is_one_line_and_leaves_nothing(
    typed: str, here: Path, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    before = running.listing(here)
    assert main(shlex.split(typed)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("ganvas: ")
    assert "space" in line or "cannot be written" in line or "cannot write" in line
    assert running.listing(here) == before


def test_a_disk_that_fills_up_in_training_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import errno

    from ganvas.engine import checkpoint

    def full(tensors: Any, path: Path, *_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out, plain = tmp_path / "run", checkpoint.save_tensors
    calls = []
    monkeypatch.setattr(
        checkpoint, "save_tensors", lambda *args: (calls.append(1), (full if len(calls) > 2 else plain)(*args))
    )
    assert running.train(out, "--images", "640", "--checkpoint-every", "200") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"ganvas: no space left to write {out / 'checkpoints'}")
    assert [p.name for p in checkpoint.checkpoints(out / "checkpoints")] == ["000000000000", "000000000256"]
    monkeypatch.setattr(checkpoint, "save_tensors", plain)
    assert running.resume(out) == 0


def test_too_little_memory_is_one_line(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import torch

    from ganvas.papers.wgan import WGAN

    def hungry(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 TiB.\nMore lines.")

    monkeypatch.setattr("ganvas.api.rehearse", lambda recipe: None)
    monkeypatch.setattr(WGAN, "critic_loss", hungry)
    before = running.listing(here)
    assert main(shlex.split(f"train {SMALL} --out new")) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "not enough memory on cpu; pass --micro-batch auto or --recompute, lower --batch" in said
    assert running.listing(here) == before


def test_a_failure_in_an_empty_folder_leaves_the_folder(tmp_path: Path, here: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert main(["train", "wgan-32", "--data", "rotten", "--out", str(tmp_path / "mine")]) == 2
    assert running.listing(tmp_path) == {"mine": -1}


@pytest.mark.parametrize("data", ["one", "five"])
def test_a_batch_larger_than_the_data_set(data: str, here: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for i in range(1 if data == "one" else 5):
        shutil.copy(here / "images" / f"{i}.png", folder)
    out = tmp_path / "run"
    assert main([*f"train {SMALL} --resolution 8".split(), "--data", str(folder), "--out", str(out)]) == 0
    assert json.loads((out / "config.json").read_text())["data"]["count"] == len(list(folder.iterdir()))


def test_a_run_says_what_it_does_and_leaves_what_it_says(here: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "run"
    assert main([*f"train {SMALL}".split(), "--images", "64", "--sample-every", "16", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "no --data given: using the embedded digits" in said.err
    assert "training wgan-gp-digits on digits (1,797 images)" in said.err
    assert "D/distance" in said.err
    assert f"sample grid:  {out / 'samples.png'}" in said.out
    assert f"model folder: {out}" in said.out
    files = set(running.listing(out))
    assert {"config.json", "model.safetensors", "README.md", "samples.png", "film.gif", "train.jsonl"} <= files
    assert {f"samples/{n:012d}.png" for n in (16, 32, 48, 64)} <= files
    assert {"best/model.safetensors", "best/config.json", "best/samples.png"} <= files
    with Image.open(out / "film.gif") as film:
        assert getattr(film, "n_frames", 1) > 1
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    assert {"images", "iteration", "seconds", "D/loss", "D/distance", "D/penalty", "G/loss"} <= set(lines[-2])
    assert all(np.isfinite(value) for line in lines for value in line.values())
    assert list((out / "tensorboard").glob("events.*"))  # tensorboard is among the test requirements


def test_without_out_runs_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    toy = "train wgan-gp-toy-small --set G_width=4 D_width=4 --images 8 --batch 8 --device cpu"
    for _ in range(2):
        assert main(toy.split()) == 0
    names = sorted(p.name for p in (tmp_path / "runs").iterdir())
    assert names == ["wgan-gp-toy-small-ring8", "wgan-gp-toy-small-ring8-2"]


def test_a_dry_run_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for preset in ("wgan-gp-cifar10", "wgan-64", "wgan-gp-toy"):
        colour = ["--set", "channels=3"] if preset != "wgan-gp-toy" else []
        assert main(["train", preset, *colour, "--dry-run", "--out", "here", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    counts = ("G 1,204,483", "D 1,053,825", "G 3,576,704", "D 2,765,568", "G 527,874", "D 527,361")
    for expected in (*counts, "lipschitz = penalise", "seed = 0", "nothing is trained or written"):
        assert expected in said
    assert "memory" in said
    assert "time" in said
    assert "nan" not in said
    assert not list(tmp_path.iterdir())


def test_samples_as_a_grid_as_files_and_as_numbers(here: Path, tmp_path: Path) -> None:
    grid, each, numbers = tmp_path / "a" / "grid.png", tmp_path / "each", tmp_path / "x.npz"
    assert main(["sample", "classy", "-n", "5", "--seed", "3", "--class", "ant", "cat", "--out", str(grid)]) == 0
    assert main(["sample", "classy", "-n", "3", "--seed", "3", "--class", "bee", "--each", str(each)]) == 0
    assert main(["sample", "classy", "-n", "3", "--seed", "3", "--class", "1", "--out", str(numbers)]) == 0
    with Image.open(grid) as picture:
        assert picture.size[0] > 100
    assert sorted(p.name for p in each.iterdir()) == [f"seed{i:06d}.png" for i in (3, 4, 5)]
    x = np.load(numbers)["x"]
    assert x.shape == (3, 1, 8, 8)
    assert x.dtype == np.float32
    from_files = np.stack([np.asarray(Image.open(p)) for p in sorted(each.iterdir())])
    np.testing.assert_array_equal(np.rint((x[:, 0] + 1) * 127.5).astype(np.uint8), from_files)


# The specification's counts (section 10), to the digit: G, D.
COUNTS = {
    "wgan-32": (1_068_928, 663_296),
    "wgan-64": (3_576_704, 2_765_568),
    "wgan-128": (12_786_560, 11_164_416),
    "wgan-64-nobn": (3_574_784, 2_765_568),
    "wgan-64-mlp": (6_880_768, 2_765_568),
    "wgan-64-mlps": (6_880_768, 6_817_793),
    "wgan-toy": (527_874, 527_361),
    "wgan-gp-cifar10": (1_204_483, 1_053_825),
    "wgan-gp-cifar10-acgan": (1_218_307, 1_055_115),
    "wgan-gp-cifar10-dcgan": (5_179_907, 4_114_689),
    "wgan-gp-64": (8_540_483, 7_491_841),
    "wgan-gp-mnist": (1_554_177, 1_030_145),
    "wgan-gp-toy": (527_874, 527_361),
    "sagan-128": (42_078_852, 39_463_618),
    "sagan-128-bigganpt": (42_017_412, 39_448_258),
    "biggan-64": (31_969_540, 20_571_842),
    "biggan-128": (70_433_988, 87_982_370),
    "biggan-256": (82_097_604, 99_225_890),
    "biggan-512": (82_296_804, 99_401_282),
    "biggan-cifar10": (4_304_387, 4_207_361),
    "biggan-cifar100": (4_580_867, 4_230_401),
    "sngan-128": (41_996_931, 30_005_013),
    "biggan-deep-128": (50_388_609, 34_590_210),
    "biggan-deep-256": (55_880_833, 38_247_426),
    "biggan-deep-512": (56_163_905, 38_301_122),
    "biggan-deep-cifar10": (7_435_267, 2_581_249),
}


def test_papers_lists_every_preset_with_exact_counts(capsys: Any) -> None:
    assert main(["papers", "--json"]) == 0
    rows = {row["preset"]: row for row in json.loads(capsys.readouterr().out)}
    promised = {"wgan-64", "wgan-gp-cifar10", "wgan-gp-64", "wgan-gp-mnist", "wgan-digits", "wgan-gp-digits"}
    assert promised <= rows.keys()
    counted = {name: (row["parameters"]["G"], row["parameters"]["D"]) for name, row in rows.items()}
    assert {name: counted[name] for name in COUNTS} == COUNTS
    for row in rows.values():
        assert {"paper", "title", "resolution", "channels", "batch", "images", "about", "data", "published"} <= set(row)


def test_papers_as_a_table(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ganvas import api

    table = {name: row for name, row in api.presets().items() if name.startswith("wgan-gp")}
    monkeypatch.setattr(api, "presets", lambda: table)
    assert main(["papers"]) == 0
    said = capsys.readouterr().out
    assert "wgan-gp-cifar10" in said
    assert "1,204,483" in said


@pytest.mark.parametrize(
    ("bare", "data", "preset"),
    [
        ("wgan", "digits", "wgan-digits"),
        ("wgan-gp", "digits", "wgan-gp-digits"),
        ("wgan-gp", "ring8", "wgan-gp-toy-small"),
        ("wgan", "images", "wgan-32"),
    ],
)
def test_a_bare_name_picks_the_preset_that_fits(
    bare: str, data: str, preset: str, here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an hour does not matter; tests/test_budget.py has what happens where it does."""
    monkeypatch.setattr("ganvas.budget.HOUR", math.inf)
    monkeypatch.setattr("ganvas.costs.SHORT", math.inf)  # on paper
    assert main(["train", bare, "--data", data, "--dry-run", "--device", "cpu"]) == 0
    assert f"preset {preset} " in capsys.readouterr().out


def test_this_process_is_left_as_it_was() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 400
    assert os.getcwd()
