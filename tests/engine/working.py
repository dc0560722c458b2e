"""A worker under test: what it was asked, what it has done so far."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from twolane import Tasks
from twolane.backends.memory import MemoryBlobs
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Delivery, Entry, Queue
from twolane.contracts.records import Records
from twolane.engine.limits import Limits
from twolane.engine.runtime import Runtime, Stores
from twolane.values.record import Record, State, Stats

NEVER_S = 3600.0
"""A pause between polls that no test outlives: what then happens happens without a poll."""
OFTEN_S = 0.005
WAIT_S = 100.0
_numbers = count()


class Steps:
    """An observer that a test can await."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.order: list[tuple[str, str]] = []
        self._more = asyncio.Condition()

    def __call__(self, step: str, delivery: Delivery) -> None:
        self.seen[step] += 1
        self.order.append((step, delivery.task))
        self._telling = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        async with self._more:
            self._more.notify_all()

    async def until(self, step: str, times: int) -> None:
        """Wait until a step was made so many times."""
        async with asyncio.timeout(WAIT_S), self._more:
            await self._more.wait_for(lambda: self.seen[step] >= times)


class Flushes:
    """What a queue was given, flush by flush; lets them fail on demand."""

    def __init__(self, queue: Any) -> None:
        self.kinds: list[list[str]] = []
        self.fails: Exception | None = None
        self._more = threading.Condition()
        self._flush = queue.flush
        queue.flush = self

    def __call__(self, entries: Sequence[Entry[Any]]) -> list[Any]:
        with self._more:
            self.kinds.append([type(entry).__name__ for entry in entries])
            self._more.notify_all()
        if self.fails is not None:
            raise self.fails
        answers: list[Any] = self._flush(entries)
        return answers

    async def until(self, kind: str, times: int) -> None:
        """Wait until so many flushes had an entry of a kind."""

        def come() -> bool:
            return sum(kind in flush for flush in self.kinds) >= times

        def wait() -> bool:
            with self._more:
                return self._more.wait_for(come, WAIT_S)

        assert await asyncio.to_thread(wait)


class Working:
    """A runtime whose worker runs."""

    def __init__(self, runtime: Runtime, records: Records) -> None:
        self.runtime = runtime
        self.records = records
        self.steps = Steps()
        runtime.observer = self.steps

    async def send(self, task: Any, *args: Any, **kwargs: Any) -> str:
        return (await self.runtime.send(task, args, kwargs)).id

    def record(self, message_id: str) -> Record:
        record = self.records.get(message_id)
        assert record is not None
        return record

    def counts(self) -> dict[State, int]:
        stats: Stats = self.records.stats()
        return {state: n for state, n in stats.queues["default"].counts.items() if n}


def runtime_of(tasks: Tasks, queue: Queue, records: Records, clock: Clock, **limits: Any) -> Runtime:
    """What a process holds open for these tasks."""
    return Runtime(
        tasks.registry,
        clock,
        lambda: Stores(queue, records, MemoryBlobs(clock)),
        new_id=lambda: f"id-{next(_numbers)}",
        limits=Limits(**{"poll_s": NEVER_S, **limits}),
    )


@asynccontextmanager
async def working(
    tasks: Tasks, queue: Queue, records: Records, clock: Clock, *, grace_s: float = WAIT_S, **limits: Any
) -> AsyncGenerator[Working]:
    """Start a worker of these tasks, and stop it in the end."""
    runtime = runtime_of(tasks, queue, records, clock, **limits)
    worker = Working(runtime, records)
    await runtime.start()
    try:
        yield worker
    except BaseException:
        grace_s = 0.0  # what the test would have let go on runs for ever
        raise
    finally:
        await runtime.stop(grace_s)
