"""How `ganvas serve` bears many clients at once, against the same requests one at a time.

    python benchmarks/serve_load.py MODEL [--clients 300] [--requests 3] [--images 1]

Starts the server as a process of its own, on loopback, and asks it for images of seeds: first by one client that waits
for each answer, then by `--clients` at once, each `--requests` times.  Printed: answers that were no picture, latency
at the median and the 95th and 99th percentile, images a second of both, requests a pass (from /metrics), and how the
server's memory grew while it was asked.  Clients are coroutines of one process that shares the machine with the
server.  Exit status 1 if any request failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path


async def ask(port: int, path: str) -> tuple[int, float]:
    """One request on a connection of its own.  -> status (0: no answer), seconds"""
    started = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
    except OSError:
        return 0, time.monotonic() - started
    head, _, body = answer.partition(b"\r\n\r\n")
    whole = body.startswith(b"\x89PNG") and body.endswith(b"IEND\xaeB`\x82")
    return int(head.split()[1]) if whole or not head.startswith(b"HTTP/1.1 200") else 0, time.monotonic() - started


async def at_once(port: int, path: str, clients: int, requests: int) -> tuple[list[tuple[int, float]], float]:
    """All clients together, each with its own seeds.  -> answers, seconds in all"""

    async def client(k: int) -> list[tuple[int, float]]:
        return [await ask(port, f"{path}&seed={k * requests + i}") for i in range(requests)]

    started = time.monotonic()
    found = await asyncio.gather(*(client(k) for k in range(clients)))
    return [answer for answers in found for answer in answers], time.monotonic() - started


def memory(pid: int, what: str = "VmRSS") -> float:
    """MiB that a process holds (VmHWM: has held at most); Linux."""
    return int(re.findall(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1024


def metric(port: int, name: str) -> float:
    """A number of /metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        return float(re.findall(rf"^{name} (\S+)$", response.read().decode(), re.MULTILINE)[0])


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def told(name: str, answers: list[tuple[int, float]], seconds: float, images: int) -> float:
    """A line.  -> images a second"""
    took = [spent for _, spent in answers]
    failed = sum(status != 200 for status, _ in answers)
    speed = images * (len(answers) - failed) / seconds
    points = ", ".join(f"p{round(100 * share)} {1000 * percentile(took, share):,.0f} ms" for share in (0.5, 0.95, 0.99))
    print(f"{name:<14} {len(answers):>6,} requests, {failed} failed, {points}, {speed:,.0f} images/s")
    return speed


def main() -> int:
    """-> exit status"""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model folder, or the name of a model that ships")
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--requests", type=int, default=3, help="of each client (default: 3)")
    parser.add_argument("--images", type=int, default=1, help="of each request (default: 1)")
    parser.add_argument("--alone", type=int, default=100, help="requests one at a time (default: 100)")
    args = parser.parse_args()
    command = [sys.executable, "-m", "ganvas", "serve", args.model, "--port", "0", "--read-only"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    assert server.stderr is not None
    try:
        port = int(re.findall(r"127\.0\.0\.1:(\d+)/", server.stderr.readline())[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/models") as response:
            name = re.findall(rb'"id":"([^"]+)"', response.read())[0].decode()
        path = f"/api/models/{name}/sample?n={args.images}"
        asyncio.run(at_once(port, path, 4, 5))  # loads the model
        alone = told("one at a time", *asyncio.run(at_once(port, path, 1, args.alone)), args.images)
        before, passes, images = (
            memory(server.pid),
            metric(port, "ganvas_passes_total"),
            metric(port, "ganvas_images_total"),
        )
        answers, seconds = asyncio.run(at_once(port, path, args.clients, args.requests))
        together = told(f"{args.clients} at once", answers, seconds, args.images)
        passes, images = metric(port, "ganvas_passes_total") - passes, metric(port, "ganvas_images_total") - images
        print(f"{images / passes:.1f} images a pass; {together / alone:.1f} times the images a second of one at a time")
        after, peak = memory(server.pid), memory(server.pid, "VmHWM")
        print(f"memory of the server: {before:,.0f} MiB before, {after:,.0f} MiB after, {peak:,.0f} MiB at most")
        return int(any(status != 200 for status, _ in answers))
    finally:
        server.terminate()
        server.wait(30)


if __name__ == "__main__":
    sys.exit(main())
