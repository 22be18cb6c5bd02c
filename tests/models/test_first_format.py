"""Models and runs written before the second plan (format 1) load, sample and resume, for ever.

tests/fixtures/format1 was written by the last commit before it: `ganvas train biggan-digits --set G_ch=2 D_ch=2
shared_dim=4 dim_z=8 ema_start=4 batch=16 --images 320 --checkpoint-every 160` and a WGAN-GP of width 4; before.npz
holds the images that that commit sampled from both, and from the run after it resumed it to 480 images.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from ganvas.cli import main

OLD = Path(__file__).parents[1] / "fixtures" / "format1"


@pytest.fixture(scope="module")
def before() -> dict[str, torch.Tensor]:
    with np.load(OLD / "before.npz", allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.mark.parametrize("name", ["run", "model"])
def test_it_loads_and_samples_what_it_sampled(name: str, before: dict[str, torch.Tensor]) -> None:
    gan = ganvas.load(OLD / name, "cpu")
    expected = before[f"{name}_images"]
    torch.testing.assert_close(gan.sample(len(expected), seed=0), expected, rtol=1e-4, atol=1e-5)


def test_it_resumes_to_where_it_would_have_gone(tmp_path: Path, before: dict[str, torch.Tensor]) -> None:
    run = tmp_path / "run"
    shutil.copytree(OLD / "run", run)
    assert main(["train", "--resume", str(run), "--images", "480", "--device", "cpu"]) == 0
    gan = ganvas.load(run, "cpu")
    torch.testing.assert_close(gan.sample(6, seed=0), before["resumed_images"], rtol=1e-2, atol=1e-3)
    described = json.loads((run / "config.json").read_text())
    assert (described["format"], described["config"]["images"]) == (2, 480)
    assert "rgb" not in described["config"], "what does not count is no longer written"
    state = json.loads(next((run / "checkpoints").glob("*480/state.json")).read_text())
    assert state["format"] == 3
