"""A SQLite queue under test, its records, and the few words its tests are told in."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tests.clock import FakeClock
from twolane.backends.sqlite import SqliteQueue, SqliteRecords
from twolane.contracts.queue import Delivery, Entry, Outgoing, Receive, Send
from twolane.contracts.upkeep import Reap, Reaped, Register
from twolane.values.outcome import Failure
from twolane.values.record import Record, WorkerInfo

A = TypeVar("A")
SRC = Path(__file__).parents[3] / "src"
ROOT = SRC.parent
FAILURE = Failure("ValueError", "no such flight", "Traceback ...", 1.0, 2.0)
LEASE_S = 60.0


class House:
    """Queues over one file.

    Args:
        path: where the file lies.
        options: for every queue that is opened.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self.clock = FakeClock()
        self._options = options
        self._queues: list[SqliteQueue] = []
        self.queue = self.open()
        self.records = SqliteRecords(path, self.clock)
        self._workers: dict[str, SqliteQueue] = {}
        self._sent = 0

    def open(self) -> SqliteQueue:
        """Another queue over the same file, as another process would have it."""
        queue = SqliteQueue(self.path, clock=self.clock, **self._options)
        self._queues.append(queue)
        return queue

    def close(self) -> None:
        self.records.close()
        for queue in self._queues:
            queue.close()

    def do(self, entry: Entry[A]) -> A:
        """Carry out one entry; raises what it is refused with."""
        [answer] = self.queue.flush([entry])
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    def outgoing(self, **fields: Any) -> Outgoing:
        self._sent += 1
        plain = Outgoing(f"m{self._sent}", "default", "app:work", "{}", "d", self.clock.now())
        return plain._replace(**fields)

    def send(self, **fields: Any) -> str:
        [sent] = self.do(Send((self.outgoing(**fields),)))
        return sent.id

    def receive(self, **fields: Any) -> tuple[Delivery, ...]:
        plain = Receive("w", queues=("default",), tasks=("app:work",), limit=100, lease_s=LEASE_S)
        return self.do(replace(plain, **fields))

    def take(self, **fields: Any) -> Delivery:
        [delivery] = self.receive(**fields)
        return delivery

    def register(self, worker: str = "w", tasks: tuple[str, ...] = ("app:work",)) -> WorkerInfo:
        """A worker starts, in a process of its own."""
        info = WorkerInfo(worker, 1, "process", ("default",), tasks, 10, self.clock.now())
        self._workers[worker] = self.open()
        [answer] = self._workers[worker].flush([Register(info)])
        if answer is not None:
            raise answer
        return info

    def crash(self, worker: str = "w") -> Reaped:
        """The worker's process dies: the system frees its lock. Somebody reaps."""
        self._workers.pop(worker)._liveness.abandon()
        return self.do(Reap())

    def record(self, message_id: str) -> Record:
        record = self.records.get(message_id)
        assert record is not None
        return record

    @contextmanager
    def shell(self) -> Iterator[sqlite3.Connection]:
        """The database in the hands of somebody who does not know our rules."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()


def python(script: str, *args: object, **options: Any) -> subprocess.Popen[str]:
    """Start a real process with the product on its path."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *map(str, args)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{SRC}:{ROOT}", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        **options,
    )
