from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any

import pytest

from tests.engine.working import Working, working
from twolane import Tasks
from twolane.backends.memory import MemoryBlobs, MemoryQueue
from twolane.contracts.queue import Receive
from twolane.contracts.upkeep import Reap
from twolane.engine.batcher import Batcher
from twolane.engine.hold import Hold
from twolane.engine.run import Ran, Surroundings, run
from twolane.engine.sender import Sender
from twolane.engine.task import Sendable
from twolane.engine.threads import Threads
from twolane.testing import VirtualClock


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def queue(clock: VirtualClock) -> MemoryQueue:
    return MemoryQueue(clock)


@pytest.fixture
def blobs(clock: VirtualClock) -> MemoryBlobs:
    return MemoryBlobs(clock)


@pytest.fixture
def batcher(queue: MemoryQueue) -> Iterator[Batcher]:
    batcher = Batcher(queue)
    yield batcher
    batcher.close()


@pytest.fixture
def sender(batcher: Batcher, blobs: MemoryBlobs, clock: VirtualClock) -> Sender:
    numbers = count()
    return Sender(
        batcher, blobs, clock, new_id=lambda: f"id-{next(numbers)}", max_body_bytes=1000, limit_bytes=10_000
    )


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2, name="task")
    yield threads
    threads.close()


@pytest.fixture
def steps() -> list[str]:
    """The steps that were announced to the observer."""
    return []


@pytest.fixture
def around(
    tasks: Tasks,
    blobs: MemoryBlobs,
    batcher: Batcher,
    clock: VirtualClock,
    threads: Threads,
    steps: list[str],
) -> Surroundings:
    return Surroundings(
        tasks.registry, blobs, batcher, clock, threads, lambda step, delivery: steps.append(step)
    )


@pytest.fixture
def receive(batcher: Batcher) -> Callable[[], Hold]:
    """Receive the one message that is visible."""

    def receive() -> Hold:
        batcher.ask_blocking(Reap())
        (delivery,) = batcher.ask_blocking(Receive("w", ("default",), None, 10, 60.0))
        return Hold(delivery)

    return receive


@pytest.fixture
def held(sender: Sender, receive: Callable[[], Hold]) -> Callable[..., Hold]:
    """Send a task and receive it."""

    def held(task: Sendable[...], *args: Any, **kwargs: Any) -> Hold:
        sender.store_blocking([sender.prepare(task, args, kwargs)])
        return receive()

    return held


@pytest.fixture
def do(around: Surroundings) -> Callable[[Hold], Ran]:
    """Run one delivery."""
    return lambda hold: asyncio.run(asyncio.wait_for(run(hold, around), 30))


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest, tasks: Tasks) -> Callable[..., Any]:
    """Make a task, sync or async, that does what a function does."""

    def make(body: Callable[[], Any], **options: Any) -> Any:
        def sync_task() -> Any:
            return body()

        async def async_task() -> Any:
            await asyncio.sleep(0)
            return body()

        fn = sync_task if request.param == "sync" else async_task
        return tasks.task(if_lost="alert", name="work", **options)(fn)

    return make


@pytest.fixture
def work(
    tasks: Tasks, queue: MemoryQueue, clock: VirtualClock
) -> Callable[..., AbstractAsyncContextManager[Working]]:
    """Start a worker over the queue in memory; see `working`."""
    return lambda **options: working(tasks, queue, queue, clock, **options)
