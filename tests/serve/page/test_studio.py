"""What a model makes, in a real browser: every flow with the mouse, on a phone where it differs."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests.serve.conftest import SHELF
from tests.serve.page.helpers import DATA, DROPPED, both, changed, near, pixels, shot, size


@both
def test_gallery_and_samples(page: Page, address: str, tmp_path: Path) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    expect(page.locator(".card")).to_have_count(len(SHELF))
    shot(page, "gallery")
    page.get_by_role("link", name="big", exact=True).click()
    expect(page.locator(".tile")).to_have_count(16)
    before = changed(page, ".tile canvas")
    page.get_by_label("Class").select_option("kind 1")
    page.get_by_label("How many").select_option("4")
    expect(page.locator(".tile")).to_have_count(4)
    expect(page.locator(".tile").first).to_have_attribute("aria-label", "Seed 0, class kind 1")
    page.get_by_label("Truncation: less variety").fill("0.5")
    page.get_by_label("First seed").fill("7")
    expect(page.locator(".tile").first).to_have_attribute("aria-label", "Seed 7, class kind 1")
    after = pixels(page, ".tile canvas")
    assert before != after
    shot(page, "samples")
    with page.expect_download() as got:
        page.get_by_role("button", name="↓ ZIP").click()
    assert len(zipfile.ZipFile(got.value.path()).namelist()) == 4
    link = page.url
    for part in ("seed=7", "class=kind+1", "n=4", "truncation=0.5"):
        assert part in link
    page.goto("about:blank")
    page.goto(link)  # the link alone shows the same
    expect(page.locator(".tile")).to_have_count(4)
    assert pixels(page, ".tile canvas") == after
    page.locator(".tile").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    shot(page, "one")
    with page.expect_download() as got:
        page.get_by_role("button", name="Download PNG").click()
    assert size(got.value.path()) == (8, 8)
    page.get_by_role("button", name="Walk from here").click()
    expect(page.get_by_label("Top left", exact=True)).to_have_value("7")
    expect(page.get_by_label("Class")).to_have_value("kind 1")  # and it begins at that image
    assert near(changed(page, ".pad canvas"), after)
    expect(page.get_by_role("tab", name="Between")).to_be_in_viewport(ratio=1)


@both
def test_between_four_seeds(page: Page, address: str) -> None:
    page.goto(f"{address}#/model/big?tab=mix&corners=1,2,3,4&u=0&v=0")
    pad = page.locator(".pad")
    expect(pad).to_be_visible()
    corner = changed(page, ".pad canvas")
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.5, steps=6)
    page.mouse.up()
    expect(pad).to_have_attribute("aria-valuetext", "75 percent to the right, 50 percent down")
    changed(page, ".pad canvas", corner)
    pad.focus()
    page.keyboard.press("ArrowLeft")
    expect(pad).to_have_attribute("aria-valuetext", "70 percent to the right, 50 percent down")
    assert "u=0.700" in page.url
    page.get_by_role("button", name="Go to bottom left, seed 3").press("Enter")
    expect(pad).to_have_attribute("aria-valuetext", "0 percent to the right, 100 percent down")
    page.wait_for_function(f"""() => {{
      const corner = ({DATA})(document.querySelectorAll('.corner canvas')[2]);
      return ({DATA})(document.querySelector('.pad canvas')).every((value, i) => Math.abs(value - corner[i]) <= 2);
    }}""")
    page.get_by_role("button", name="Play the walk").click()
    seek = page.get_by_label("Place in the walk")
    expect(seek).to_be_enabled()
    expect(pad).to_be_in_viewport(ratio=0.5)  # beside what was pressed
    page.wait_for_function("() => document.querySelector('.walk input').value > 2")
    shot(page, "between")
    page.get_by_role("button", name="Stop").click()
    with page.expect_download() as got:
        page.get_by_role("button", name="↓ GIF").click()
    with Image.open(got.value.path()) as film:
        assert film.size == (64, 64)
        assert film.n_frames > 10  # type: ignore[attr-defined]  (like frames after each other become one)


@both
def test_photo_in_photo_out(page: Page, address: str, tmp_path: Path, wrong: list[str]) -> None:
    Image.effect_noise((40, 30), 80).convert("RGB").save(tmp_path / "in.png")
    page.goto(f"{address}#/model/pairs")
    page.get_by_label("A picture to translate").set_input_files(tmp_path / "in.png")
    expect(page.get_by_label("Direction")).to_have_text("A (colour) to B (grey)B (grey) to A (colour)")
    slider = page.get_by_label("Share of the picture that shows before")
    expect(slider).to_have_value("50")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_value("51")
    assert page.eval_on_selector(".compare .before", "e => e.style.clipPath") == "inset(0px 49% 0px 0px)"
    page.get_by_label("Direction").select_option("a")
    expect(page.locator(".compare .before")).to_have_css("filter", "grayscale(1)")  # as the model sees it
    page.get_by_label("Direction").select_option("b")
    expect(page.locator(".compare .before")).to_have_css("filter", "none")
    page.get_by_label("Size").select_option("model")
    page.wait_for_function("() => document.querySelector('.compare img').naturalWidth === 8")
    shape = page.eval_on_selector(".compare", "e => e.offsetWidth / e.offsetHeight")
    assert abs(shape - 40 / 30) < 0.02  # of the picture that was given
    page.get_by_label("Size").select_option("own")
    page.wait_for_function("() => document.querySelector('.compare img').naturalWidth === 40")
    expect(page.locator(".compare")).to_be_in_viewport(ratio=1)
    shot(page, "translate")
    with page.expect_download() as got:
        page.get_by_role("button", name="↓ PNG").click()
    assert size(got.value.path()) == (40, 30)
    (tmp_path / "bad.png").write_text("no picture")
    page.get_by_label("A picture to translate").set_input_files(tmp_path / "bad.png")
    expect(page.get_by_role("alert")).to_contain_text("no picture that is known here")
    expect(page.get_by_role("button", name="↓ PNG")).to_be_disabled()
    Image.effect_noise((1200, 1000), 80).convert("RGB").save(tmp_path / "large.png")  # 1.2 megapixels
    page.get_by_label("A picture to translate").set_input_files(tmp_path / "large.png")
    page.wait_for_function("() => document.querySelector('.compare img')?.naturalWidth > 1000")
    pixels_of = page.eval_on_selector(".compare img", "e => e.naturalWidth * e.naturalHeight")
    assert 0.99 * 2**20 < pixels_of <= 2**20
    wrong[:] = [text for text in wrong if "400" not in text]


def test_more_like_this(page: Page, address: str, tmp_path: Path) -> None:
    Image.effect_noise((30, 20), 80).convert("RGB").save(tmp_path / "in.png")
    page.goto(f"{address}#/model/instances?tab=like&n=4&class=*")  # as the tab of samples leaves it
    expect(page.get_by_role("button", name="↓ ZIP")).to_be_disabled()
    dropped = page.evaluate_handle(DROPPED, list((tmp_path / "in.png").read_bytes()))
    page.dispatch_event(".stage", "drop", {"dataTransfer": dropped})  # anywhere on the page
    expect(page.get_by_label("Like the picture, seed 3")).to_be_visible()
    shot(page, "like")
    with page.expect_download() as got:
        page.get_by_role("button", name="↓ ZIP").click()
    assert len(zipfile.ZipFile(got.value.path()).namelist()) == 4


def test_the_judge(page: Page, address: str, tmp_path: Path) -> None:
    Image.effect_noise((8, 8), 80).save(tmp_path / "in.png")
    page.goto(f"{address}#/model/judging?tab=judge")
    first = changed(page, "figure canvas")
    page.get_by_role("button", name="Next seed").click()
    second = changed(page, "figure canvas", first)
    page.get_by_label("A picture of your own").set_input_files(tmp_path / "in.png")
    given = changed(page, "figure canvas", second)
    assert given[::4] == list(Image.open(tmp_path / "in.png").tobytes())
    expect(page.get_by_text("A picture of your own, judged as kind 0, for no class is chosen")).to_be_visible()
    both = pixels(page, "figure:nth-child(3) canvas")
    page.get_by_label("Class").select_option("kind 2")  # of the picture, which stays
    expect(page.get_by_text("A picture of your own, judged as kind 2")).to_be_visible()
    assert pixels(page, "figure canvas") == given
    assert changed(page, "figure:nth-child(3) canvas", both) != given
    page.get_by_label("Strength of the map").fill("0")
    assert changed(page, "figure:nth-child(3) canvas", both) == given
    expect(page.get_by_text(re.compile(r"^Pixels are \d+ % to \d+ % real to D, \d+ % on average\.$"))).to_be_visible()
    shot(page, "judge")
