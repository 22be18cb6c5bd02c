"""The application: the parts put together, errors as one line each, the page's files."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any, TypeVar

import anyio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from ganvas import __version__
from ganvas.errors import InputError
from ganvas.serve import guard as guards
from ganvas.serve.asked import Health, Wrong
from ganvas.serve.batcher import Batcher, Closed, Full
from ganvas.serve.guard import Guard, Guarded
from ganvas.serve.jobs import Busy, NoJob
from ganvas.serve.limits import Limits
from ganvas.serve.making import Order
from ganvas.serve.measured import Measured
from ganvas.serve.runs import NoRun
from ganvas.serve.shelf import Shelf, Unknown
from ganvas.serve.training import Conflict, Training

T = TypeVar("T")
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
SHUTDOWN_SECONDS = 10.0
REASONS = {
    400: "What was given cannot be done; the reason in one line",
    401: "Token missing or wrong",
    403: "Another site's page asked, or the server does not do this",
    404: "No such thing",
    413: "Too large",
    422: "Not of the form that is described here",
    429: "Too many requests wait; try again after Retry-After seconds",
    503: "Not in time, or shutting down; try again after Retry-After seconds",
}
# Said in full: a model here would be given the type that the route's good answers have.
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"description": reason, "content": {"application/json": {"schema": Wrong.model_json_schema()}}}
    for status, reason in REASONS.items()
}


@dataclass
class Station:
    """What the routes share."""

    shelf: Shelf
    limits: Limits
    batcher: Batcher
    measured: Measured
    training: Training | None
    decoding: anyio.CapacityLimiter
    encoding: anyio.CapacityLimiter

    async def made(self, request: Request, order: Order) -> Any:
        """The images of an order; an abandoned request leaves the line.  Raises Full, Closed or HTTPException."""
        work = self.batcher.made(order.key, order.n, order.most, order.prepare, order.make)
        return await unless_gone(request, work, self.limits.seconds)

    async def encode(self, function: Callable[..., bytes], *args: Any, **more: Any) -> bytes:
        """A picture's bytes, made beside the loop."""
        return await anyio.to_thread.run_sync(partial(function, *args, **more), limiter=self.encoding)


async def unless_gone(request: Request, work: Awaitable[T], seconds: float) -> T:
    """What the work gives, unless the client hangs up (499) or it takes too long (503); then it is cancelled."""

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(hung_up())
    try:
        await asyncio.wait((task, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise HTTPException(499, "the client is gone")
        raise HTTPException(503, f"not made within {seconds:.0f} s", {"retry-after": "5"})
    finally:
        task.cancel()
        gone.cancel()


def create(
    shelf: Shelf, limits: Limits | None = None, guard: Guard | None = None, training: Training | None = None
) -> Guarded:
    """The ASGI application.  training None: it only shows models."""
    from ganvas.serve import job_routes, routes

    limits = limits or Limits()
    measured = Measured()
    batcher = Batcher(limits.waiting, measured.passed)
    measured.watch(batcher)
    station = Station(
        shelf, limits, batcher, measured, training, anyio.CapacityLimiter(limits.decoding), anyio.CapacityLimiter(4)
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = threading.Thread(target=shelf.warm, daemon=True)
        warming.start()  # the page answers meanwhile
        yield
        shelf.closed = True
        await anyio.to_thread.run_sync(batcher.close, SHUTDOWN_SECONDS)
        await anyio.to_thread.run_sync(warming.join, SHUTDOWN_SECONDS)  # torch aborts a process that leaves it behind

    app = FastAPI(
        title="ganvas",
        version=__version__,
        description="Models that make images: samples, interpolations, translations, training runs.",
        docs_url=None,  # pages that would load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=REFUSED,
        license_info={"name": "Apache-2.0"},
    )
    app.state.station = station
    answer_errors(app)
    app.include_router(routes.router)
    app.include_router(job_routes.router)
    serve_page(app)

    @app.get("/healthz", response_model=Health, tags=["server"], summary="A sign of life")
    async def healthz() -> Health:
        return Health(status="ok", version=__version__, waiting=batcher.waits())

    @app.get("/metrics", tags=["server"], summary="Counters, in Prometheus' format", response_class=Response,
             responses=routes.file_of("text/plain"))  # fmt: skip
    async def metrics() -> Response:
        return Response(measured.text(), media_type="text/plain; version=0.0.4")

    @app.get("/api/session", tags=["server"], summary="Keeps the token in a cookie, for the page", status_code=204)
    async def session(request: Request) -> Response:
        response = Response(status_code=204)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":  # a script cannot read it, other sites' pages cannot send it
            response.set_cookie(guards.COOKIE, token.strip(), httponly=True, samesite="strict", path="/")
        return response

    return Guarded(app, guard or Guard(body_bytes=limits.upload_bytes), measured.answered)


def answer_errors(app: FastAPI) -> None:
    """Every refusal is {"error": one line} with a status."""

    def one_line(status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
        return JSONResponse({"error": " ".join(text.split())}, status, headers)

    @app.exception_handler(InputError)
    async def of_input(_: Request, error: Exception) -> JSONResponse:
        missing = isinstance(error, Unknown | NoRun | NoJob)
        return one_line(404 if missing else 409 if isinstance(error, Conflict) else 400, str(error))

    @app.exception_handler(Busy)
    async def of_busy(_: Request, error: Exception) -> JSONResponse:
        return one_line(409, str(error))

    @app.exception_handler(Full)
    async def of_full(_: Request, error: Full) -> JSONResponse:
        return one_line(429, f"{error}; try again in {error.seconds} s", {"retry-after": str(error.seconds)})

    @app.exception_handler(Closed)
    async def of_closed(_: Request, error: Exception) -> JSONResponse:
        return one_line(503, str(error), {"retry-after": "5"})

    @app.exception_handler(RequestValidationError)
    async def of_form(_: Request, error: RequestValidationError) -> JSONResponse:
        first, *more = error.errors()
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
        rest = f" (and {len(more)} more)" if more else ""
        return one_line(422, f"{where or 'request'}: {first['msg']}{rest}; /openapi.json describes what is expected")

    @app.exception_handler(HTTPException)
    async def of_http(_: Request, error: HTTPException) -> JSONResponse:
        return one_line(error.status_code, str(error.detail), dict(error.headers or {}))


def serve_page(app: FastAPI) -> None:
    """The page's files, read once: a request names a key of this table, and nothing on the disk."""
    files = {file.name: file.read_bytes() for file in resources.files(__package__).joinpath("static").iterdir()}

    def answer(name: str) -> Callable[[], Awaitable[Response]]:
        async def file() -> Response:
            kind = TYPES[name.rpartition(".")[2]]
            return Response(files[name], media_type=kind, headers={"cache-control": "no-cache"})

        return file

    for name in files:
        if name.rpartition(".")[2] in TYPES:
            app.add_api_route(f"/static/{name}", answer(name), include_in_schema=False)
    app.add_api_route("/", answer("index.html"), include_in_schema=False)
