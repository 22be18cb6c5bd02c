"""Work that takes minutes or weeks: `ganvas train`, `evaluate`, `check`, `project`, each a process with a small folder.

A job's folder holds job.json (what was started, by which process), log.txt and what it makes.  Nothing about a job is
kept in memory but the handle that reaps it: a server that is started anew finds the jobs as they are, and they run on
without it.  A job is done when its result is there, failed when its process is gone without one.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from ganvas.errors import InputError
from ganvas.files import read_json, write_json

State = Literal["running", "done", "failed"]
Kind = Literal["train", "evaluate", "check", "project"]
COMMAND = (sys.executable, "-m", "ganvas")
RESULTS = {"evaluate": "scores.json", "check": "report.json", "project": "projections.json"}
STOPPING = "stopping"  # an empty file of a job that was asked to leave
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LOG_BYTES = 64 * 1024  # of a log's end that is looked at


class Busy(Exception):
    """As many jobs of this kind run as may."""


class NoJob(InputError):
    """No job of that id."""


class Job(BaseModel):
    """job.json: what was started, and the process that does it."""

    id: str
    kind: Kind
    about: dict[str, Any] = Field(description="what it was asked to do")
    arguments: list[str] = Field(description="of the ganvas command")
    started: float = Field(description="seconds since 1970")
    pid: int
    born: int | None = Field(description="when the process began, in the system's ticks: process numbers come again")


class Jobs:
    """The jobs of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: dict[int, subprocess.Popen[bytes]] = {}
        self.lock = threading.Lock()

    def start(self, kind: Kind, name: str, arguments: Sequence[str], about: dict[str, Any], most: int) -> Job:
        """Starts `ganvas ARGUMENTS`.  Raises Busy if `most` jobs of this kind run, or one of this name does."""
        with self.lock:
            running = [job for job in self.all() if job.kind == kind and self.runs(job)]
            if any(job.id == name for job in running):
                raise Busy(f"{name} runs already")
            if len(running) >= most:
                raise Busy(f"{len(running)} of {most} {kind} jobs run already; stop one, or wait")
            where = self.folder / name
            where.mkdir(parents=True, exist_ok=True)
            (where / STOPPING).unlink(missing_ok=True)
            if kind in RESULTS:
                (where / RESULTS[kind]).unlink(missing_ok=True)
            with (where / "log.txt").open("ab" if kind == "train" else "wb") as log:
                child = subprocess.Popen(
                    [*COMMAND, *arguments],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
            self.children[child.pid] = child
            if hasattr(os, "setpriority"):
                os.setpriority(os.PRIO_PROCESS, child.pid, 5)  # who looks on comes first
            job = Job(
                id=name, kind=kind, about=about, arguments=list(arguments), started=time.time(), pid=child.pid,
                born=birth(child.pid),
            )  # fmt: skip
            write_json(where / "job.json", job.model_dump())
            return job

    def all(self) -> list[Job]:
        """Every job, the newest first."""
        found = [self._read(p) for p in self.folder.glob("*/job.json")] if self.folder.is_dir() else []
        return sorted((job for job in found if job is not None), key=lambda job: -job.started)

    def find(self, name: str) -> Job:
        """The job of this id.  Raises NoJob."""
        job = self._read(self.folder / name / "job.json") if NAME.fullmatch(name) else None
        if job is None:
            raise NoJob(f"no job {name[:80]!r}; GET /api/jobs lists them")
        return job

    def runs(self, job: Job) -> bool:
        """Whether its process is there and at work."""
        child = self.children.get(job.pid)
        if child is not None and child.poll() is not None:
            self.children.pop(job.pid, None)
            return False
        return alive(job.pid, job.born)

    def state(self, job: Job) -> State:
        """Of a job that makes a result; a training job's is its run's."""
        if self.runs(job):
            return "running"
        return "done" if (result := self.result(job)) is not None and result.is_file() else "failed"

    def stop(self, job: Job) -> None:
        """Asks its process to save and to leave: once, for at a second signal a training leaves without saving."""
        if self.runs(job) and not self.stopping(job):
            (self.folder / job.id / STOPPING).touch()
            os.kill(job.pid, signal.SIGTERM)

    def stopping(self, job: Job) -> bool:
        """Whether it was asked to leave and has not yet."""
        return (self.folder / job.id / STOPPING).exists() and self.runs(job)

    def result(self, job: Job) -> Path | None:
        """Where a job's result lies, if it makes one."""
        return self.folder / job.id / RESULTS[job.kind] if job.kind in RESULTS else None

    def lines(self, name: str) -> list[str]:
        """The end of a job's log."""
        path = self.folder / name / "log.txt"
        if not path.is_file():
            return []
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
        return [line for part in text.split("\n") if (line := part.rsplit("\r", 1)[-1].rstrip())]

    def _read(self, path: Path) -> Job | None:
        try:
            return Job(**read_json(path))
        except (InputError, ValidationError, TypeError):
            return None


def birth(pid: int) -> int | None:
    """When a process began, in ticks since the system did; None where that cannot be told."""
    fields = status(pid)
    return int(fields[19]) if fields else None


def alive(pid: int, born: int | None) -> bool:
    """Whether this process, and no later one of its number, is there and has not ended."""
    if Path("/proc/self/stat").exists():
        fields = status(pid)
        return bool(fields) and fields[0] not in ("Z", "X") and (born is None or int(fields[19]) == born)
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def status(pid: int) -> list[str]:
    """What /proc says of a process behind its name, beginning with its state; [] where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
