"""The page in a real browser, against a real server: every flow with mouse and keyboard, on a phone where it differs.

Most flows ask a server in a thread of this process; the one that is killed is a process, and so are all jobs.

It needs Debian's chromium (`apt-get install --no-install-recommends chromium`).  Where that is missing these tests do
not run, and a warning says so.  GANVAS_SCREENSHOTS=DIR keeps a picture of each screen, to be looked at.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
import warnings
import zipfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ganvas.cli import main
from ganvas.models import zoo
from ganvas.serve import jobs as jobs_module
from ganvas.serve.app import create
from ganvas.serve.guard import Guard
from ganvas.serve.limits import Limits
from ganvas.serve.shelf import Shelf
from ganvas.serve.training import Training
from tests.serve.conftest import SHELF, end, served

CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120_000  # milliseconds: a machine may be busy with other work
if not CHROMIUM.exists():
    why = f"THE BROWSER TESTS DO NOT RUN: {CHROMIUM} is missing; apt-get install --no-install-recommends chromium"
    warnings.warn(why, stacklevel=1)
    pytest.skip(why, allow_module_level=True)

from playwright.sync_api import Page, expect, sync_playwright  # noqa: E402

expect.set_options(timeout=PATIENCE)


class Server:
    """`ganvas serve` as a process."""

    def __init__(self, runs: Path, port: int = 0) -> None:
        command = [sys.executable, "-m", "ganvas", "serve", "--runs", str(runs), "--device", "cpu", "--port", str(port)]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env, cwd=runs.parent)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, line
        self.address, self.port = found[0], int(found[1])

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@pytest.fixture(scope="module")
def runs(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs that holds the models."""
    folder = tmp_path_factory.mktemp("station") / "runs"
    shutil.copytree(models, folder)
    return folder


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    """Of a server that may start jobs."""
    shelf = Shelf([], runs, torch.device("cpu"), loaded=len(SHELF))
    training = Training(runs, [], Limits(), "cpu")
    with pytest.MonkeyPatch.context() as patch, served(create(shelf, training=training)) as found:
        patch.setenv("OMP_NUM_THREADS", "1")  # of the jobs
        yield f"{found}/"
    end(training)


