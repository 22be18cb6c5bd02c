"""Teams of threads: what processes exchange, without starting them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from threading import Barrier, BrokenBarrierError
from typing import Any, TypeVar

from ganvas.team import Team

R = TypeVar("R")


@dataclass(frozen=True)
class Thread(Team):
    """One of several threads, which lay what they say into a list that all of them see."""

    barrier: Barrier = field(default_factory=lambda: Barrier(1))
    said: list[Any] = field(default_factory=list)

    def everyone(self, own: Any) -> list[Any]:
        self.said[self.rank] = own
        self.barrier.wait(60)
        found = list(self.said)
        self.barrier.wait(60)
        return found

    def any(self, flag: bool) -> bool:
        return any(self.everyone(flag))

    def told(self, what: Callable[[], R]) -> R:
        found: R = self.everyone(what() if self.first else None)[0]
        return found

    def sent(self, what: Callable[[], Any]) -> Any:
        return self.told(what)

    def collected(self, own: Iterable[R]) -> Iterator[R]:
        made = iter(own)
        while any(parts := self.everyone(list(islice(made, 1)))):
            yield from (one for part in parts for one in part) if self.first else ()


def in_threads(size: int, work: Callable[[Thread], R]) -> list[R]:
    """What each of so many threads makes; raises what the first that fails raises."""
    barrier, said = Barrier(size), [None] * size
    teams = [Thread(rank, size, rank, size, None, barrier, said) for rank in range(size)]

    def worked(team: Thread) -> R:
        try:
            return work(team)
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        found = [pool.submit(worked, team) for team in teams]
    errors = [error for future in found if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error
    return [future.result() for future in found]
