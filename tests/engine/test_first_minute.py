"""Progress and a picture come by the clock, however far apart the log's lines and the film's pictures are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganvas.engine import train as loop
from ganvas.engine.log import Screen
from tests.engine import running


def test_progress_and_a_picture_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    kept: list[bool] = []
    plain = loop.Run.write_picture

    def drawn(self: Any, state: Any, kept_too: bool = True, **given: Any) -> None:
        kept.append(given.get("kept", kept_too))
        plain(self, state, **given)

    monkeypatch.setattr(Screen, "show", lambda self, line, *_, **__: lines.append(line))
    monkeypatch.setattr(loop.Run, "write_picture", drawn)
    monkeypatch.setattr(loop, "SILENCE", 0.0)
    monkeypatch.setattr(loop, "EARLY", 0.0)
    rare = ["--log-every", "1M", "--sample-every", "1M", "--images", "300"]
    assert running.train(tmp_path / "run", *rare) == 0
    assert "step 1 of 3" in lines[0]
    assert any("step 3 of 3" in line for line in lines)
    assert kept == [True, False, True]  # before the first step, soon after it, at the end
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 2
