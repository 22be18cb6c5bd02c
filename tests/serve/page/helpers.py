"""What the tests of the page share: whether there is a browser, pictures of screens, pixels of canvases."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from PIL import Image

CHROMIUM = Path("/usr/bin/chromium")
ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120_000  # milliseconds: a machine may be busy with other work
if not CHROMIUM.exists():
    why = f"THE BROWSER TESTS DO NOT RUN: {CHROMIUM} is missing; apt-get install --no-install-recommends chromium"
    warnings.warn(why, stacklevel=1)
    pytest.skip(why, allow_module_level=True)

from playwright.sync_api import Page, expect  # noqa: E402

expect.set_options(timeout=PATIENCE)

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
    page.wait_for_selector(selector)
    first = before or [0] * len(pixels(page, selector))
    other = f"([selector, before]) => ({DATA})(document.querySelector(selector)).join() !== before"
    page.wait_for_function(other, arg=[selector, ",".join(map(str, first))])
    return pixels(page, selector)


def near(a: list[int], b: list[int]) -> bool:
    """Whether two pictures are the same up to rounding."""
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) <= 2


def size(path: Path) -> tuple[int, int]:
    """Of a picture."""
    with Image.open(path) as picture:
        return picture.size
