"""Jobs from the page, in a real browser: projections, scores, training; and who may ask."""

from __future__ import annotations

import signal
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect

from ganvas.models import zoo
from ganvas.serve.app import create
from ganvas.serve.guard import Guard
from ganvas.serve.shelf import Shelf
from tests.serve.conftest import SHELF, served
from tests.serve.page.helpers import PATIENCE, changed, near, shot


@pytest.mark.usefixtures("commands_run_here")
def test_a_picture_back_to_a_code(page: Page, address: str, tmp_path: Path) -> None:
    Image.effect_noise((8, 8), 80).save(tmp_path / "in.png")
    page.goto(f"{address}#/model/big?tab=project")
    page.get_by_label("Steps").fill("3")
    page.get_by_label("A picture to look for").set_input_files(tmp_path / "in.png")
    expect(page.get_by_text("Mean squared difference")).to_be_visible()
    page.wait_for_function("() => document.querySelector('.compare img').naturalWidth === 8")
    found = changed(page, ".changing canvas")
    page.get_by_label("Toward seed").fill("5")
    page.get_by_label("How far").fill("1")
    seeds = changed(page, ".changing canvas", found)
    other = page.locator(".changing select")
    other.select_option("kind 2" if "class kind 1" in page.locator(".stage").inner_text() else "kind 1")
    seen = changed(page, ".changing canvas", seeds)
    shot(page, "project")
    link = page.url
    page.goto("about:blank")
    page.goto(link)  # the job is found again, with what was changed
    expect(page.get_by_text("Mean squared difference")).to_be_visible()
    assert near(changed(page, ".changing canvas"), seen)
    expect(page.get_by_label("How far")).to_have_value("1")
    with page.expect_download() as got:
        page.get_by_role("link", name="↓ Code").click()
    assert got.value.path().stat().st_size > 8


def test_scores_are_measured_from_the_page(page: Page, address: str, commands_run_here: threading.Event) -> None:
    commands_run_here.clear()
    page.goto(f"{address}#/model/points?tab=evaluate")
    expect(page.get_by_text("No score yet")).to_be_visible()
    page.get_by_label("Data to measure against").select_option("mog1d")
    page.get_by_label("Samples").fill("100")
    page.get_by_label("Metrics").fill("wasserstein, modes")
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text("Measuring against mog1d")).to_be_visible()
    page.reload()  # who comes back finds the job that runs
    expect(page.get_by_text("Measuring against mog1d")).to_be_visible()
    commands_run_here.set()
    expect(page.get_by_role("cell", name="Wasserstein-1", exact=True)).to_be_visible()
    expect(page.get_by_role("cell", name="mog1d train, 100 samples against 100000, no features").first).to_be_visible()
    shot(page, "scores")
    page.get_by_role("tab", name="About").click()
    expect(page.get_by_role("cell", name="Wasserstein-1", exact=True)).to_be_visible()
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_text("Wasserstein-0")).to_be_visible()  # on its card in the gallery
    page.goto(f"{address}#/model/points?tab=evaluate")
    page.get_by_label("Data to measure against").select_option("mog1d")
    page.get_by_label("Samples").fill("50")
    page.get_by_label("Metrics").fill("wasserstein")
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text("✓ measured")).to_be_visible()
    expect(page.get_by_role("cell", name="mog1d train, 50 samples against 100000, no features").first).to_be_visible()
    rows = page.get_by_role("row")
    number = rows.count()
    commands_run_here.clear()
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text("Measuring against mog1d")).to_be_visible()
    commands_run_here.set()
    expect(page.get_by_text("✓ measured")).to_be_visible()
    expect(rows).to_have_count(number)  # the same to the last digit
    page.get_by_role("link", name="Models").click()
    expect(page.locator(".card", has_text="points").get_by_text("100 samples against")).to_be_visible()  # the surer one


@pytest.mark.timeout(900)
def test_a_run_from_the_page_outlives_a_killed_server(
    page: Page, start: Callable[..., Any], runs: Path, wrong: list[str]
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
    expect(page.get_by_text("once they have been checked")).to_be_hidden()
    shot(page, "start")
    page.get_by_role("button", name="Start training").click()
    facts = page.locator(".facts")
    expect(facts).to_contain_text("running", timeout=3 * PATIENCE)
    expect(page.locator(".chart").first).to_be_visible(timeout=3 * PATIENCE)
    page.locator("summary").click()
    with (runs / ".serve" / "train-mine" / "log.txt").open("a") as log:
        log.write("warning: odd\nwarning: odd\n")  # as each sitting says it again
    expect(page.get_by_role("alert").filter(has_text="warning: odd")).to_have_count(1)
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    again = start(server.port)
    seen = int(facts.inner_text().split("·")[2].split(" of ")[0].replace(",", ""))
    counted = "document.querySelector('.facts').innerText.split('·')[2].split(' of ')[0].replaceAll(',', '')"
    page.wait_for_function(f"() => Number({counted}) > {seen}")  # the page goes on by itself, and so did the run
    expect(facts).to_contain_text("running")
    expect(facts).to_contain_text("left")
    expect(page.locator("details pre")).to_be_visible()  # what was opened stays open
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
