"""The page by keyboard alone, in both themes, on small phones."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.serve.conftest import SHELF
from tests.serve.page.helpers import shot


def test_tabs_theme_and_links_by_keyboard(page: Page, address: str) -> None:
    page.goto(f"{address}#/model/judging")
    page.get_by_role("tab", name="Samples").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Between")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="About")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("heading", name="unetgan", exact=True)).to_be_visible()  # of the card
    page.get_by_text(re.compile(r"^Settings: \d+ fields$")).click()
    expect(page.get_by_role("cell", name="num_classes", exact=True)).to_be_visible()
    shot(page, "about")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").press("Enter")
    expect(page.get_by_role("button", name="✓ Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
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


def test_by_keyboard_alone(page: Page, address: str) -> None:
    """From the gallery to an image in a class, its download, and a walk."""
    press = page.keyboard.press

    def on(role: Any, name: str) -> None:
        """Presses Tab until this has the focus, as people do."""
        wanted = page.get_by_role(role, name=name, exact=True)
        for _ in range(40):
            if wanted.count() and wanted.evaluate("e => e === document.activeElement"):
                return expect(wanted).to_be_in_viewport()
            press("Tab")
        raise AssertionError(f"{name} is not reached")

    page.goto(address)
    expect(page.locator(".card")).to_have_count(len(SHELF))
    press("Tab")
    press("Enter")  # skips to the content
    on("link", "big")
    press("Enter")
    expect(page.locator(".tile")).to_have_count(16)
    on("combobox", "Class")
    press("k")  # kind 0
    expect(page.get_by_label("Seed 0, class kind 0")).to_be_visible()
    on("button", "Surprise me")
    press("Enter")
    expect(page.get_by_label("Seed 0, class kind 0")).to_have_count(0)
    page.locator("h1").click()  # where one begins again
    on("tab", "Samples")
    press("Tab")  # into the panel of the tab
    first = page.locator(".tile").first
    on("button", first.get_attribute("aria-label") or "")
    press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    on("button", "Download PNG")
    with page.expect_download():
        press("Enter")
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(first).to_be_focused()
    page.get_by_role("tab", name="Samples").focus()
    press("ArrowRight")
    on("slider", "Place between the four seeds: arrow keys move")
    press("ArrowUp")
    expect(page.locator(".pad")).to_have_attribute("aria-valuetext", "50 percent to the right, 45 percent down")
    on("button", "▶ Play the walk")
    press("Enter")
    expect(page.get_by_role("button", name="■ Stop")).to_be_focused()


@pytest.mark.parametrize("page", ["phone"], indirect=True)
def test_a_link_on_a_small_phone(page: Page, address: str, wrong: list[str]) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    page.goto(f"{address}#/model/big?tab=about")
    expect(page.get_by_role("tab", name="About")).to_be_in_viewport(ratio=1)  # whatever stands before it
    shot(page, "small")
    page.goto(f"{address}#/model/big?seed=-1")
    expect(page.get_by_role("tab", name="Samples")).to_be_in_viewport(ratio=1)
    expect(page.get_by_label("First seed")).to_have_css("border-color", "rgb(255, 138, 128)")
    page.get_by_label("First seed").fill("2")
    expect(page.get_by_label("Seed 2", exact=True)).to_be_visible()
    page.goto(f"{address}#/model/none")
    page.get_by_role("link", name="All models").click()
    expect(page.locator(".card")).to_have_count(len(SHELF))
    wrong[:] = [text for text in wrong if "404" not in text]
