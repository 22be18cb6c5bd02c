"""`ganvas sample --scores`: what is drawn, from which images and classes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganvas.cli import main
from ganvas.errors import InputError
from ganvas.gan import Batch, Given
from ganvas.models import folder as model_folder
from ganvas.models.folder import Description
from ganvas.ops.cutmix import mix
from ganvas.scoring import pixel_scores
from tests import tiny


def model(path: Path, name: str = "unetgan", **values: object) -> Path:
    """A model folder of a tiny GAN."""
    gan = tiny.build(name, **values)
    paper = tiny.TINY[name][0]
    model_folder.write(gan, path, Description(paper=paper, config=gan.config.counting()), {}, "untrained")
    return path


def run(*args: object) -> int:
    return main([str(a) for a in args])


def cells(path: Path, columns: int, rows: int) -> np.ndarray:
    """The pictures of a grid of 8x8 pictures, each pixel 6 wide, in rows.  -> [rows, columns, 8, 8]"""
    sheet = np.asarray(Image.open(path).convert("L"))
    assert sheet.shape == (2 + 50 * rows, 2 + 50 * columns)
    at = [
        [sheet[2 + 50 * i : 50 + 50 * i : 6, 2 + 50 * j : 50 + 50 * j : 6] for j in range(columns)] for i in range(rows)
    ]
    return np.array(at)


def test_samples_over_their_maps(tmp_path: Path) -> None:
    folder, out = model(tmp_path / "m"), tmp_path / "s.png"
    assert run("sample", folder, "--scores", "-n", 12, "--seed", 3, "--class", 2, "--out", out) == 0
    shown = cells(out, 8, 4)
    gan = tiny.build("unetgan").eval()
    x = gan.sample(12, seed=3, classes=2)
    with torch.no_grad():
        maps = torch.sigmoid(gan.pixel_scores(x, Given(y=torch.full((12,), 2))))
    grey = ((x[:, 0] + 1) * 127.5).numpy()
    assert np.abs(shown[0] - grey[:8]).max() <= 1
    assert np.abs(shown[1] - 255 * maps[:8, 0].numpy()).max() <= 1
    assert np.abs(shown[2, :4] - grey[8:]).max() <= 1
    assert np.abs(shown[3, :4] - 255 * maps[8:, 0].numpy()).max() <= 1
    assert (shown[2:, 4:] == 255).all()


def test_real_images_samples_and_mixes(tmp_path: Path) -> None:
    folder, out = model(tmp_path / "m", num_classes=10), tmp_path / "s.png"
    assert run("sample", folder, "--scores", "-n", 4, "--data", "digits", "--out", out) == 0
    assert cells(out, 4, 6).std() > 0
    gan = tiny.build("unetgan", num_classes=10)
    real = pixel_scores.real_images(gan, "digits", 4, 0)
    picture = pixel_scores.of_both(gan, real, 0)
    x = picture.x.unflatten(0, (6, 4))
    assert picture.columns == 4
    assert torch.equal(x[0], real.x)
    torch.testing.assert_close(x[2], gan.sample(4, seed=0, given=real.given))
    from_real = torch.stack([torch.isclose(x[4], x[0]), torch.isclose(x[4], x[2])])
    assert from_real.any(0).all()
    assert not from_real[0].all()
    for images, maps in ((x[0], x[1]), (x[2], x[3]), (x[4], x[5])):
        torch.testing.assert_close(maps, pixel_scores.maps(gan, images, real.given))
    assert not torch.equal(pixel_scores.real_images(gan, "digits", 4, 1).x, real.x)


def test_colour_and_no_classes() -> None:
    gan = tiny.build("unetgan-selfmod", channels=3)
    real = Batch(
        torch.rand(3, 3, 8, 8) * 2 - 1, Given(y=torch.tensor([0, 7, 1]))
    )  # classes that the model does not use
    picture = pixel_scores.of_both(gan, real, 0)
    assert picture.x.shape == (18, 3, 8, 8)
    maps: Tensor = picture.x[3:6]
    assert torch.equal(maps[:, 0], maps[:, 2])
    assert torch.equal(mix(real.x, real.x, maps[:, :1]), real.x) or maps.abs().max() <= 1


@pytest.mark.parametrize(
    ("name", "args", "line"),
    [
        ("sagan", ["--scores"], "scores whole images, not pixels"),
        ("unetgan-plain", ["--scores"], "scores whole images, not pixels"),
        ("unetgan", ["--data", "digits"], "add --scores"),
        ("unetgan", ["--scores", "--data", "digits"], "10 classes, the model has 3"),
        ("unetgan", ["--scores", "--data", "digits", "--class", "1"], "--class given with --scores"),
        ("unetgan", ["--scores", "--interpolate", "3"], "--interpolate given with --scores"),
        ("unetgan", ["--scores", "--out", "s.npz"], "s.npz given with --scores"),
    ],
)
def test_what_does_not_go_together(
    name: str, args: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model(tmp_path / "m", name)
    out = [] if "--out" in args else ["--out", tmp_path / "s.png"]
    assert run("sample", folder, *args, *out) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert line in lines[0]
    assert not (tmp_path / "s.png").exists()


def test_maps_of_a_gan_without_any() -> None:
    gan = tiny.build("sagan")
    with pytest.raises(InputError, match="SAGAN"):
        pixel_scores.maps(gan, tiny.batch(gan).x, Given())
