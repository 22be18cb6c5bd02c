"""The film of a run is drawn anew when its pictures have doubled, and when the run ends or is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ganvas.data import grid
from ganvas.engine.run import Run, Settings
from tests.engine.test_randomness import noise


def test_when_a_film_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(grid, "film", lambda frames, path: drawn.append(len(frames)))
    run = Run(tmp_path, noise(), Settings(data="noise"), write_model=lambda *_: None)
    (tmp_path / "samples").mkdir()
    for n in range(1, 11):
        Image.new("L", (4, 4)).save(tmp_path / "samples" / f"{n:012d}.png")
        run.write_film(ended=n == 10)
    assert drawn == [2, 4, 8, 10]