@pytest.fixture
def start(runs: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers as processes; none of them, and none of their jobs, outlives the test."""
    made: list[Server] = []

    def started(port: int = 0) -> Server:
        made.append(Server(runs, port))
        return made[-1]

    yield started
    for server in made:
        server.end(signal.SIGKILL)
    end(Training(runs, [], Limits(), "cpu"))


WAITS = """import sys
from multiprocessing.connection import Client
with Client(sys.argv[1]) as asked:
    asked.send(sys.argv[2:])
    sys.exit(asked.recv())"""


@pytest.fixture
def commands_run_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A job is a process that waits while this one, which has imported everything, runs its command."""
    listener = Listener(family="AF_UNIX")

    def work() -> None:
        while True:
            with listener.accept() as asked:
                if not (arguments := asked.recv()):
                    return
                asked.send(main(arguments))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    monkeypatch.setattr(jobs_module, "COMMAND", (sys.executable, "-c", WAITS, str(listener.address)))
    yield
    with Client(listener.address) as asked:
        asked.send([])
    thread.join(60)
    listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def wrong() -> list[str]:
    """Errors and requests to elsewhere so far; a test takes out those that it brought about."""
    return []


@pytest.fixture(params=["desk"])
def page(request: pytest.FixtureRequest, browser: Any, wrong: list[str]) -> Iterator[Page]:
    """A page that fails the test for an error in its console or a request to another machine."""
    phone = request.param == "phone"
    size = {"width": 390, "height": 780} if phone else {"width": 1280, "height": 860}
    context = browser.new_context(viewport=size, has_touch=phone, color_scheme="dark" if phone else "light")
    made = context.new_page()
    made.set_default_timeout(PATIENCE)
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    own = ("http://127.0.0.1:", "blob:", "data:", "about:")
    made.on("request", lambda one: None if one.url.startswith(own) else wrong.append(one.url))
    yield made
    context.close()
    assert not wrong


both = pytest.mark.parametrize("page", ["desk", "phone"], indirect=True)


def shot(page: Page, name: str) -> None:
    """A picture of the screen, where one is wanted; and nothing may be wider than the screen."""
    width = page.viewport_size["width"]  # type: ignore[index]
    assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
    if folder := os.environ.get("GANVAS_SCREENSHOTS"):
        page.wait_for_timeout(500)
        page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


DROPPED = """bytes => {
  const held = new DataTransfer();
  held.items.add(new File([new Uint8Array(bytes)], "in.png", { type: "image/png" }));
  return held;
}"""
DATA = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"


def pixels(page: Page, selector: str) -> list[int]:
    """The first canvas there, as numbers."""
    return page.eval_on_selector(selector, DATA)


def changed(page: Page, selector: str, before: list[int] | None = None) -> list[int]:
    """Waits until the first canvas there shows something else, by default anything.  -> its numbers"""
    first = before or [0] * len(pixels(page, selector))
    other = f"([selector, before]) => ({DATA})(document.querySelector(selector)).join() !== before"
    page.wait_for_function(other, arg=[selector, ",".join(map(str, first))])
    return pixels(page, selector)


def size(path: Path) -> tuple[int, int]:
    """Of a picture."""
    with Image.open(path) as picture:
        return picture.size


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
    expect(page.get_by_label("Top left")).to_have_value("7")


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
    page.get_by_role("button", name="Play the walk").click()
    seek = page.get_by_label("Place in the walk")
    expect(seek).to_be_enabled()
    page.wait_for_function("() => document.querySelector('.panel input[type=range]').value > 2")
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
    slider = page.get_by_label("Share of the picture that shows before")
    expect(slider).to_have_value("50")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_value("51")
    assert page.eval_on_selector(".compare .after", "e => e.style.clipPath") == "inset(0px 49% 0px 0px)"
    page.get_by_label("Size").select_option("own")
    page.wait_for_function("() => document.querySelector('.compare img').naturalWidth === 40")
    shot(page, "translate")
    with page.expect_download() as got:
        page.get_by_role("button", name="↓ PNG").click()
    assert size(got.value.path()) == (40, 30)
    (tmp_path / "bad.png").write_text("no picture")
    page.get_by_label("A picture to translate").set_input_files(tmp_path / "bad.png")
    expect(page.get_by_role("alert")).to_contain_text("no picture that is known here")
    wrong[:] = [text for text in wrong if "400" not in text]


def test_more_like_this(page: Page, address: str, tmp_path: Path) -> None:
    Image.effect_noise((30, 20), 80).convert("RGB").save(tmp_path / "in.png")
    page.goto(f"{address}#/model/instances?tab=like&n=4")
    dropped = page.evaluate_handle(DROPPED, list((tmp_path / "in.png").read_bytes()))
    page.dispatch_event(".drop", "drop", {"dataTransfer": dropped})
    expect(page.get_by_label("Like the picture, seed 3")).to_be_visible()
    shot(page, "like")
    with page.expect_download() as got:
        page.get_by_role("button", name="↓ ZIP").click()
    assert len(zipfile.ZipFile(got.value.path()).namelist()) == 4


@pytest.mark.usefixtures("commands_run_here")
def test_a_picture_back_to_a_code(page: Page, address: str, tmp_path: Path) -> None:
    Image.effect_noise((8, 8), 80).save(tmp_path / "in.png")
    page.goto(f"{address}#/model/big?tab=project")
    page.get_by_label("Steps").fill("3")
    page.get_by_label("A picture to look for").set_input_files(tmp_path / "in.png")
    expect(page.get_by_text("Mean squared difference")).to_be_visible()
    page.wait_for_function("() => document.querySelector('.compare img').naturalWidth === 8")
    shot(page, "project")
    with page.expect_download() as got:
        page.get_by_role("link", name="↓ Code").click()
    assert got.value.path().stat().st_size > 8


def test_the_judge(page: Page, address: str, tmp_path: Path) -> None:
    Image.effect_noise((8, 8), 80).save(tmp_path / "in.png")
    page.goto(f"{address}#/model/judging?tab=judge")
    first = changed(page, "figure canvas")
    page.get_by_role("button", name="Next seed").click()
    second = changed(page, "figure canvas", first)
    page.get_by_label("A picture of your own").set_input_files(tmp_path / "in.png")
    given = changed(page, "figure canvas", second)
    assert given[::4] == list(Image.open(tmp_path / "in.png").tobytes())
    shot(page, "judge")


def test_tabs_theme_and_links_by_keyboard(page: Page, address: str) -> None:
    page.goto(f"{address}#/model/judging")
    page.get_by_role("tab", name="Samples").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Between")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="About")).to_have_attribute("aria-selected", "true")
    expect(page.locator("pre").last).to_contain_text("# unetgan")
    shot(page, "about")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_label("Switch between light and dark").press("Enter")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("link", name="API").press("Enter")
    expect(page.get_by_role("heading", name="API")).to_be_visible()
    expect(page.locator("summary").first).to_be_visible()
    shot(page, "api")
    page.goto(f"{address}#/model/points")
    expect(page.get_by_alt_text("500 points")).to_be_visible()
    nameless = "e => e.filter(x => !(x.labels?.length || x.getAttribute('aria-label') || x.textContent.trim())).length"
    assert page.eval_on_selector_all("input, select, button, a", nameless) == 0


@pytest.mark.usefixtures("commands_run_here")
def test_scores_are_measured_from_the_page(page: Page, address: str) -> None:
    page.goto(f"{address}#/model/points?tab=evaluate")
    expect(page.get_by_text("No score yet")).to_be_visible()
    page.get_by_label("Data to measure against").select_option("mog1d")
    page.get_by_label("Samples").fill("100")
    page.get_by_label("Metrics").fill("wasserstein, modes")
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text("Measuring against mog1d")).to_be_visible()
    page.reload()  # who comes back finds the job that runs
    expect(page.get_by_text("Measuring against mog1d")).to_be_visible()
    expect(page.get_by_role("cell", name="Wasserstein-1", exact=True)).to_be_visible()
    expect(page.get_by_role("cell", name="mog1d train, 100 samples against 100000, no features").first).to_be_visible()
    shot(page, "scores")
    page.get_by_role("tab", name="About").click()
    expect(page.get_by_role("cell", name="Wasserstein-1", exact=True)).to_be_visible()
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_text("Wasserstein-0")).to_be_visible()  # on its card in the gallery


