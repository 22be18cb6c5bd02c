"""The line before the thread: what waits together is made together, and nobody fails or waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from ganvas.errors import InputError
from ganvas.gan import Code
from ganvas.serve.batcher import Batcher, Closed, Full


class Held:
    """A `make` that doubles its rows, waits for `go`, and remembers the size of each pass."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.sizes: list[int] = []

    def __call__(self, code: Code) -> Tensor:
        self.begun.set()
        assert self.go.wait(10)
        self.sizes.append(len(code.z))
        if (code.z == 13).any():
            raise RuntimeError("unlucky")
        return 2 * code.z


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    made = Batcher(waiting=6)
    yield made
    made.close(5)


def rows(*values: float) -> Any:
    return lambda: Code(torch.tensor(values)[:, None])


async def first(batcher: Batcher, held: Held) -> asyncio.Task[Tensor]:
    """One request that is being made, so that those after it gather."""
    task = asyncio.create_task(batcher.made("a", 1, 4, rows(1.0), held))
    await asyncio.to_thread(held.begun.wait, 10)
    return task


async def gathered(batcher: Batcher, held: Held, *requests: tuple[str, Any, int]) -> list[Any]:
    """What becomes of requests (key, rows, n) that wait together."""
    before = await first(batcher, held)
    tasks = [asyncio.create_task(batcher.made(key, n, 4, prepare, held)) for key, prepare, n in requests]
    await asyncio.sleep(0)
    held.go.set()
    await before
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_those_who_wait_share_a_pass(batcher: Batcher, held: Held) -> None:
    got = asyncio.run(gathered(batcher, held, *[("a", rows(float(i)), 1) for i in range(2, 6)]))
    assert [x.flatten().tolist() for x in got] == [[4.0], [6.0], [8.0], [10.0]]
    assert held.sizes == [1, 4]


def test_unlike_requests_do_not(batcher: Batcher, held: Held) -> None:
    got = asyncio.run(gathered(batcher, held, ("a", rows(2), 1), ("b", rows(3), 1), ("a", rows(4), 1)))
    assert [x.item() for x in got] == [4, 6, 8]
    assert held.sizes == [1, 2, 1]


def test_a_large_request_goes_to_the_end_of_the_line(batcher: Batcher, held: Held) -> None:
    order: list[str] = []

    async def named(name: str, request: Any, n: int) -> Tensor:
        x = await batcher.made("a", n, 4, request, held)
        order.append(name)
        return x

    async def story() -> list[Tensor]:
        before = await first(batcher, held)
        tasks = [asyncio.create_task(named("large", rows(*range(20, 30)), 10))]
        tasks += [asyncio.create_task(named(f"small {i}", rows(float(i)), 1)) for i in range(2)]
        await asyncio.sleep(0)
        held.go.set()
        await before
        return await asyncio.gather(*tasks)

    large, *small = asyncio.run(story())
    assert large.flatten().tolist() == [2.0 * i for i in range(20, 30)]
    assert [x.item() for x in small] == [0, 2]
    assert order[-1] == "large"
    assert max(held.sizes) == 4


def test_one_that_fails_fails_alone(batcher: Batcher, held: Held, caplog: pytest.LogCaptureFixture) -> None:
    def refused() -> Any:
        raise InputError("no such class")

    good, unlucky, wrong = asyncio.run(
        gathered(batcher, held, ("a", rows(5), 1), ("a", rows(13), 1), ("a", refused, 1))
    )
    assert good.item() == 10
    assert isinstance(unlucky, RuntimeError)
    assert isinstance(wrong, InputError)
    assert len(caplog.records) == 1  # a fault of ours is logged, a wrong question is not


def test_no_memory_is_try_again(batcher: Batcher, held: Held) -> None:
    def large() -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    held.go.set()
    with pytest.raises(Closed, match="memory"):
        asyncio.run(batcher.made("a", 1, 4, large, held))


def test_an_abandoned_request_is_never_made(batcher: Batcher, held: Held) -> None:
    async def story() -> None:
        before = await first(batcher, held)
        gone = asyncio.create_task(batcher.made("a", 1, 4, rows(7), held))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        held.go.set()
        await before
        assert (await batcher.made("a", 1, 4, rows(8), held)).item() == 16

    asyncio.run(story())
    assert held.sizes == [1, 1]


def test_a_full_line_refuses_and_says_when(batcher: Batcher, held: Held) -> None:
    async def story() -> None:
        before = await first(batcher, held)
        tasks = [asyncio.create_task(batcher.made("a", 1, 4, rows(1), held)) for _ in range(5)]
        await asyncio.sleep(0)
        assert batcher.waits() == 6
        with pytest.raises(Full) as caught:
            await batcher.made("a", 1, 4, rows(1), held)
        assert caught.value.seconds >= 1
        held.go.set()
        await asyncio.gather(before, *tasks)

    asyncio.run(story())


def test_closing_finishes_the_line_and_takes_no_more(held: Held) -> None:
    batcher = Batcher()

    async def story() -> list[Any]:
        tasks = [await first(batcher, held)]
        tasks += [asyncio.create_task(batcher.made("a", 1, 4, rows(3), held)) for _ in range(3)]
        await asyncio.sleep(0)
        held.go.set()
        await asyncio.to_thread(batcher.close, 5)
        with pytest.raises(Closed):
            await batcher.made("a", 1, 4, rows(1), held)
        return await asyncio.gather(*tasks)

    assert [x.item() for x in asyncio.run(story())] == [2, 6, 6, 6]


def test_what_cannot_be_finished_in_time_is_refused(held: Held) -> None:
    batcher = Batcher()

    async def story() -> None:
        before = await first(batcher, held)
        left = asyncio.create_task(batcher.made("a", 1, 4, rows(3), held))
        await asyncio.sleep(0)
        await asyncio.to_thread(batcher.close, 0.05)
        with pytest.raises(Closed):
            await left
        held.go.set()
        await before

    asyncio.run(story())
