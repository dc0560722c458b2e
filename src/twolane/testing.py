"""Tests of an app's tasks: a queue in memory, time that only a test turns, and the worker's own rooms by hand.

Replaces the backends and the clock, nothing else: what `drain` runs passes through the same run, decide
and settle as in a worker, out of the same JSON. pytest_plugin.py makes a fixture of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

from twolane.backends.memory import MemoryBlobs, MemoryQueue
from twolane.contracts.queue import Delivery, Outgoing, Receive
from twolane.contracts.upkeep import Reap
from twolane.engine.decide import decide
from twolane.engine.hold import Hold
from twolane.engine.ids import RANDOM_BYTES, make_id
from twolane.engine.limits import Limits
from twolane.engine.run import run
from twolane.engine.runtime import Runtime, Stores
from twolane.engine.settle import settle, settle_with
from twolane.engine.task import Registry, Sendable, Task, checked
from twolane.engine.threads import Threads
from twolane.values.blob import Blob
from twolane.values.errors import UsageError
from twolane.values.letters import Matching
from twolane.values.message import decode
from twolane.values.outcome import Failure
from twolane.values.policy import seconds
from twolane.values.public_record import Record, published
from twolane.values.record import Attempt, State
from twolane.values.ticket import Lane, Ticket

STARTS_AT = datetime(2030, 1, 1, tzinfo=UTC)
"""What the virtual clock of every inbox says at first."""


class TasksLike(Protocol):
    """What an inbox needs of a `Tasks`."""

    registry: Registry

    def swap_runtime(self, runtime: Runtime | None) -> Runtime | None:
        """Put another runtime in place."""
        ...


class VirtualClock:
    """Time that stands still until a test advances it: delays, backoff, expiry, patience.

    Not the time of a task's time-out, which is the event loop's, nor what `datetime.now()` says.
    """

    def __init__(self) -> None:
        self._now = STARTS_AT.timestamp()

    def advance(self, by: float | timedelta) -> None:
        """Let time pass.

        Args:
            by: seconds or a timedelta.

        Raises:
            ValueError: less than 0.
        """
        self._now += seconds(by, "advance")

    def now(self) -> float:
        """The time of day, in epoch seconds."""
        return self._now

    def monotonic(self) -> float:
        """The same, for durations."""
        return self._now


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message of the queue lane as it was stored.

    Attributes:
        id: the message's id.
        task: the task's name.
        args: the arguments by name, as the task will get them: read back from JSON and validated.
        queue: the queue's name.
        delay_s: not to be run before that many seconds.
        expires_at: when it is dead if it still waits; None: never.
        unique_key: its uniqueness key, or None.
        group: what its task's `group_by` makes of the arguments, or None.
        body: the envelope.
        parent: the id of the message whose task sent it, or None.
    """

    id: str
    task: str
    args: Mapping[str, Any]
    queue: str
    delay_s: float
    expires_at: datetime | None
    unique_key: str | None
    body: str
    parent: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one delivery.

    Attributes:
        task: the task's name; empty where the body was no envelope.
        attempt: the number of this attempt, from 1.
        failure: what went wrong, with its traceback; None: nothing did.
        record: the message's record afterwards: `state`, `result`, `reason`, `visible_at`, ...
    """

    task: str
    attempt: int
    failure: Failure | None
    record: Record

    @property
    def state(self) -> State:
        """The state of the message afterwards: `done`, `waiting` (it is tried again), `dead`, `cancelled`."""
        return self.record.state

    @property
    def result(self) -> Any:
        """What the task returned, as a JSON value."""
        return self.record.result


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is kept and not tried again by itself.

    Attributes:
        record: its record, as `tasks.record` answers it.
        body: the envelope.
        attempts: those that did not succeed, each with its `number`, its `outcome` and its `failure`.
    """

    record: Record
    body: str
    attempts: tuple[Attempt, ...]


class TaskFailed(AssertionError):
    """A delivery did not end as done, and `drain(check=True)` was to say so."""


