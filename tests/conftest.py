"""What every test has: one thread (bits do not depend on load) or TEST_THREADS, a seed, a cache of its own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks another machine


@pytest.fixture(autouse=True)
def _threads() -> None:
    torch.set_num_threads(int(os.environ.get("TEST_THREADS", "1")))


@pytest.fixture(autouse=True)
def _seed() -> None:
    """The global state of torch and numpy starts alike in every test, alone or in the suite.

    What is drawn while test files are imported (in `parametrize`, at module level) comes before this: draw it in the
    test instead.
    """
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Where a run may be written."""
    return tmp_path / "run"
