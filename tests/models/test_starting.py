"""Fine-tuning: what is taken from a model, what is new, and what stays frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.models import folder, starting
from ganvas.models.folder import Description
from ganvas.nets.blocks import blocks, first_blocks
from tests import tiny

NAMES = ["rose", "tulip", "lily"]
SMALL = ["--set", "G_ch=4", "D_ch=4", "dim_z=8", "batch=8", "--images", "64", "--device", "cpu"]


def saved(name: str, path: Path, **values: Any) -> Path:
    gan = tiny.build(name, **values)
    description = Description(paper=tiny.TINY[name][0], config=gan.config.counting(), class_names=NAMES)
    folder.write(gan, path, description, {}, "")
    return path


@pytest.mark.parametrize("name", ["biggan", "biggan-tables", "sagan", "unetgan"])
def test_rows_of_known_classes_are_kept_and_the_rest_is_the_models(name: str, tmp_path: Path) -> None:
    model = saved(name, tmp_path / "model")
    weights = folder.read_weights(model)
    gan = tiny.build(name, seed=5, num_classes=4)
    first = {key: value.clone() for key, value in gan.model_state().items()}
    lines = starting.take(gan, model, ["tulip", "oak", "rose", "pine"])
    assert lines[1] == "classes: 2 taken, 2 new (oak, pine)"
    sized = starting.by_class(gan)
    assert sized
    for key, value in gan.model_state().items():
        if key not in sized:
            assert torch.equal(value, weights[key]), key
        elif value.shape[sized[key]] == 4:
            axis = sized[key]
            for new, old in ((0, 1), (2, 0)):
                assert torch.equal(value.select(axis, new), weights[key].select(axis, old)), key
            assert torch.equal(value.select(axis, 1), first[key].select(axis, 1)), key


def test_the_same_classes_are_the_same_model(tmp_path: Path) -> None:
    model = saved("biggan", tmp_path / "model")
    gan = tiny.build("biggan", seed=5)
    assert starting.take(gan, model, NAMES)[1] == "classes: 3 taken"
    assert all(torch.equal(value, folder.read_weights(model)[key]) for key, value in gan.model_state().items())


def test_other_networks_are_one_line(tmp_path: Path) -> None:
    model = saved("biggan", tmp_path / "model")
    with pytest.raises(InputError, match=r"has other networks than G_ch=8 \(the model has 4\); leave these out"):
        starting.overrides_of(model, "biggan-digits", {"G_ch": 8}, 3)
    with pytest.raises(InputError, match="is a model of biggan, sagan-digits is of sagan"):
        starting.overrides_of(model, "sagan-digits", {}, 3)
    with pytest.raises(InputError, match="has 3 classes, the data have none"):
        starting.overrides_of(model, "biggan-digits", {}, 0)


def test_blocks_are_counted_from_the_input() -> None:
    D = tiny.build("biggan").D
    assert [type(block).__name__ for block in first_blocks(D, 2)] == ["ModuleList", "ModuleList"]
    assert first_blocks(nn.ModuleDict({"A": D, "B": D}), 1) == [blocks(D)[0]] * 2
    with pytest.raises(InputError, match="--freeze-D 99 given, D has"):
        first_blocks(D, 99)


def test_a_run_goes_on_from_a_model_with_a_part_of_D_left_alone(tmp_path: Path, capsys: Any) -> None:
    model, out = tmp_path / "model", tmp_path / "run"
    assert main(["train", "biggan-digits", *SMALL, "--out", str(model)]) == 0
    other = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "other.npz", x=other, y=np.arange(20) % 4)
    capsys.readouterr()
    start = ["--data", str(tmp_path / "other.npz"), "--from", str(model), "--freeze-D", "1", "--images", "16"]
    assert main(["train", "biggan-digits", *start, "--set", "batch=8", "--device", "cpu", "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert f"from {model.resolve()}: " in said
    assert "classes: 4 taken" in said  # digits 0 to 3 have these names
    assert main(["train", "--resume", str(out), "--images", "32"]) == 0
    before, after = load_file(model / "model.safetensors"), load_file(out / "model.safetensors")
    learned = [k for k in before if k.startswith("D.blocks.") and k.endswith(("weight", "bias"))]
    assert all(torch.equal(before[k], after[k]) == k.startswith("D.blocks.0.") for k in learned)
    assert after["G.shared.weight"].shape[0] == 4
