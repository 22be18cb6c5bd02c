from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ganvas.data.grid import film, grid, indexed, save_film, to_pil

from .make import noise


def durations(path: Path) -> list[int]:
    """How long each picture of a GIF is shown, in milliseconds."""
    with Image.open(path) as image:
        assert image.info["loop"] == 0  # for ever
        found = []
        for frame in range(image.n_frames):
            image.seek(frame)
            found.append(image.info["duration"])
    return found


def test_the_last_picture_of_a_film_is_held_for_two_seconds(tmp_path: Path) -> None:
    pictures = [to_pil(noise(3, 8, 8, seed=i)) for i in range(4)]
    save_film(pictures, tmp_path / "a.gif", seconds=2.0)
    assert durations(tmp_path / "a.gif") == [500, 500, 500, 2000]
    save_film(pictures, tmp_path / "b.gif", seconds=0.01)
    assert durations(tmp_path / "b.gif") == [40, 40, 40, 2000]  # faster than that is a flicker


def test_a_long_film_is_thinned_and_keeps_its_ends(tmp_path: Path) -> None:
    frames = [tmp_path / f"{i:02}.png" for i in range(10)]
    for i, path in enumerate(frames):
        Image.new("L", (8, 8), 20 * i).save(path)
    film(frames, tmp_path / "a.gif", seconds=1.0, most=4)
    with Image.open(tmp_path / "a.gif") as image:
        shown = []
        for frame in range(image.n_frames):
            image.seek(frame)
            shown.append(np.asarray(image.convert("L"))[0, 0].item())
    assert shown == [0, 60, 120, 180]


def test_a_grid_is_filled_row_by_row_on_white() -> None:
    sheet = np.asarray(grid(np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(60, 2).repeat(50, 3), 3, gap=2))
    assert sheet.shape == (2 * 62 + 2, 3 * 52 + 2)
    assert [sheet[2, 2], sheet[2, 54], sheet[2, 106], sheet[64, 2], sheet[64, 54]] == [0, 1, 2, 3, 4]
    assert sheet[64, 106] == sheet[0, 0] == sheet[-1, -1] == 255
    assert grid(np.zeros((1, 3, 8, 8), np.uint8), gap=0).size == (48, 48)  # enlarged, pixel by pixel


def test_a_film_is_bounded_in_size(tmp_path: Path) -> None:
    """Noise does not pack: pictures and frames become fewer until it fits, in their proportions."""
    frames = []
    for i in range(12):
        frames.append(tmp_path / f"{i:02d}.png")
        Image.effect_noise((200, 100), 80 + i).save(frames[-1])
    film(frames, tmp_path / "a.gif", size_bytes=10**9)
    film(frames, tmp_path / "b.gif", size_bytes=60_000)
    assert (tmp_path / "b.gif").stat().st_size <= 60_000 < (tmp_path / "a.gif").stat().st_size
    with Image.open(tmp_path / "b.gif") as small, Image.open(tmp_path / "a.gif") as whole:
        assert whole.size == (200, 100)
        assert abs(small.width - 2 * small.height) <= 1
        assert 2 <= small.n_frames <= 12


def test_a_films_colours_are_near_those_of_the_picture() -> None:
    """Of a large picture they are chosen from some of its pixels, of a small one from all."""
    x = np.linspace(0, 255, 400)
    large = Image.fromarray(np.stack(np.broadcast_arrays(x[:, None], x[None, :300], 128.0), -1).astype(np.uint8))
    for picture, most in ((large, 6.0), (large.resize((15, 15)), 0.0)):
        found = np.asarray(indexed(picture).convert("RGB"), float)
        assert np.sqrt(np.square(found - np.asarray(picture, float)).mean()) <= most
