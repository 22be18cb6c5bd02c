"""The Python client against a real server, in a thread of this process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.client import Client
from ganvas.errors import InputError
from ganvas.models import folder as model_folder
from ganvas.serve.app import create
from ganvas.serve.guard import Guard
from ganvas.serve.shelf import Shelf
from tests.serve.conftest import served

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def station(shelf: Shelf) -> Iterator[Client]:
    with served(create(shelf, guard=Guard(token=TOKEN))) as address:
        yield Client(address, TOKEN)


def test_arrays_are_those_of_the_model(station: Client, models: Path) -> None:
    gan = model_folder.load(models / "big", torch.device("cpu"))
    x = station.sample("big", n=2, seed=5, classes="kind 1", truncation=0.7)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, gan.sample(2, 5, classes="kind 1", truncation=0.7).numpy(), atol=1e-5)
    np.testing.assert_allclose(station.sample("big", seeds=[9], classes=[2]), gan.sample(1, 9, classes=2), atol=1e-5)
    np.testing.assert_allclose(station.interpolate("big", [1, 2], 4, 0)[:4], gan.interpolate([1, 2], 0, 4), atol=1e-5)
    assert station.mix("big", [1, 2, 3, 4], [0.1, 0.2], [0.5, 0.6]).shape == (2, 1, 8, 8)


def test_models_and_translations(station: Client, tmp_path: Path) -> None:
    assert [model["id"] for model in station.models()] == ["big", "instances", "judging", "pairs", "plain", "points"]
    assert station.model("plain")["size"] == {"channels": 1, "height": 8, "width": 8}
    Image.new("RGB", (9, 9), "red").save(tmp_path / "in.png")
    of_path = station.translate("pairs", tmp_path / "in.png", size="own")
    assert of_path.startswith(b"\x89PNG")
    assert station.translate("pairs", (tmp_path / "in.png").read_bytes(), size="own") == of_path


def test_refusals_are_the_servers_sentence(station: Client) -> None:
    with pytest.raises(InputError, match="no model 'x'"):
        station.sample("x")
    with pytest.raises(InputError, match="unknown class"):
        station.sample("big", classes="nobody")
    with pytest.raises(InputError, match="token missing or wrong"):
        Client(station.address, "wrong").models()
    with pytest.raises(InputError, match="only shows models"):
        station.train("biggan-digits", "digits")
    with pytest.raises(InputError, match="does not answer"):
        Client("http://127.0.0.1:9").models()
    with pytest.raises(InputError, match="expected an address"):
        Client("file:///etc")
    with pytest.raises(InputError, match="cannot be read"):
        station.translate("pairs", Path("nowhere.png"))


def test_a_busy_server_is_asked_again() -> None:
    answers = [429, 503, 200]

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = answers.pop(0)
            body = json.dumps({"models": []} if status == 200 else {"error": "busy"}).encode()
            self.send_response(status)
            if status != 200:
                self.send_header("retry-after", "0")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    assert Client(f"http://127.0.0.1:{server.server_port}").models() == []
    assert not answers
    answers += [429, 429]
    with pytest.raises(InputError, match="busy"):
        Client(f"http://127.0.0.1:{server.server_port}", tries=2).models()
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_abandoned_request_leaves_the_line(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client hangs up while another's pass runs: nothing is made for it."""
    import socket

    app = create(shelf)
    batcher = app.app.state.station.batcher
    gate, begun = threading.Event(), threading.Event()
    make = batcher._make

    def held(batch: object) -> None:
        begun.set()
        assert gate.wait(10)
        make(batch)

    monkeypatch.setattr(batcher, "_make", held)
    with served(app) as address:
        station = Client(address)
        first = threading.Thread(target=station.sample, args=("plain",))
        first.start()
        assert begun.wait(10)
        port = int(address.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as gone:
            gone.sendall(b"GET /api/models/plain/sample?n=7 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while batcher.waits() < 2:
                time.sleep(0.01)
        while not all(task.abandoned for task in batcher.line):
            time.sleep(0.01)
        gate.set()
        first.join(10)
        station.sample("plain", 2)
        assert batcher.last == 2


def test_a_request_that_takes_too_long_is_told_when_to_come_back(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    from ganvas.serve.limits import Limits

    app = create(shelf, Limits(seconds=0.2))
    gate = threading.Event()
    make = app.app.state.station.batcher._make
    monkeypatch.setattr(app.app.state.station.batcher, "_make", lambda batch: (gate.wait(10), make(batch)))
    with TestClient(app, base_url="http://localhost") as client:
        response = client.get("/api/models/plain/sample")
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        gate.set()


def test_more_than_may_wait_are_told_when_to_come_back(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    from ganvas.serve.limits import Limits

    app = create(shelf, Limits(waiting=1))
    gate, begun = threading.Event(), threading.Event()
    batcher = app.app.state.station.batcher
    make = batcher._make
    monkeypatch.setattr(batcher, "_make", lambda batch: (begun.set(), gate.wait(10), make(batch)))
    with TestClient(app, base_url="http://localhost") as client:
        answers = []
        first = threading.Thread(target=lambda: answers.append(client.get("/api/models/plain/sample").status_code))
        first.start()
        assert begun.wait(10)
        response = client.get("/api/models/plain/sample")
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) >= 1
        assert client.get("/healthz").json()["waiting"] == 1
        gate.set()
        first.join(10)
        assert answers == [200]
        metrics = client.get("/metrics").text
        assert 'ganvas_requests_total{route="/api/models/{model}/sample",status="429"} 1.0' in metrics
        assert "ganvas_passes_total 1.0" in metrics