@pytest.mark.timeout(900)
def test_a_run_from_the_page_outlives_a_killed_server(
    page: Page, start: Callable[..., Server], wrong: list[str]
) -> None:
    server = start()
    page.goto(server.address)
    expect(page.locator(".card")).to_have_count(len(SHELF) + len(zoo.names()))  # no model was named: all in runs/ too
    ships = page.locator(".card", has=page.get_by_role("link", name="icgan-digits", exact=True))
    for text in ("IC-GAN (Casanova et al. 2021", "FD-own", "samples against 1797", "Licence: Apache-2.0"):
        expect(ships).to_contain_text(text)
    page.goto(f"{server.address}#/runs")
    page.get_by_role("button", name="Check them").click()
    expect(page.get_by_text("✓ checked")).to_be_visible()
    page.get_by_label("Preset").select_option("wgan-gp-digits")
    page.get_by_label("Name").fill("mine")
    shot(page, "start")
    page.get_by_role("button", name="Start training").click()
    facts = page.locator(".facts")
    expect(facts).to_contain_text("running", timeout=3 * PATIENCE)
    expect(page.locator(".chart").first).to_be_visible(timeout=3 * PATIENCE)
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    again = start(server.port)
    seen = int(facts.inner_text().split("·")[2].split(" of ")[0].replace(",", ""))
    counted = "document.querySelector('.facts').innerText.split('·')[2].split(' of ')[0].replaceAll(',', '')"
    page.wait_for_function(f"() => Number({counted}) > {seen}")  # the page goes on by itself, and so did the run
    expect(facts).to_contain_text("running")
    expect(facts).to_contain_text("left")
    shot(page, "run")
    page.get_by_role("button", name="Save and stop").click()
    expect(facts).to_contain_text("stopped")
    page.get_by_role("button", name="Go on").click()
    expect(facts).to_contain_text("running")
    page.get_by_role("button", name="Save and stop").click()
    expect(facts).to_contain_text("stopped")
    page.get_by_role("link", name="Open in the studio").click()
    expect(page.locator(".tile")).to_have_count(16)
    page.goto(f"{server.address}#/runs")
    expect(page.locator(".card")).to_contain_text("stopped")
    shot(page, "runs")
    page.goto("about:blank")  # which asks nothing more
    wrong[:] = [text for text in wrong if "ERR_CONNECTION" not in text]
    assert again.end() in (0, 143, -signal.SIGTERM)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(again.address, timeout=5)


def test_a_page_with_a_token_signs_in(page: Page, models: Path, wrong: list[str]) -> None:
    token = "a-token-of-some-length"
    with served(create(Shelf([], models, torch.device("cpu")), guard=Guard(token=token))) as address:
        page.goto(address)
        expect(page.get_by_role("alert")).to_contain_text("token missing or wrong")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".card").first).to_be_visible()
        assert token not in page.url
        expect(page.locator(".card img").first).to_have_js_property("complete", True)
        page.get_by_role("link", name="Training").click()  # of a server that only shows models
        expect(page.get_by_text("this server only shows models")).to_have_count(1)
        page.goto("about:blank")
    wrong[:] = [text for text in wrong if not {"401", "403"} & set(text.split())]
