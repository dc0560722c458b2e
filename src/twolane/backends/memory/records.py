# ruff: noqa: D102 - the contract carries the docstrings
"""The rows of a queue in memory, and the side that people read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from twolane.contracts.clock import Clock
from twolane.contracts.queue import Checkpoint, Outgoing
from twolane.values.outcome import Failure
from twolane.values.record import (
    DAY_S,
    Attempt,
    DailySum,
    DeadLetter,
    QueueStats,
    Record,
    State,
    Stats,
    WorkerInfo,
)


@dataclass(slots=True)
class Row:
    """A message: what was sent, what people read of it, and what only the queue knows."""

    message: Outgoing
    record: Record
    receipt: str | None = None
    suspect: bool = False
    waits_since: float | None = None
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    def change(self, **changes: Any) -> None:
        """Let people read something else."""
        self.record = replace(self.record, **changes)

    def note(self, outcome: str, failure: Failure) -> None:
        """Keep what went wrong in the present attempt."""
        self.attempts.append(Attempt(self.record.attempt, outcome, failure))

    def checkpoint(self) -> Checkpoint | None:
        """Where an earlier delivery got to."""
        kept = self.record
        return None if kept.progressed_at is None else Checkpoint(kept.cursor, kept.done, kept.total)

    def letter(self) -> DeadLetter:
        """The message as a dead letter."""
        return DeadLetter(self.record, self.message.body, tuple(self.attempts))


@dataclass(slots=True)
class Alert:
    """An alert about a death: owed, hidden while somebody tells it, told."""

    number: int
    owed_at: float
    row: Row
    tries: int = 0
    hidden_until: float = 0.0
    told: bool = False


class MemoryRecords:
    """Records (contract) over dictionaries under one lock."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._lock = threading.Lock()
        self._rows: dict[str, Row] = {}
        self._aliases: dict[str, str] = {}
        self._workers: dict[str, WorkerInfo] = {}
        self._alerts: list[Alert] = []
        self._pruned: Counter[State] = Counter()
        self._sums: dict[tuple[int, str], DailySum] = {}

    def get(self, message_id: str) -> Record | None:
        with self._lock:
            row = self._rows.get(message_id) or self._rows.get(self._aliases.get(message_id, ""))
            return row.record if row else None

    def body(self, message_id: str) -> str | None:
        with self._lock:
            row = self._rows.get(message_id)
            return None if row is None or row.record.state is State.DISCARDED else row.message.body

    def list_dead(self, *, task: str | None = None, limit: int = 100) -> list[DeadLetter]:
        with self._lock:
            dead = [row.letter() for row in self._rows.values() if row.record.state is State.DEAD]
        mine = [letter for letter in dead if task in (None, letter.record.task)]
        mine.sort(key=lambda letter: letter.record.finished_at or 0.0)
        return mine[::-1][:limit]

    def dead_ids(self, *, task: str | None = None) -> list[str]:
        with self._lock:
            dead = [row.record for row in self._rows.values() if row.record.state is State.DEAD]
        return [record.id for record in dead if task in (None, record.task)]

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        with self._lock:
            row = self._rows.get(message_id)
            return row.letter() if row and row.record.state is State.DEAD else None

    def messages(self) -> list[Outgoing]:
        """For tests: what is kept, in the order it was sent."""
        with self._lock:
            return [row.message for row in self._rows.values()]

    def stats(self) -> Stats:
        with self._lock:
            queues = {row.record.queue for row in self._rows.values()}
            told = sum(alert.told for alert in self._alerts)
            return Stats(
                queues={queue: self._queue_stats(queue) for queue in queues},
                accepted=len(self._rows) + self._pruned.total(),
                pruned=dict(self._pruned),
                workers=tuple(self._workers.values()),
                owed_alerts=len(self._alerts) - told,
                told_alerts=told,
            )

    def _queue_stats(self, queue: str) -> QueueStats:
        rows = [row for row in self._rows.values() if row.record.queue == queue]
        states = Counter(row.record.state for row in rows)
        waiting = [row for row in rows if row.record.state is State.WAITING]
        now = self._now()
        ages_s = [now - row.record.sent_at for row in waiting if row.record.visible_at <= now]
        return QueueStats(
            counts={state: states[state] for state in State},
            oldest_age_s=max(ages_s, default=None),
            not_understood=sum(row.waits_since is not None for row in waiting),
        )

    def daily_sums(self, since_day: int) -> list[DailySum]:
        with self._lock:
            return [self._sums[key] for key in sorted(self._sums) if key[0] >= since_day]

    def _sum(self, row: Row, **more: float) -> None:
        """Add to what this message's task did today."""
        day, task = key = (int(self._now() // DAY_S), row.record.task)
        summed = self._sums.get(key, DailySum(task, day))
        changes: dict[str, Any] = {name: getattr(summed, name) + value for name, value in more.items()}
        self._sums[key] = replace(summed, **changes)

    def blobs_in_use(self) -> frozenset[str]:
        with self._lock:
            return frozenset(key for row in self._rows.values() for key in row.message.blobs)


def pending_twin(rows: Iterable[Row], message: Outgoing) -> str | None:
    """The id of the message of this task that waits or runs under this message's unique key."""
    wanted = (message.task, message.unique_key)
    if message.unique_key is None:
        return None
    pending = (row.record for row in rows if row.record.state in (State.WAITING, State.RUNNING))
    return next((each.id for each in pending if (each.task, each.unique_key) == wanted), None)
