"""What /metrics tells: requests, passes, images, the line, memory."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from ganvas.serve.batcher import Batcher


class Measured:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        where: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("ganvas_requests", "Answers", ["route", "status"], **where)
        self.seconds = Histogram("ganvas_request_seconds", "Until the answer began", ["route"], **where)
        self.images = Counter("ganvas_images", "Images made", **where)
        self.passes = Counter("ganvas_passes", "Passes through a network", **where)
        self.merged = Histogram(
            "ganvas_pass_requests", "Requests served by one pass", buckets=(1, 2, 4, 8, 16, 32, 64), **where
        )
        self.pass_seconds = Histogram("ganvas_pass_seconds", "Of one pass", **where)
        self.waiting = Gauge("ganvas_waiting", "Requests in the line or being made", **where)

    def watch(self, batcher: Batcher) -> None:
        """The line's length is asked for when it is told."""
        self.waiting.set_function(lambda: float(batcher.waits()))

    def passed(self, requests: int, images: int, seconds: float) -> None:
        """One pass of the batcher."""
        self.passes.inc()
        self.images.inc(images)
        self.merged.observe(requests)
        self.pass_seconds.observe(seconds)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """One answer."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self.registry)
