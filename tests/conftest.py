"""What every test has: one thread (bits do not depend on the machine's load), and a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Where a run may be written."""
    return tmp_path / "run"
