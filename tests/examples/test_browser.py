"""examples/browser: what it asks of the exported file is what the file takes; and its picture in a real browser.

The browser's part needs Debian's chromium and ONNX Runtime's build for browsers, which `make test` fetches with npm
into the virtual environment.  Where one of them is missing that test does not run, and a warning says so.
"""

from __future__ import annotations

import functools
import http.server
import math
import re
import shutil
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ganvas
from ganvas.models.export import Sampler, export

PAGE = Path(__file__).resolve().parents[2] / "examples" / "browser" / "index.html"
CHROMIUM = Path("/usr/bin/chromium")
WEB = Path(sys.prefix) / "web"
PARTS = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
RANDOM = (
    "window.s = 1; Math.random = () => (s = (s * 16807) % 2147483647) / 2147483647; 0"  # a function would be called
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page and the exported model in one folder."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(PAGE, folder)
    export(ganvas.load("biggan-digits", "cpu"), folder / "digits.onnx", "onnx")
    return folder


def test_the_page_gives_what_the_file_takes(site: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(site / "digits.onnx"), providers=["CPUExecutionProvider"])
    text = PAGE.read_text(encoding="utf-8")
    script = text.partition('<script type="module">\n')[2].partition("</script>")[0]
    assert len(script.splitlines()) <= 10
    (given,) = re.findall(r"model\.run\(\{ (.*) \}\)", text)
    assert [name.partition(":")[0] for name in given.split(", ") if name[0].isalpha()] == [
        one.name for one in session.get_inputs()
    ]
    kinds = {"tensor(float)": "float32", "tensor(int64)": "int64"}
    for one in session.get_inputs():
        shape = ", ".join("1" if isinstance(size, str) else str(size) for size in one.shape)
        assert re.search(rf'{one.name}[ :=]+new ort\.Tensor\("{kinds[one.type]}", .*?, \[{shape}\]\)', text)
    (made,) = session.get_outputs()
    assert f"const {{ {made.name} }} =" in text
    assert made.shape[1:] == [1, 8, 8]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where a browser finds the page.  Without browser or runtime the test does not run, and a warning says so."""
    lost = [path for path in (CHROMIUM, *(WEB / part for part in PARTS)) if not path.exists()]
    if lost:
        why = f"THE EXAMPLE DOES NOT RUN IN A BROWSER: {lost[0]} is missing; install chromium, run `make web`"
        warnings.warn(why, stacklevel=1)
        pytest.skip(why)
    for part in PARTS:
        shutil.copy(WEB / part, site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def expected() -> np.ndarray:
    """The picture of the page's first press of the button, by PyTorch.  -> float [8, 8], 0 to 255"""
    state = 1

    def uniform() -> float:
        nonlocal state
        state = state * 16807 % 2147483647
        return state / 2147483647

    z = [math.sqrt(-2 * math.log(1 - uniform())) * math.cos(2 * math.pi * uniform()) for _ in range(32)]
    gan = ganvas.load("biggan-digits", "cpu")
    with torch.no_grad():
        image = Sampler(gan)(torch.tensor([z]), torch.tensor([7]), torch.tensor(2.0))
    return (127.5 * (image[0, 0] + 1)).numpy()


def test_the_browser_shows_the_picture_of_pytorch(address: str) -> None:
    from playwright.sync_api import sync_playwright

    wrong: list[Any] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: wrong.append(error))
        page.on("request", lambda one: None if one.url.startswith((address, "data:")) else wrong.append(one.url))
        page.goto(address)
        page.wait_for_function("document.querySelector('button').onclick")
        page.evaluate(RANDOM)  # not before: loading draws too
        page.click("button")
        page.wait_for_function("document.querySelector('canvas').getContext('2d').getImageData(7, 7, 1, 1).data[3]")
        pixels = page.evaluate(
            "Array.from(document.querySelector('canvas').getContext('2d').getImageData(0, 0, 8, 8).data)"
        )
        browser.close()
    assert not wrong
    shown = np.array(pixels, dtype=float).reshape(8, 8, 4)
    assert (shown[..., 3] == 255).all()
    assert (shown[..., :1] == shown[..., :3]).all()
    assert np.abs(shown[..., 0] - expected()).max() <= 1
    assert shown[..., 0].std() > 40
