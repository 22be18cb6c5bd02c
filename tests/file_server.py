"""A server of files on the loopback: it knows ranges, or not; dies midway, or lies."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `served` by the last part of an address, from a thread, for as long as a `with` block runs."""

    daemon_threads = True
    ranges = True
    die_after: int | None = None  # bytes of each answer
    status: int | None = None
    failures = 0  # answer 503 so many times

    def __init__(self, served: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.served = served
        self.asked: list[tuple[str, str | None]] = []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Server:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name, ask = self.path.rsplit("/", 1)[-1], self.headers.get("Range")
        self.server.asked.append((name, ask))
        if self.server.failures:
            self.server.failures -= 1
            return self.send_error(503)
        if self.server.status is not None or name not in self.server.served:
            return self.send_error(self.server.status or 404)
        body, start = self.server.served[name], 0
        if ask and self.server.ranges:
            start = int(ask.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = len(body) if self.server.die_after is None else start + self.server.die_after
        self.wfile.write(body[start:end])
        return None

    def log_message(self, *_: object) -> None:
        pass
