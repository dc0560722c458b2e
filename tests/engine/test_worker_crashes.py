"""The worker where the queue knows of crashes: suspects run alone and others wait (SQLite)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine.working import OFTEN_S, Flushes, Working, working
from tests.logged import Logged
from twolane import TaskContext, Tasks
from twolane.backends.memory import MemoryBlobs
from twolane.backends.sqlite import SqliteQueue, SqliteRecords
from twolane.contracts.queue import Delivery, Receive, SaveCheckpoint
from twolane.contracts.upkeep import Reap, Register
from twolane.engine import worker as module
from twolane.engine.batcher import Batcher
from twolane.engine.sender import Sender
from twolane.testing import VirtualClock
from twolane.values.record import State, WorkerInfo


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def start(
    tasks: Tasks, path: Path, clock: VirtualClock
) -> Callable[..., AbstractAsyncContextManager[Working]]:
    """Start a worker over the file."""

    @asynccontextmanager
    async def start(**options: Any) -> AsyncGenerator[Working]:
        records = SqliteRecords(path, clock)
        async with working(
            tasks, SqliteQueue(path, clock=clock), records, clock, poll_s=OFTEN_S, **options
        ) as worker:
            yield worker

    return start


class Neighbour:
    """Another process with a worker that will crash."""

    def __init__(self, path: Path, clock: VirtualClock, name: str = "neighbour") -> None:
        self._name = name
        self._queue = SqliteQueue(path, clock=clock)
        self.batcher = Batcher(self._queue)
        numbers = iter(range(100))
        self._sender = Sender(
            self.batcher,
            MemoryBlobs(clock),
            clock,
            new_id=lambda: f"{name}-{next(numbers)}",
            max_body_bytes=self._queue.max_body_bytes,
            limit_bytes=10_000,
        )
        self.batcher.ask_blocking(Register(WorkerInfo(name, 1, "process", ("default",), (), 10, clock.now())))

    def send(self, task: Any, *args: Any) -> str:
        (sent,) = self._sender.store_blocking([self._sender.prepare(task, args, {})])
        return sent.id

    def receive(self) -> tuple[Delivery, ...]:
        self.batcher.ask_blocking(Reap())
        return self.batcher.ask_blocking(Receive(self._name, ("default",), None, 10, 60.0))

    def crash(self) -> None:
        self.batcher.close()  # lets go of the lock that shows its life, without signing off


@pytest.fixture
def neighbour(path: Path, clock: VirtualClock) -> Iterator[Neighbour]:
    neighbour = Neighbour(path, clock)
    yield neighbour
    neighbour.crash()


def test_what_a_crash_interrupted_runs_at_once_and_alone(
    tasks: Tasks, start: Any, neighbour: Neighbour
) -> None:
    together: list[set[str]] = []
    running: set[str] = set()
    batchers: list[Batcher] = []

    @tasks.task(if_lost="alert")
    async def one(name: str) -> None:
        running.add(name)
        together.append(set(running))
        for _ in range(2):  # a flush that receives what may come beside it, and one for it to begin in
            await batchers[0].ask(Reap())
        running.remove(name)

    suspects = [neighbour.send(one, name) for name in ("suspect 1", "suspect 2")]
    assert len(neighbour.receive()) == 2
    neighbour.crash()

    async def main() -> None:
        async with start() as worker:
            batchers.append(worker.runtime.batcher)
            for number in range(5):
                await worker.send(one, f"innocent {number}")
            await worker.steps.until("settled", 7)
            for message in suspects:
                record = worker.record(message)
                assert (record.state, record.attempt, record.crashes) == (State.DONE, 1, 1)

    asyncio.run(main())
    assert {"suspect 1"} in together
    assert {"suspect 2"} in together
    assert not [names for names in together if len(names) > 1 and any("suspect" in name for name in names)]
    assert not [names for names in together[:2] if any("innocent" in name for name in names)]


def test_a_suspect_that_makes_progress_is_cleared(tasks: Tasks, start: Any, neighbour: Neighbour) -> None:
    async def main() -> None:
        go, other_ran = asyncio.Event(), asyncio.Event()

        @tasks.task(if_lost="alert")
        async def long(ctx: TaskContext) -> None:
            await go.wait()
            ctx.checkpoint(1)
            await other_ran.wait()

        @tasks.task(if_lost="alert")
        async def other() -> None:
            other_ran.set()

        await asyncio.to_thread(neighbour.send, long)
        await asyncio.to_thread(neighbour.receive)
        await asyncio.to_thread(neighbour.crash)
        async with start() as worker:
            await worker.steps.until("call", 1)
            waits = await worker.send(other)
            assert worker.record(waits).deliveries == 0
            go.set()
            await worker.steps.until("settled", 2)

    asyncio.run(main())


def test_a_busy_worker_makes_room_for_a_suspect_that_waits_too_long(
    tasks: Tasks, start: Any, neighbour: Neighbour, clock: VirtualClock
) -> None:
    async def main() -> None:
        go = asyncio.Event()

        @tasks.task(if_lost="alert", name="long")
        async def long() -> None:
            await go.wait()

        @tasks.task(if_lost="alert", name="quick")
        async def quick() -> None: ...

        @tasks.task(if_lost="alert", name="suspect")
        async def suspect() -> None: ...

        async with start() as worker:
            await worker.send(long)
            await worker.steps.until("call", 1)
            worker.runtime._worker._names = (("long", "quick"),) * 2  # as long as the neighbour has it
            await asyncio.to_thread(neighbour.send, suspect)
            assert len(await asyncio.to_thread(neighbour.receive)) == 1
            worker.runtime._worker._names = (("long", "quick", "suspect"),) * 2
            await asyncio.to_thread(neighbour.crash)
            await noted(worker)

            await worker.send(quick)
            await worker.steps.until("settled", 1)
            assert worker.steps.order[-1][1] == "quick"

            clock.advance(module.MAKE_ROOM_S + 1)
            waits = await worker.send(quick)
            await noted(worker)
            assert worker.record(waits).state is State.WAITING
            go.set()
            await worker.steps.until("settled", 4)
            settled = [task for step, task in worker.steps.order if step == "settled"]
            assert settled == ["quick", "long", "suspect", "quick"]

    async def noted(worker: Working) -> None:
        """Wait until a poll has seen that a suspect waits: it reaps again when it has noted what it found."""
        flushes = Flushes(worker.runtime.stores.queue)
        await flushes.until("Reap", 2)
        assert worker.runtime._worker._suspects_since is not None

    asyncio.run(main())


def test_a_task_that_kills_its_process_again_and_again_dies_as_crashed(
    tasks: Tasks, path: Path, start: Any, clock: VirtualClock
) -> None:
    @tasks.task(if_lost="alert", max_attempts=2)
    async def deadly() -> None: ...

    @tasks.task(if_lost="alert")
    async def other() -> None: ...

    message = ""
    for round_ in range(3):
        neighbour = Neighbour(path, clock, f"neighbour-{round_}")
        message = message or neighbour.send(deadly)
        assert [delivery.attempt for delivery in neighbour.receive()] == [max(1, round_)]
        neighbour.crash()

    async def main() -> None:
        async with start() as worker:
            await worker.send(other)
            await worker.steps.until("settled", 1)
            await worker.runtime.stop(0)
            records = SqliteRecords(path, clock)
            letter = records.dead_letter(message)
            records.close()
            assert letter is not None
            assert (letter.record.reason, letter.record.crashes) == ("crashed", 3)
            assert [attempt.outcome for attempt in letter.attempts] == ["crashed"] * 3

    asyncio.run(main())


def test_progress_before_a_crash_uses_up_no_attempt(
    tasks: Tasks, path: Path, start: Any, clock: VirtualClock
) -> None:
    @tasks.task(if_lost="alert", max_attempts=1)
    async def long(ctx: TaskContext) -> Any:
        return [ctx.attempt, ctx.cursor]

    message = ""
    for row in range(4):
        neighbour = Neighbour(path, clock, f"neighbour-{row}")
        message = message or neighbour.send(long)
        (delivery,) = neighbour.receive()
        neighbour.batcher.ask_blocking(SaveCheckpoint(delivery.receipt, row))
        neighbour.crash()

    async def main() -> None:
        async with start() as worker:
            await worker.steps.until("settled", 1)
            record = worker.record(message)
            assert (record.state, record.result, record.crashes) == (State.DONE, [1, 3], 4)

    asyncio.run(main())


def test_the_death_of_a_neighbour_is_told(
    tasks: Tasks, start: Any, neighbour: Neighbour, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        @tasks.task(if_lost="alert")
        async def one() -> None: ...

        async with start() as worker:
            await asyncio.to_thread(neighbour.send, one)
            await worker.steps.until("settled", 1)
            told = Logged("worker neighbour died without a word")
            await asyncio.to_thread(neighbour.crash)
            await told.wait()

    asyncio.run(main())