class _Runtime(Runtime):
    """Knows the event loop of the app while the app's lifespan runs."""

    loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        await super().start()

    async def stop(self, grace_s: float | None = None) -> None:
        self.loop = None
        await super().stop(grace_s)


class Inbox:
    """The queue lane of a `Tasks` during a test; made by the `twolane` fixture or `open_inbox`.

    Args:
        registry: the tasks.
        worker: whether the app's lifespan starts a worker, as it does outside of tests.

    Attributes:
        clock: the time of the queue; `clock.advance(60)` makes a retry visible.
        runtime: what the `Tasks` holds open meanwhile.
    """

    def __init__(self, registry: Registry, *, worker: bool = False) -> None:
        self.clock = VirtualClock()
        self._registry = registry
        self._worker = worker
        self._queue = MemoryQueue(self.clock)
        self._blobs = MemoryBlobs(self.clock)
        stores, numbers = Stores(self._queue, self._queue, self._blobs), count(1)
        limits = Limits()
        self._threads = (
            Threads(limits.sync_threads, name="twolane-task"),
            Threads(limits.slots, name="twolane-dependency"),
        )
        self._runner: asyncio.Runner | None = None
        self.runtime = _Runtime(
            registry,
            self.clock,
            lambda: stores,
            new_id=lambda: make_id(self.clock.now(), next(numbers).to_bytes(RANDOM_BYTES)),
            limits=limits,
            in_app=worker,
            tells=worker,
        )

    def store(self, source: Any) -> Blob:
        """A blob to send, where no request is there to `lanes.store` it.

        Args:
            source: an UploadFile, bytes, a path or a binary file.
        """
        return self.runtime.upload(source)

    def sent(self, task: Sendable[...] | None = None) -> list[SentMessage]:
        """What was stored, in the order it was sent, whatever became of it since.

        Args:
            task: only messages of this task; None: all.

        Raises:
            UsageError: no task of this `Tasks`, or one of the background lane, which stores nothing.
        """
        wanted = None if task is None else checked(self._registry, task).task
        if wanted is not None and wanted.lane is Lane.BACKGROUND:
            raise UsageError(
                f'task {wanted.name} is if_lost="ignore": it runs after the response, which TestClient waits '
                f"for, and is never stored. Look at what it did."
            )
        return [
            self._sent(known, message)
            for message in self._queue.messages()
            if (known := self._registry.get(message.task)) is not None and wanted in (None, known)
        ]

    def record(self, of: Ticket | SentMessage | str) -> Record:
        """The record of a message now.

        Args:
            of: its ticket (or what `sent` answered), or its id.

        Raises:
            LookupError: there is no such message.
        """
        message_id = of if isinstance(of, str) else of.id
        record = self._queue.get(message_id)
        if record is None:
            raise LookupError(
                f"no message {message_id} was stored; {len(self._queue.messages())} others were"
            )
        return published(record)

    def dead(self, task: Sendable[...] | None = None) -> list[DeadLetter]:
        """The dead letters, the first to die first.

        Args:
            task: only those of this task; None: all.
        """
        name = None if task is None else checked(self._registry, task).task.name
        letters = self._queue.list_dead(Matching(task=name), limit=len(self._queue.messages()))[::-1]
        return [DeadLetter(published(each.record), each.body, each.attempts) for each in letters]

    def drain(self, *, check: bool = False, most: int = 1000) -> list[Delivered]:
        """Run everything that is visible now, one after another, and what that sends in turn.

        Async tasks run on the app's event loop while its lifespan runs, else on one of the inbox. A
        failed attempt waits the longest pause its backoff allows: `clock.advance` ends it.

        Args:
            check: raise at the first delivery that does not end as done.
            most: more deliveries than this are an error: a task that sends itself.

        Returns:
            What became of each delivery, in order.

        Raises:
            TaskFailed: if `check`.
            UsageError: more than `most`; on an event loop (use `drain_async`); beside a worker.
        """
        if _on_a_loop():
            raise UsageError("drain() would block this event loop: write `await inbox.drain_async()`")
        draining = self._drain(check=check, most=most)
        if self.runtime.loop is not None:
            return asyncio.run_coroutine_threadsafe(draining, self.runtime.loop).result()
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(draining)

    async def drain_async(self, *, check: bool = False, most: int = 1000) -> list[Delivered]:
        """As `drain`, from an async test."""
        loop, draining = self.runtime.loop, self._drain(check=check, most=most)
        if loop is None or loop is asyncio.get_running_loop():
            return await draining
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(draining, loop))

    def close(self) -> None:
        """End what the inbox started."""
        self.runtime.close()
        for threads in self._threads:
            threads.close()
        if self._runner is not None:
            self._runner.close()

    async def _drain(self, *, check: bool, most: int) -> list[Delivered]:
        if self._worker and self.runtime.loop is not None:
            raise UsageError("a worker runs beside this test: it drains the queue, not the test")
        batcher, ran = self.runtime.batcher, list[Delivered]()
        await batcher.ask(Reap())
        queues = tuple({"default", *(task.queue for task in self._registry.queue_tasks())})
        receive = Receive("test", queues, None, 1, self.runtime.limits.lease_s)
        while received := await batcher.ask(receive):
            if len(ran) >= most:
                raise UsageError(
                    f"more than {most} deliveries in one drain: is there a task that sends itself?"
                )
            ran.append(await self._deliver(received[0]))
            if check and ran[-1].state is not State.DONE:
                raise TaskFailed(_story(ran[-1]))
        return ran

    async def _deliver(self, delivery: Delivery) -> Delivered:
        batcher = self.runtime.batcher
        ran = await run(Hold(delivery), self.runtime.surroundings(*self._threads))
        decision = decide(ran.outcome, delivery.attempt, ran.policy, 1.0)
        if ran.outbox is None:
            await settle(decision, delivery.receipt, batcher, tries=1)
        else:
            decision, _ = await settle_with(
                ran.outbox, decision, delivery, ran.policy, batcher, tries=1, jitter=1.0
            )
            await self.runtime.background.idle()
        failure = getattr(decision, "failure", None)
        return Delivered(delivery.task, delivery.attempt, failure, self.record(delivery.id))

    def _sent(self, task: Task[Any, Any, Any], stored: Outgoing) -> SentMessage:
        message = decode(stored.body)
        values = message.args
        if message.args_blob is not None:
            with self._blobs.open(message.args_blob) as file:
                values = json.load(file)
        args, kwargs = task.arguments.load(values or {}, {"open_blob": self._blobs.open})
        by_name = dict(zip(task.arguments.names, [*args, *kwargs.values()], strict=True))
        expires_at = None if message.expires_at is None else datetime.fromtimestamp(message.expires_at, UTC)
        return SentMessage(
            stored.id,
            stored.task,
            by_name,
            stored.queue,
            stored.delay_s,
            expires_at,
            stored.unique_key,
            stored.body,
            stored.parent,
            stored.group,
        )


@contextlib.contextmanager
def open_inbox(tasks: TasksLike, *, worker: bool = False) -> Generator[Inbox]:
    """Replace where a `Tasks` stores its messages by memory, and restore it afterwards.

    Args:
        tasks: whose queue lane.
        worker: whether the app's lifespan starts a worker, as it does outside of tests. It polls in real time.
    """
    inbox = Inbox(tasks.registry, worker=worker)
    before = tasks.swap_runtime(inbox.runtime)
    try:
        yield inbox
    finally:
        tasks.swap_runtime(before)
        inbox.close()


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _story(delivered: Delivered) -> str:
    record, failure = delivered.record, delivered.failure
    became = f"{record.state}" if record.reason is None else f"{record.state} ({record.reason})"
    told = "" if failure is None else f"\n{failure.traceback or f'{failure.error_type}: {failure.message}'}"
    return f"task {delivered.task or '(no envelope)'} attempt {delivered.attempt} left its message {became}{told}"
