"""Servers, jobs and a browser for the tests of the page.

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
from collections.abc import Callable, Iterator
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

import pytest
import torch

from ganvas.cli import main
from ganvas.serve import jobs as jobs_module
from ganvas.serve.app import create
from ganvas.serve.limits import Limits
from ganvas.serve.shelf import Shelf
from ganvas.serve.training import Training
from tests.serve.conftest import SHELF, end, served

CHROMIUM = Path("/usr/bin/chromium")  # as in helpers.py, which says so where it is missing
ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120_000


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
def commands_run_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A job is a process that waits while this one, which has imported everything, runs its command.

    -> what they wait for; it is set
    """
    may_run = threading.Event()
    may_run.set()
    listener = Listener(family="AF_UNIX")

    def work() -> None:
        while True:
            with listener.accept() as asked:
                if not (arguments := asked.recv()):
                    return
                may_run.wait()
                asked.send(main(arguments))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    monkeypatch.setattr(jobs_module, "COMMAND", (sys.executable, "-c", WAITS, str(listener.address)))
    yield may_run
    may_run.set()
    with Client(listener.address) as asked:
        asked.send([])
    thread.join(60)
    listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def wrong() -> list[str]:
    """Errors and requests to elsewhere so far; a test takes out those that it brought about."""
    return []


@pytest.fixture(params=["desk"])
def page(request: pytest.FixtureRequest, browser: Any, wrong: list[str]) -> Iterator[Any]:
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
