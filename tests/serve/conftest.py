"""A shelf of tiny models, made once, and a client that asks the application without a socket."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from ganvas.data import grid
from ganvas.features import own
from ganvas.gan import Picture
from ganvas.instances import Stored
from ganvas.models import folder as model_folder
from ganvas.models.folder import Description
from ganvas.serve.app import create
from ganvas.serve.guard import Guard
from ganvas.serve.limits import Limits
from ganvas.serve.server import listening
from ganvas.serve.shelf import Shelf
from ganvas.serve.training import Training
from tests import tiny

SHELF = {
    "big": "biggan",
    "plain": "wgan-gp",
    "judging": "unetgan",
    "pairs": "csgan",
    "points": "adcgan-points",
    "instances": "icgan",
}


def write(name: str, folder: Path, **values: Any) -> None:
    """A tiny model as a folder."""
    gan = tiny.build(name, **values)
    if gan.reads == "instances":
        gan.stored = stored_instances()
    names = [f"kind {k}" for k in range(gan.config.num_classes)]
    gan.class_names = names
    description = Description(
        paper=tiny.TINY[name][0], preset=name, config=gan.config.counting(), class_names=names, data={"name": "noise"}
    )
    model_folder.write(gan, folder, description, {"images_seen": "48", "ema": "False", "best": "none"}, "After 48")
    if gan.seeds_suffice:
        grid.save(grid.drawn(Picture(gan.sample(16))), folder / model_folder.PICTURE)


def stored_instances() -> Stored:
    """Six instances, and a network without training that sees pictures for them."""
    torch.manual_seed(3)
    settings = own.Settings(width=2, dim=6)
    network = own.Own(own.Classifier(1, 8, 3, settings), 1, True, settings)
    network.weights_hash = own.hash_state(network.net.state_dict())
    h = torch.nn.functional.normalize(torch.rand(6, 6), dim=1)
    said = {"features": "own", "name": network.name, "weights": network.weights_hash, "resize": "none", "size": 0}
    return Stored(h, None, said, network.state_dict())


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application at a free port of this machine.  -> its address"""
    sock = listening("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    sock.close()


def end(training: Training) -> None:
    """Kills the jobs that run, and waits for all."""
    for job in training.jobs.all():
        if training.jobs.runs(job):
            os.kill(job.pid, signal.SIGKILL)
    for child in list(training.jobs.children.values()):
        child.wait()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model folders, one of each kind."""
    folder = tmp_path_factory.mktemp("shelf")
    for name, kind in SHELF.items():
        write(kind, folder / name)
    return folder


@pytest.fixture(scope="session")
def shelf(models: Path) -> Shelf:
    """The models, loaded once."""
    return Shelf([], models, torch.device("cpu"), loaded=len(SHELF))


@pytest.fixture
def asking(shelf: Shelf) -> Iterator[Callable[..., TestClient]]:
    """Makes clients of applications with the limits and rules that a test wants."""
    open_clients = []

    def client(limits: Limits | None = None, guard: Guard | None = None, **more: Any) -> TestClient:
        app = create(shelf, limits, guard, **more)
        made = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
        made.__enter__()
        open_clients.append(made)
        return made

    yield client
    for made in open_clients:
        made.__exit__(None, None, None)


@pytest.fixture(scope="session")
def client(shelf: Shelf) -> Iterator[TestClient]:
    """An application with its usual limits."""
    with TestClient(create(shelf), base_url="http://localhost", raise_server_exceptions=False) as made:
        yield made
