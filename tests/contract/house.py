"""A queue under test, with the few words that the laws are told in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.aws.places import Place
from tests.clock import FakeClock
from twolane.backends.memory import MemoryQueue
from twolane.backends.sqlite import SqliteQueue, SqliteRecords
from twolane.backends.sqs import SqsQueue
from twolane.backends.sqs.queue import KEEP_S
from twolane.contracts.outbox import RegisterTargets, SaveTarget
from twolane.contracts.queue import Delivery, Entry, Outgoing, Queue, Receive, Send
from twolane.contracts.records import Records
from twolane.contracts.state import Change
from twolane.contracts.upkeep import Prune, Register, Unregister
from twolane.values.outcome import Failure
from twolane.values.record import Record, State, Stats, WorkerInfo
from twolane.values.telling import TargetRow, TargetState

A = TypeVar("A")

FAILURE = Failure("ValueError", "no such flight", "Traceback ...", 1.0, 2.0)
LEASE_S = 60.0


class Backend(Protocol):
    """A place where messages lie, which several processes may share."""

    def open(self) -> Queue:
        """The queue as another process would have it."""
        ...

    def records(self) -> Records: ...

    def need(self, *queues: str) -> None:
        """These queues are to be there; only AWS does not make one by itself."""
        ...

    def crash(self, queue: Queue, worker: str) -> None:
        """The process that opened `queue` and registered `worker` dies."""
        ...

    def expire(self, keep_s: float) -> None:
        """The store forgets finished records older than this, where the queue leaves that to it."""
        ...

    def close(self) -> None: ...


class InMemory:
    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self._queue = MemoryQueue(clock)

    def open(self) -> Queue:
        return self._queue

    def records(self) -> Records:
        return self._queue

    def need(self, *queues: str) -> None:
        pass

    def crash(self, queue: Queue, worker: str) -> None:
        self._queue.crash(worker)

    def expire(self, keep_s: float) -> None:
        raise AssertionError("its queue prunes")

    def close(self) -> None:
        self._queue.close()


class InSqlite:
    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.path = folder / "queue.db"
        self.clock = clock
        self._queues: list[SqliteQueue] = []
        self._records = SqliteRecords(self.path, clock)

    def open(self) -> Queue:
        queue = SqliteQueue(self.path, clock=self.clock)
        self._queues.append(queue)
        return queue

    def records(self) -> Records:
        return self._records

    def need(self, *queues: str) -> None:
        pass

    def crash(self, queue: Queue, worker: str) -> None:
        queue.close()  # lets go of the worker's lock file, as the system does for a dead process

    def expire(self, keep_s: float) -> None:
        raise AssertionError("its queue prunes")

    def close(self) -> None:
        self._records.close()
        for queue in self._queues:
            queue.close()


class InAws:
    """SQS and DynamoDB on a local server whose SQS goes by the test's clock."""

    def __init__(self, place: Place, clock: FakeClock) -> None:
        self.place = place
        self.clock = clock
        self._queues: list[SqsQueue] = []
        self._records = place.records(clock)

    def open(self) -> Queue:
        queue = self.place.queue(self.clock, poll_s=0, sums_every_s=0)
        self._queues.append(queue)
        return queue

    def records(self) -> Records:
        return self._records

    def need(self, *queues: str) -> None:
        self.place.need(queues)

    def crash(self, queue: Queue, worker: str) -> None:
        raise AssertionError("SQS does not notice a crash (capability knows_crashes): its leases end")

    def expire(self, keep_s: float) -> None:
        """DynamoDB's time to live, done at once; what it goes by is in the items."""
        state = self.place.state()
        until = self.clock.now() + KEEP_S - keep_s
        old = [item for item in state.scan("message/") if item.expires_at and item.expires_at <= until]
        state.write([[Change(item.key, item, None)] for item in old])
        state.close()

    def close(self) -> None:
        self._records.close()
        for queue in self._queues:
            queue.close()
        self.place.close()


BACKENDS: dict[str, Callable[[Path, FakeClock], Backend]] = {"memory": InMemory, "sqlite": InSqlite}


