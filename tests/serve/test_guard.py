"""Who may ask, how much, and what every answer carries."""

from __future__ import annotations

import asyncio
import re
from importlib import resources
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from ganvas.cli import main
from ganvas.serve.guard import Body, Guard, is_loopback, without_port

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:80", "LOCALHOST"])
def test_hosts_of_this_machine_may_ask(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "", "::"])
def test_other_hosts_are_refused(client: TestClient, host: str) -> None:
    response = client.get("/healthz", headers={"host": host})
    assert response.status_code == 421
    assert "--allow-host" in response.json()["error"]


def test_an_open_server_takes_addresses_but_no_names(asking: Any) -> None:
    client = asking(guard=Guard(any_address=True, token=TOKEN))
    assert client.get("/healthz", headers={"host": "192.168.0.7:8000"}).status_code == 200
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 421


def test_a_token_is_needed_for_all_but_the_page(asking: Any) -> None:
    client = asking(guard=Guard(token=TOKEN))
    for path in ("/api/models", "/metrics", "/openapi.json", "/api/limits"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"authorization": f"Bearer {TOKEN}x"}).status_code == 401
        assert client.get(path, headers={"authorization": f"Basic {TOKEN}"}).status_code == 401
        assert client.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/").status_code == client.get("/healthz").status_code == 200


def test_the_page_keeps_the_token_where_no_script_reads_it(asking: Any) -> None:
    client = asking(guard=Guard(token=TOKEN))
    response = client.get("/api/session", headers={"authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 204
    cookie = response.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict"))
    assert client.get("/api/models").status_code == 200  # the client kept it


def test_other_sites_pages_are_refused(client: TestClient) -> None:
    asked = {"url": "/api/models/big/sample", "json": {}}
    assert client.post(**asked, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post(**asked, headers={"origin": "null"}).status_code == 403
    assert client.post(**asked, headers={"origin": "http://localhost"}).status_code == 200
    for site in ("cross-site", "same-site"):
        assert client.get("/api/models", headers={"sec-fetch-site": site}).status_code == 403
    assert client.get("/api/models", headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_bodies_are_bounded_said_or_not(asking: Any) -> None:
    client = asking(guard=Guard(body_bytes=1000))
    files = {"file": ("x.png", b"\x89PNG\r\n\x1a\n" + bytes(2000))}
    assert client.post("/api/models/pairs/translate", files=files).status_code == 413
    chunks = (b"x" * 400 for _ in range(5))  # no length is said
    response = client.post("/api/models/big/sample", content=chunks, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert client.get("/healthz", headers={"content-length": "-5"}).status_code == 413


def test_a_body_that_does_not_arrive_ends_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganvas.serve.guard.BODY_SECONDS", 0.05)
    with pytest.raises(HTTPException) as caught:
        asyncio.run(Body(lambda: asyncio.sleep(10), 100)())
    assert caught.value.status_code == 408


def test_every_answer_forbids_other_machines(client: TestClient) -> None:
    for path in ("/", "/api/models", "/nowhere", "/static/app.js"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
    assert client.get("/", headers={"host": "evil.example"}).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/", "/docs"]
)
def test_nothing_but_the_pages_files_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2f..%2fetc", "big%00", "/etc", "big%2f..%2fplain", "%5c..%5cbig", "é", "x" * 5000]
)
def test_a_models_name_is_no_path(client: TestClient, name: str) -> None:
    for what in ("", "/picture", "/card", "/sample"):
        assert client.get(f"/api/models/{name}{what}").status_code in (404, 405)


def test_the_page_asks_no_other_machine(client: TestClient) -> None:
    for name in (path.name for path in resources.files("ganvas.serve").joinpath("static").iterdir()):
        text = client.get(f"/static/{name}" if name != "index.html" else "/").text
        assert text
        assert not re.search("//[^ ]", text.replace("http://www.w3.org/2000/svg", "")), name


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False)],
)
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@pytest.mark.parametrize(("host", "name"), [("a:80", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("::1", "::1")])
def test_ports_are_cut_off(host: str, name: str) -> None:
    assert without_port(host) == name


def test_off_this_machine_there_is_a_token_whether_asked_for_or_not() -> None:
    from pathlib import Path

    from ganvas.serve.limits import Limits
    from ganvas.serve.server import Serving, guarding

    asked = Serving(models=[], runs=Path("runs"), host="0.0.0.0", port=0)
    tokens = {guarding(asked, Limits()).token for _ in range(2)}
    assert len(tokens) == 2
    assert None not in tokens
    assert guarding(Serving([], Path("runs"), "127.0.0.1", 0), Limits()).token is None
    assert guarding(Serving([], Path("runs"), "127.0.0.1", 0, token=TOKEN), Limits()).token == TOKEN


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--token", "short"], "16 or more"),
        (["--host", "no.such.host.invalid"], "cannot listen"),
        (["nowhere"], "folder"),
    ],
)
def test_the_command_refuses_in_one_line(options: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--device", "cpu", *options]) == 2
    err = capsys.readouterr().err
    assert word in err
    assert err.count("\n") == 1
