"""The paper of docs/add-a-paper.md, taken from the page: it trains, samples, resumes, and keeps the laws.

Nothing of the package is touched: its files lie in a temporary folder, its name is in PAPERS for one test.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas.cli import main
from ganvas.config import configure
from ganvas.engine.step import iterate
from ganvas.engine.train import new_state
from ganvas.errors import InputError
from ganvas.gan import GAN
from ganvas.papers import PAPERS
from ganvas.penalties import r1_penalty
from ganvas.presets import fitting, presets
from ganvas.rng import generator
from tests import tiny
from tests.engine import running
from tests.papers import test_laws

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-paper.md"
LAWS = [
    law
    for name, law in vars(test_laws).items()
    if name.startswith("test_") and set(inspect.signature(law).parameters) <= {"name", "tmp_path"}
]
SMALL = ["r1gan", "--set", "G_width=4", "D_width=4", "dim_z=8", "lr_schedule=constant"]


def files() -> dict[str, str]:
    """The page's blocks by the path that begins the line before each."""
    found = re.findall(r"^`([\w/.]+)`[^\n]*\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return dict(found)


@pytest.fixture
def r1gan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[GAN]]:
    """The paper, registered for one test."""
    page, folder = files(), tmp_path / "papers"
    for name in ("r1gan.py", "presets/r1gan.toml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page[f"ganvas/papers/{name}"])
    spec = importlib.util.spec_from_file_location("r1gan", folder / "r1gan.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "r1gan", module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(PAPERS, "r1gan", module.R1GAN)
    for name, row in ast.literal_eval("{" + page["tests/tiny.py"] + "}").items():
        monkeypatch.setitem(tiny.TINY, name, row)
    presets.cache_clear()
    yield module.R1GAN
    presets.cache_clear()


def test_the_page_is_short_and_its_files_are_whole() -> None:
    assert set(files()) == {"ganvas/papers/r1gan.py", "ganvas/papers/presets/r1gan.toml", "tests/tiny.py"}
    assert len(PAGE.read_text().splitlines()) < 150


def test_a_bare_name_finds_its_presets(r1gan: type[GAN]) -> None:
    assert [name for name, row in presets().items() if row.paper == "r1gan"] == ["r1gan-cifar10", "r1gan-digits"]
    assert (fitting("r1gan", 8, False), fitting("r1gan", 64, False)) == ("r1gan-digits", "r1gan-cifar10")
    with pytest.raises(InputError, match="no networks for points"):
        fitting("r1gan", 0, True)


def test_it_trains_on_digits_samples_and_resumes_bit_for_bit(r1gan: type[GAN], tmp_path: Path) -> None:
    """160 images end behind iteration 4: the penalty of iteration 8 comes where it would have come."""
    assert running.train(tmp_path / "short", "--images", "160", recipe=SMALL) == 0
    assert running.resume(tmp_path / "short", "--images", "320") == 0
    assert running.train(tmp_path / "long", "--images", "320", recipe=SMALL) == 0
    assert not running.differences(running.left(tmp_path / "short"), running.left(tmp_path / "long"))

    for n in (1, 3):
        assert (
            main(["sample", str(tmp_path / "long"), "-n", str(n), "--seed", "5", "--out", f"{tmp_path}/{n}.npz"]) == 0
        )
    one, three = (np.load(tmp_path / f"{n}.npz")["x"] for n in (1, 3))
    assert three.shape == (3, 1, 32, 32)
    np.testing.assert_allclose(one[0], three[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("test_"))
def test_it_keeps_the_law(law: Callable[..., None], r1gan: type[GAN], tmp_path: Path) -> None:
    law(**{key: {"name": "r1gan", "tmp_path": tmp_path}[key] for key in inspect.signature(law).parameters})


def test_every_field_counts_or_is_refused(r1gan: type[GAN]) -> None:
    for field in r1gan.config_type.model_fields:
        test_laws.test_a_field_changes_something_or_cannot_be_set("r1gan", field)
        test_laws.test_every_field_counts_somewhere("r1gan", field)
    with pytest.raises(InputError, match="conditional=True given, expected False"):
        configure(r1gan.config_type, {"conditional": True})
    with pytest.raises(InputError, match=r"r1_every=4 given, but it counts only with r1 set"):
        configure(r1gan.config_type, {"r1": 0.0, "r1_every": 4})


def test_the_penalty_comes_every_so_often_and_weighs_as_much_more(r1gan: type[GAN]) -> None:
    gan = tiny.build("r1gan", r1=3.0, r1_every=4)
    state = new_state(gan, torch.device("cpu"))
    for gan.iteration in range(6):
        logs, _ = iterate(gan, lambda k: tiny.batch(gan, seed=k), state.optimisers, generator)
        assert ("D_r1/loss" in logs) == (gan.iteration in (0, 4))
    real = tiny.batch(gan)
    loss = gan.phases()[1].loss(real, None)
    torch.testing.assert_close(loss.total, 3.0 / 2 * 4 * r1_penalty(gan.D, real.x))
    assert [phase.name for phase in tiny.build("r1gan", r1=0.0).phases()] == ["D", "G"]
