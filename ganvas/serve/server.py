"""A server process: what was asked for on the command line becomes a socket, a guard and a running application."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from ganvas.devices import choose_device
from ganvas.errors import InputError
from ganvas.models import folder as model_folder
from ganvas.models import zoo
from ganvas.serve import guard as guards
from ganvas.serve.app import SHUTDOWN_SECONDS, create
from ganvas.serve.guard import Guard
from ganvas.serve.limits import Limits
from ganvas.serve.shelf import Shelf
from ganvas.serve.training import Training

SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Serving:
    """What was asked for."""

    models: Sequence[str | Path]
    runs: Path
    host: str
    port: int
    device: str = "auto"
    token: str | None = None
    names: Sequence[str] = ()
    images: int | None = None
    data: Sequence[str] = ()
    read_only: bool = False


def serve(asked: Serving, say: Callable[[str], None]) -> None:
    """Serves until it is stopped.  Raises InputError."""
    folders = [zoo.find(model) for model in asked.models] or [zoo.shipped(name) for name in zoo.names()]
    for folder in folders:
        model_folder.read(folder)
    limits = Limits() if asked.images is None else Limits(images=asked.images)
    guard = guarding(asked, limits)
    device = choose_device(asked.device)
    with listening(asked.host, asked.port) as sock:
        shelf = Shelf(folders, asked.runs if not asked.models else None, device, limits.loaded)
        training = None if asked.read_only else Training(asked.runs, asked.data, limits, str(device))
        app = create(shelf, limits, guard, training)
        shown = f"[{asked.host}]" if ":" in asked.host else asked.host
        secret = f"#token={guard.token}" if guard.token is not None and asked.token is None else ""
        say(f"{len(shelf.entries)} models on {device}: http://{shown}:{sock.getsockname()[1]}/{secret}")
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=int(SHUTDOWN_SECONDS), server_header=False
        )
        uvicorn.Server(config).run(sockets=[sock])


def guarding(asked: Serving, limits: Limits) -> Guard:
    """Who may ask: on this machine everyone, elsewhere who knows the token.  Raises InputError for a weak one."""
    token, local = asked.token, guards.is_loopback(asked.host)
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise InputError(
            f"--token has {len(token)} characters, expected {SHORTEST_TOKEN} or more; leave it out for one"
        )
    if token is None and not local:
        token = secrets.token_urlsafe(24)
    return Guard(guards.names_of(asked.host, asked.names), not local, token, limits.upload_bytes)


def listening(host: str, port: int) -> socket.socket:
    """A socket at the address.  Raises InputError."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(kind, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host.strip("[]"), port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        reason = error.strerror or error
        raise InputError(f"cannot listen at {host}:{port} ({reason}); pass another --port or --host") from None
    return sock
