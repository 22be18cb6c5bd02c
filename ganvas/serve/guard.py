"""Who may ask, and how much: hosts, tokens, other sites' pages, sizes; and the headers that every answer carries.

One layer of plain ASGI around the app, so that nothing it refuses reaches a route, and abandoned requests are noticed.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.exceptions import HTTPException

COOKIE = "ganvas-token"
LOCAL = ("localhost", "127.0.0.1", "[::1]")
BODY_SECONDS = 30.0  # in which a request's body must have arrived
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
OPEN = ("/healthz",)  # what needs no token besides the page itself


@dataclass(frozen=True)
class Guard:
    """The rules.  token None: everyone who reaches the server may ask, which is right on loopback alone."""

    hosts: tuple[str, ...] = LOCAL
    any_address: bool = False  # also hosts that are numbers: another site's name cannot be one
    token: str | None = None
    body_bytes: int = 16 * 2**20

    def refusal(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and reason, or None if the request may pass."""
        host = without_port(headers.get("host", ""))
        if host not in self.hosts and not (self.any_address and is_address(host)):
            return 421, f"this server is not {host[:80]!r}; start it with --allow-host NAME if that is its name"
        if is_private(path):
            if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                return 403, "asked for by another site's page"
            origin = headers.get("origin")
            if method not in ("GET", "HEAD") and origin is not None and origin.split("//")[-1] != headers.get("host"):
                return 403, "sent by another site's page"
            if self.token is not None and not self.knows(headers):
                return 401, "token missing or wrong; send it as 'Authorization: Bearer TOKEN', as printed at the start"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.body_bytes:
            return 413, f"{length[:20]} bytes sent, at most {self.body_bytes:,} are taken"
        return None

    def knows(self, headers: dict[str, str]) -> bool:
        """Whether the token is right, in the header or in the cookie that the page gets for it."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            try:
                morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
            except CookieError:
                morsel = None
            given = morsel.value if morsel else ""
        return hmac.compare_digest(given.strip().encode(), (self.token or "").encode())


class Guarded:
    """The app behind the guard."""

    def __init__(self, app: Any, guard: Guard, answered: Callable[[str, int, float], None]) -> None:
        self.app, self.guard, self.answered = app, guard, answered

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        started, status = time.monotonic(), 500

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name for name, _ in message["headers"]}
                new = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in own]
                message = {**message, "headers": [*message["headers"], *new]}
            await send(message)

        reason = self.guard.refusal(scope["method"], scope["path"], headers)
        try:
            if reason is not None:
                await refuse(sending, *reason)
            else:
                await self.app(scope, Body(receive, self.guard.body_bytes), sending)
        finally:
            route = scope.get("route")
            name = getattr(route, "path", "refused" if reason else "other")
            self.answered(name, status, time.monotonic() - started)


class Body:
    """A request's body that ends the request when it is too long or too slow."""

    def __init__(self, receive: Any, most: int) -> None:
        self.receive, self.left, self.whole = receive, most, False
        self.until = time.monotonic() + BODY_SECONDS

    async def __call__(self) -> Any:
        if self.whole:
            return await self.receive()
        try:
            message = await asyncio.wait_for(self.receive(), max(0.0, self.until - time.monotonic()))
        except TimeoutError:
            raise HTTPException(408, f"the body did not arrive within {BODY_SECONDS:.0f} s") from None
        if message["type"] == "http.request":
            self.left -= len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.left < 0:
                raise HTTPException(413, "the body is larger than is taken here")
        return message


async def refuse(send: Any, status: int, reason: str) -> None:
    """An answer without the app."""
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


def is_private(path: str) -> bool:
    """Whether a path is more than the page and a sign of life."""
    return path.startswith(("/api", "/metrics", "/openapi")) and path not in OPEN


def without_port(host: str) -> str:
    """The host of a Host header, in small letters."""
    name, _, port = host.lower().rpartition(":")
    return name if name and port.isdecimal() and not (name.count(":") and not name.endswith("]")) else host.lower()


def is_address(host: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def names_of(host: str, more: Iterable[str]) -> tuple[str, ...]:
    """The names under which a server at this address may be asked."""
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return tuple(dict.fromkeys([*LOCAL, shown.lower(), *(name.lower() for name in more)]))
