"""The models that ship, in a real browser: that what they make is what they promise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect
from sklearn.datasets import load_sample_image

from ganvas.data.toys import digits
from ganvas.models import zoo
from ganvas.serve.app import create
from ganvas.serve.limits import Limits
from ganvas.serve.shelf import Shelf
from ganvas.serve.training import Training
from tests.serve.conftest import end, served
from tests.serve.page.helpers import DATA, changed, pixels, shot


@pytest.fixture(scope="module")
def shipped(runs: Path) -> Iterator[str]:
    """The address of a server of them."""
    folders = [zoo.shipped(name) for name in zoo.names()]
    training = Training(runs, [], Limits(), "cpu")
    with served(create(Shelf(folders, None, torch.device("cpu")), training=training)) as found:
        yield f"{found}/"
    end(training)


@pytest.fixture(scope="module")
def seven() -> np.ndarray:
    """A seven that people wrote, uint8 [8, 8]."""
    x, y = digits()
    return x[y == 7][0, 0]


def saved(picture: Image.Image, path: Path) -> Path:
    picture.save(path)
    return path


@pytest.mark.parametrize("name", ["icgan-digits", "icgan-stylegan2-digits"])
def test_more_like_a_seven_is_sevens(page: Page, shipped: str, seven: np.ndarray, tmp_path: Path, name: str) -> None:
    page.goto(f"{shipped}#/model/{name}?tab=like&n=4")
    page.get_by_label("More like this picture").set_input_files(saved(Image.fromarray(seven), tmp_path / "seven.png"))
    expect(page.get_by_label("Like the picture, seed 3")).to_be_visible()
    shown = page.eval_on_selector_all(".tile canvas, .tiles canvas", f"all => all.map({DATA})")
    samples = np.array(shown, float).reshape(4, 8, 8, 4)[..., 0]
    x, y = digits()
    means = np.stack([x[y == k].mean((0, 1)) for k in range(10)])
    nearest = ((samples[:, None] - means) ** 2).mean((2, 3)).argmin(1)
    assert list(nearest).count(7) >= 3


def test_the_judge_of_digits_takes_a_digit_for_more_real_than_noise(
    page: Page, shipped: str, seven: np.ndarray, tmp_path: Path
) -> None:
    page.goto(f"{shipped}#/model/unetgan-digits?tab=judge&class=7&seed=1")
    changed(page, "figure canvas")
    average = []
    noise = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    for i, pixels_of in enumerate((seven, noise)):
        before = pixels(page, "figure canvas")
        file = saved(Image.fromarray(pixels_of), tmp_path / f"{i}.png")
        page.get_by_label("A picture of your own").set_input_files(file)
        changed(page, "figure canvas", before)
        average.append(np.mean(pixels(page, "figure:nth-child(2) canvas")[::4]))
    expect(page.get_by_text("A picture of your own, judged as 7")).to_be_visible()
    assert average[0] > average[1] + 10


def test_a_photograph_is_coloured(page: Page, shipped: str, tmp_path: Path) -> None:
    photo = Image.fromarray(load_sample_image("china.jpg")).resize((160, 107))
    page.goto(f"{shipped}#/model/csgan-demo")
    page.get_by_label("A picture to translate").set_input_files(saved(photo, tmp_path / "china.jpg"))
    expect(page.get_by_label("Share of the picture that shows before")).to_be_visible()
    shot(page, "photograph")
    with page.expect_download() as got:
        page.get_by_role("button", name="↓ PNG").click()
    with Image.open(got.value.path()) as made:
        assert (made.mode, made.size) == ("RGB", photo.size)
        grey = [np.asarray(one.convert("L"), float).ravel() for one in (photo, made)]
        assert np.ptp(np.asarray(made.convert("HSV"))[..., 1]) > 50  # it has colours
    assert np.corrcoef(*grey)[0, 1] > 0.7  # and is that photograph
    page.get_by_label("Direction").select_option("a")
    page.wait_for_function("() => !document.querySelector('[aria-busy]') && !document.querySelector('.grey')")
    with page.expect_download() as got:
        page.get_by_role("button", name="↓ PNG").click()
    with Image.open(got.value.path()) as made:
        assert (made.mode, made.size) == ("L", photo.size)
    page.get_by_role("tab", name="Scores").click()
    expect(page.get_by_text("Some of mse, psnr, ssim")).to_be_visible()
    expect(page.get_by_label("Samples")).to_have_count(0)  # all pairs of the test split are
    expect(page.get_by_label("Data to measure against")).to_have_value("photo-grey")


@pytest.mark.usefixtures("commands_run_here")
@pytest.mark.parametrize("name", ["biggan-digits", "stylegan2-digits"])
def test_a_seven_back_to_a_code_and_on_to_an_eight(
    page: Page, shipped: str, seven: np.ndarray, tmp_path: Path, name: str
) -> None:
    page.goto(f"{shipped}#/model/{name}?tab=project&class=7")
    page.get_by_label("Steps").fill("5")
    page.get_by_label("A picture to look for").set_input_files(saved(Image.fromarray(seven), tmp_path / "seven.png"))
    expect(page.get_by_text(re.compile(r"^Mean squared difference 0\.\d+, class 7$"))).to_be_visible()
    error = float(page.get_by_text("Mean squared difference").inner_text().split()[3].rstrip(","))
    found = np.array(changed(page, ".changing canvas"), float)[::4].reshape(8, 8)
    assert abs(((found - seven) / 127.5) ** 2).mean() < error + 0.01  # the code alone gives what was found
    page.locator(".changing select").select_option("8")
    page.get_by_label("Toward seed").fill("3")
    page.get_by_label("How far").fill("1")
    page.wait_for_function("() => location.hash.includes('share=1')")
    page.goto(f"{shipped}#/model/{name}?class=8&seed=3&n=1")
    expect(page.get_by_label("Seed 3, class 8")).to_be_visible()
    eight = changed(page, ".tile canvas")
    page.go_back()
    page.wait_for_function(
        f"eight => document.querySelector('.changing canvas') && ({DATA})(document.querySelector('.changing canvas'))"
        ".every((value, i) => Math.abs(value - eight[i]) <= 2)",
        arg=eight,
    )
