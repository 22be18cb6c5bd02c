"""Requests that wait together are made together: one thread, a queue, rows of like requests side by side.

A request hands in how its rows come about and what turns rows into images.  While a pass runs, others gather; the next
pass takes rows of all requests of the first one's key, up to `most`, so an idle server adds no delay.  A request that
is not finished goes to the end of the line: a large one does not hold up small ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganvas import rows
from ganvas.errors import InputError

log = logging.getLogger("ganvas.serve")


class Full(Exception):
    """More requests wait than may wait.  seconds: after which to try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__("too many requests wait")
        self.seconds = seconds


class Closed(Exception):
    """The server is shutting down, or it had no memory for this request."""


@dataclass(eq=False)
class Task:
    """n images that one request wants.  Tasks of one key have rows of one kind, and the same `make`."""

    key: Hashable
    n: int
    most: int  # rows of one pass
    prepare: Callable[[], Any]  # -> a record of n rows; runs in the thread, raises InputError
    make: Callable[[Any], Tensor]  # rows -> images [n, ...]
    answer: Callable[[Tensor | BaseException], None]
    abandoned: bool = False
    record: Any = None
    parts: list[Tensor] = field(default_factory=list)
    made: int = 0


class Batcher:
    """The thread that computes, and the line before it."""

    def __init__(self, waiting: int = 1024, observe: Callable[[int, int, float], None] | None = None) -> None:
        """observe: is told of each pass its requests, images and seconds."""
        self.waiting, self.observe = waiting, observe
        self.line: deque[Task] = deque()
        self.running = self.last = 0
        self.pace = 0.01  # seconds an image, a running mean
        self.ready = threading.Condition()
        self.open = True
        self.thread = threading.Thread(target=self._work, name="ganvas-batcher", daemon=True)
        self.thread.start()

    async def made(
        self, key: Hashable, n: int, most: int, prepare: Callable[[], Any], make: Callable[..., Tensor]
    ) -> Tensor:
        """The images of one request.  Cancelled, it leaves the line.  Raises Full, Closed, and what prepare raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Tensor] = loop.create_future()

        def settle(value: Tensor | BaseException) -> None:
            if future.done():
                return
            if isinstance(value, BaseException):
                future.set_exception(value)
            else:
                future.set_result(value)

        def answer(value: Tensor | BaseException) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, value)

        task = Task(key, n, most, prepare, make, answer)
        self.submit(task)
        try:
            return await future
        finally:
            task.abandoned = True  # no matter once it is answered

    def submit(self, task: Task) -> None:
        """Into the line.  Raises Full or Closed."""
        with self.ready:
            if not self.open:
                raise Closed("the server is shutting down")
            if len(self.line) + self.running >= self.waiting:
                raise Full(self.patience())
            self.line.append(task)
            self.ready.notify()

    def patience(self) -> int:
        """Whole seconds after which the line should have moved."""
        return max(1, min(60, round(self.pace * sum(task.n - task.made for task in self.line) / 2)))

    def waits(self) -> int:
        """Requests in the line or being made."""
        return len(self.line) + self.running

    def close(self, seconds: float = 10.0) -> None:
        """Finishes what is in the line, for so long at most; what is left is refused."""
        with self.ready:
            self.open = False
            self.ready.notify()
        self.thread.join(seconds)
        with self.ready:
            left, self.line = list(self.line), deque()
        for task in left:
            task.answer(Closed("the server is shutting down"))

    def _work(self) -> None:
        while True:
            with self.ready:
                while not self.line and self.open:
                    self.ready.wait()
                if not self.line:
                    return
                batch = self._next()
                self.running = len(batch)
            try:
                self._pass(batch)
            finally:
                with self.ready:
                    self.line.extend(task for task in batch if task.made < task.n)
                    self.running = 0

    def _next(self) -> list[Task]:
        """The first task and those like it, as many as a pass holds; they leave the line."""
        alive = [task for task in self.line if not task.abandoned]
        chosen: list[Task] = []
        space = alive[0].most if alive else 0
        for task in alive:
            if space > 0 and task.key == alive[0].key:
                chosen.append(task)
                space -= task.n - task.made
        self.line = deque(task for task in alive if task not in chosen)
        return chosen

    def _pass(self, batch: list[Task]) -> None:
        """One pass over rows of these tasks.  If it fails, each is tried by itself, so that none fails for another."""
        batch = [task for task in batch if self._prepared(task)]
        if not batch:
            return
        started = time.monotonic()
        error = self._tried(batch)
        if error is not None:
            if len(batch) == 1:
                self._fail(batch[0], error)
            for task in batch if len(batch) > 1 else ():
                self._pass([task])
            return
        seconds = time.monotonic() - started
        for task in batch:
            if task.made == task.n and not task.abandoned:
                task.answer(torch.cat(task.parts))
        if self.observe is not None:
            self.observe(len(batch), self.last, seconds)
        self.pace += 0.1 * (seconds / self.last - self.pace)

    def _tried(self, batch: list[Task]) -> BaseException | None:
        """What went wrong, if something did."""
        try:
            with torch.no_grad():
                self._make(batch)
        except BaseException as error:
            return error
        return None

    def _make(self, batch: list[Task]) -> None:
        """As many rows as one pass holds, and each task's share of what comes out."""
        space, shares = batch[0].most, []
        for task in batch:
            shares.append(min(task.n - task.made, space))
            space -= shares[-1]
        parts = [rows.take(t.record, slice(t.made, t.made + k)) for t, k in zip(batch, shares) if k]
        x = batch[0].make(rows.concat(parts)).float().cpu()
        self.last = len(x)
        for task, part in zip(batch, x.split(shares)):
            task.parts.append(part.clone())
            task.made += len(part)

    def _prepared(self, task: Task) -> bool:
        """The task's rows are there; if they cannot be, it has been told so."""
        if task.record is not None:
            return True
        try:
            with torch.no_grad():
                task.record = task.prepare()
        except BaseException as error:
            self._fail(task, error)
            return False
        return True

    def _fail(self, task: Task, error: BaseException) -> None:
        """The end of a task: what a person can mend as it is, no memory as that, anything else with its traceback."""
        task.made = task.n
        memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
        if memory:
            error = Closed("not enough memory for this request now")
        elif not isinstance(error, InputError):
            log.error("a request failed", exc_info=error)
        task.answer(error)