class House:
    """One queue, its records, and workers that come and go.

    Args:
        backend: where the messages lie.
        clock: the time of all of them.
    """

    def __init__(self, backend: Backend, clock: FakeClock) -> None:
        self.backend = backend
        self.clock = clock
        self.queue = backend.open()
        self.records = backend.records()
        self._workers: dict[str, Queue] = {}
        self._sent = 0
        self._ids: list[str] = []

    def try_all(self, *entries: Entry[Any]) -> list[Any]:
        """Carry out entries in one flush; what is refused is its exception."""
        return self.queue.flush(entries)

    def do(self, entry: Entry[A]) -> A:
        """Carry out one entry; raises what it is refused with."""
        return answer_of(self.queue, entry)

    def outgoing(self, **fields: Any) -> Outgoing:
        """A message under a new id."""
        self._sent += 1
        plain = Outgoing(
            id=f"m{self._sent}",
            queue="default",
            task="app:work",
            body="{}",
            digest="d",
            sent_at=self.clock.now(),
        )
        message = plain._replace(**fields)
        self.backend.need(message.queue)
        return message

    def send(self, **fields: Any) -> str:
        """Store one message; its id."""
        [sent] = self.do(Send((self.outgoing(**fields),)))
        self._ids.append(sent.id)
        return sent.id

    def target(self, target: str) -> TargetRow:
        """How far a target has been told."""
        return next(row for row in self.records.telling().targets if row.id == target)

    def tell(self, target: str, to: int | None = None) -> None:
        """A target accepts what is owed, up to a number or all of it."""
        self.do(RegisterTargets(((target, target),)))
        told_to = self.records.telling().last if to is None else to
        row = self.target(target)
        assert self.do(SaveTarget(target, row.version, TargetState(told_to))) == row.version + 1

    def receive(self, **fields: Any) -> tuple[Delivery, ...]:
        """Receive as a worker that knows every task and runs nothing; in its own process, where it has one."""
        plain = Receive("w", queues=("default",), tasks=None, limit=100, lease_s=LEASE_S)
        entry = replace(plain, **fields)
        self.backend.need(*entry.queues)
        return answer_of(self._workers.get(entry.worker, self.queue), entry)

    def take(self, **fields: Any) -> Delivery:
        """Receive what must be exactly one delivery."""
        [delivery] = self.receive(**fields)
        return delivery

    def register(
        self, worker: str = "w", tasks: tuple[str, ...] = ("app:work",), *, stopping: bool = False
    ) -> WorkerInfo:
        """A worker starts in a process of its own, or says there that it drains."""
        info = WorkerInfo(worker, 1, "process", ("default",), tasks, 10, self.clock.now(), stopping)
        if worker not in self._workers:
            self._workers[worker] = self.backend.open()
        assert self._workers[worker].flush([Register(info)]) == [None]
        return info

    def unregister(self, worker: str = "w") -> None:
        """The worker stops as it should."""
        assert self._workers.pop(worker).flush([Unregister(worker)]) == [None]

    def crash(self, worker: str = "w") -> None:
        """The worker's process dies without a word."""
        self.backend.crash(self._workers.pop(worker), worker)

    def next_visible_at(self, *queues: str) -> float | None:
        """When the next message becomes visible: as the queue foresees it, else as the records say."""
        queues = queues or ("default",)
        if self.queue.capabilities.foresees:
            return self.queue.next_visible_at(queues, self.clock.now())
        assert self.queue.next_visible_at(queues, self.clock.now()) is None
        kept = [record for each in self._ids if (record := self.records.get(each)) is not None]
        waiting = [each.visible_at for each in kept if each.state is State.WAITING and each.queue in queues]
        return min((at for at in waiting if at > self.clock.now()), default=None)

    def record(self, message_id: str) -> Record:
        """The record of a message that must be there."""
        record = self.records.get(message_id)
        assert record is not None
        return record

    def forget(self, keep_s: float) -> None:
        """Finished records older than this are forgotten: by the queue, or as its store lets them expire."""
        if self.queue.capabilities.prunes:
            self.do(Prune(keep_s))
        else:
            self.backend.expire(keep_s)

    def state(self, message_id: str) -> State:
        return self.record(message_id).state


def answer_of(queue: Queue, entry: Entry[A]) -> A:
    """Carry out one entry on a queue; raises what it is refused with."""
    [answer] = queue.flush([entry])
    if isinstance(answer, Exception):
        raise answer
    return answer


def assert_sum_holds(stats: Stats) -> None:
    """The ledger's law: accepted = the sum of all six."""
    kept = sum(sum(queue.counts.values()) for queue in stats.queues.values())
    assert stats.accepted == kept + sum(stats.pruned.values())
