"""ganvas project, and ganvas sample --code with what it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas import api
from ganvas.cli import main
from ganvas.gan import GAN
from ganvas.ops.pixels import to_uint8
from tests import tiny

QUICK = "--candidates 8 --steps 4 --restarts 1"


@pytest.fixture
def gan(monkeypatch: pytest.MonkeyPatch) -> GAN:
    made = tiny.build("biggan").eval()
    made.class_names = ["cat", "dog", "7"]
    monkeypatch.setattr(api, "load", lambda model, device: made)
    return made


@pytest.fixture
def pictures(gan: GAN, tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, image in zip("ab", to_uint8(gan.sample(2, seed=50)).numpy()):
        Image.fromarray(image[0]).save(folder / f"{name}.png")
    return folder


def run(words: str, *paths: object) -> int:
    return main([*words.split(), *map(str, paths)])


def test_each_picture_gets_a_code_an_image_and_a_line(gan: GAN, pictures: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    assert run(f"project model {pictures} {QUICK} --class dog cat --out", out) == 0
    assert capsys.readouterr().out.strip() == str(out)
    names = ["a.png", "a.safetensors", "b.png", "b.safetensors", "projections.json", "projections.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    lines = json.loads((out / "projections.json").read_text())
    assert {name: line["class"] for name, line in lines.items()} == {"a": "dog", "b": "cat"}
    made = np.asarray(Image.open(out / "a.png")) / 127.5 - 1
    target = np.asarray(Image.open(pictures / "a.png")) / 127.5 - 1
    assert lines["a"]["error"] == pytest.approx(((made - target) ** 2).mean(), abs=1e-3)

    grid = tmp_path / "grid.npz"
    assert run("sample model --out", grid, "--code", out / "a.safetensors", out / "b.safetensors") == 0
    x = torch.from_numpy(np.load(grid)["x"])
    assert np.array_equal(to_uint8(x)[0, 0].numpy(), np.asarray(Image.open(out / "a.png")))
    assert run("sample model --interpolate 3 --out", grid, "--code", out / "a.safetensors", out / "b.safetensors") == 0
    between = torch.from_numpy(np.load(grid)["x"])
    assert between.shape[0] == 3
    torch.testing.assert_close(between[0], x[0], rtol=1e-4, atol=1e-4)
    assert run("sample model --class 7 --out", grid, "--code", out / "a.safetensors") == 0
    assert not np.allclose(np.load(grid)["x"], x[0].numpy())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--class dog cat dog", "3 classes for 2 pictures"),
        ("--class horse", "unknown class 'horse'"),
        ("--prior -1", "--prior -1 given"),
        ("--weights x.pth", "pixels need none"),
        ("--features lpips", "LPIPS (alex) needs two files"),
        ("--features lpips --weights a --weights b --weights c", "3 times --weights given"),
        ("--candidates 0", "expected a whole number from 1 on"),
    ],
)
def test_wrong_options_are_one_line(
    words: str, said: str, gan: GAN, pictures: Path, tmp_path: Path, capsys: Any
) -> None:
    assert run(f"project model {pictures} {QUICK} {words} --out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(gan: GAN, pictures: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.safetensors").write_text("mine")
    assert run(f"project model {pictures / 'a.png'} {QUICK} --out", tmp_path) == 2
    assert "a.safetensors is there already" in capsys.readouterr().err
    assert run(f"project model {pictures / 'a.png'} {QUICK} --overwrite --out", tmp_path) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-n 3", "-n given with --code"),
        ("--seed 1", "--seed given with --code"),
        ("--truncation 0.5", "--truncation given with --code"),
        ("--scores", "--scores given with --code"),
        ("--interpolate 3", "one code given"),
        ("--class cat dog", "2 classes for 1 codes"),
    ],
)
def test_what_does_not_go_with_a_code(
    words: str, said: str, gan: GAN, pictures: Path, tmp_path: Path, capsys: Any
) -> None:
    assert run(f"project model {pictures / 'a.png'} {QUICK} --out", tmp_path / "out") == 0
    capsys.readouterr()
    assert run(f"sample model {words} --out", tmp_path / "x.png", "--code", tmp_path / "out" / "a.safetensors") == 2
    assert said in capsys.readouterr().err


def test_the_time_left_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from ganvas.cli import project

    clock = iter([0.0, 30.0, 30.0])
    monkeypatch.setattr(project.time, "monotonic", lambda: next(clock, 40.0))
    show = project.progress(2)
    show(200, 200)
    assert "projecting: picture 2 of 2, 100%, 0 s left" in capsys.readouterr().err
