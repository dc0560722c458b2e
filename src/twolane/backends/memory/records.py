# ruff: noqa: D102 - the contract carries the docstrings
"""The rows of a queue in memory, and the side that people read."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from twolane.backends.memory.sums import DailySums
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Checkpoint, Outgoing
from twolane.values.fingerprint import fingerprint, headline
from twolane.values.letters import ALL, Action, DeadGroup, Matching
from twolane.values.outcome import Failure, Reason
from twolane.values.record import (
    Attempt,
    DailySum,
    DeadLetter,
    QueueStats,
    Record,
    State,
    Stats,
    WorkerInfo,
)
from twolane.values.telling import Notice, Owed, OwedAlert, OwedKind, TargetRow, Telling


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

    def failure(self) -> Failure | None:
        """What went wrong last."""
        return self.attempts[-1].failure if self.attempts else None

    def fingerprint(self) -> str:
        """Its kind of death."""
        return fingerprint(self.record.task, self.failure())

    def matches(self, which: Matching) -> bool:
        """Whether a person looks for it."""
        return which.finds(
            task=self.record.task,
            reason=self.record.reason,
            error=headline(self.failure()),
            fingerprint=self.fingerprint(),
            died_at=self.record.finished_at or 0.0,
        )

    def letter(self) -> DeadLetter:
        """The message as a dead letter."""
        return DeadLetter(self.record, self.message.body, tuple(self.attempts))


@dataclass(slots=True)
class Alert:
    """One alert of the outbox, as it was when it was owed; `row` is who died, None for a notice."""

    number: int
    owed_at: float
    fingerprint: str
    title: str
    body: str = ""
    row: Row | None = None
    reason: Reason | None = None

    def whole(self) -> OwedAlert:
        """With all that is known of it."""
        if self.row is not None:
            return OwedAlert(
                self.number,
                self.owed_at,
                self.fingerprint,
                letter=self.row.letter(),
                reason=self.reason,
                error=self.title,
            )
        notice = Notice(self.fingerprint, self.title, self.body)
        return OwedAlert(self.number, self.owed_at, self.fingerprint, notice=notice)


class MemoryRecords:
    """Records (contract) over dictionaries under one lock."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._lock = threading.Lock()
        self._rows: dict[str, Row] = {}
        self._aliases: dict[str, str] = {}
        self._workers: dict[str, WorkerInfo] = {}
        self._alerts: list[Alert] = []
        self._last_alert: int = 0
        self._targets: dict[str, TargetRow] = {}
        self._actions: dict[str, Action] = {}
        self._pruned: Counter[State] = Counter()
        self._sums = DailySums(clock.now)

    def get(self, message_id: str) -> Record | None:
        with self._lock:
            row = self._rows.get(message_id) or self._rows.get(self._aliases.get(message_id, ""))
            return row.record if row else None

    def get_many(self, message_ids: Collection[str]) -> dict[str, Record]:
        with self._lock:
            rows = [row for each in message_ids if (row := self._rows.get(each)) is not None]
            return {row.record.id: row.record for row in rows}

    def body(self, message_id: str) -> str | None:
        with self._lock:
            row = self._rows.get(message_id)
            return None if row is None or row.record.state is State.DISCARDED else row.message.body

    def list_dead(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadLetter]:
        with self._lock:
            dead = [row.letter() for row in self._dead(which)]
        dead.sort(key=lambda letter: letter.record.finished_at or 0.0)
        return dead[::-1][:limit]

    def dead_ids(self, which: Matching = ALL) -> list[str]:
        with self._lock:
            return [row.record.id for row in self._dead(which)]

    def dead_groups(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadGroup]:
        with self._lock:
            kinds: dict[tuple[str, str], list[Row]] = {}
            for row in self._dead(which):
                kinds.setdefault((row.record.task, row.fingerprint()), []).append(row)
            groups = [_group(rows, kind) for (_, kind), rows in kinds.items()]
        return sorted(groups, key=lambda each: (-each.count, -each.last_at, each.task, each.fingerprint))[
            :limit
        ]

    def actions(self, *, limit: int = 100) -> list[Action]:
        with self._lock:
            return list(self._actions.values())[::-1][:limit]

    def telling(self) -> Telling:
        with self._lock:
            return self._telling()

    def owed(self, after: int, *, whole: int = 0) -> Owed:
        with self._lock:
            beyond = [alert for alert in self._alerts if alert.number > after]
            kinds: dict[str, list[Alert]] = {}
            for alert in beyond:
                kinds.setdefault(alert.fingerprint, []).append(alert)
            ordered = sorted(kinds.values(), key=lambda alike: (-len(alike), alike[-1].number))
            return Owed(
                up_to=self._last_alert,
                total=len(beyond),
                kinds=tuple(_kind(alike) for alike in ordered),
                first=tuple(alert.whole() for alert in beyond[:whole]),
            )

    def _telling(self) -> Telling:
        return Telling(self._last_alert, tuple(self._targets[each] for each in sorted(self._targets)))

    def _dead(self, which: Matching) -> list[Row]:
        return [row for row in self._rows.values() if row.record.state is State.DEAD and row.matches(which)]

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        with self._lock:
            row = self._rows.get(message_id)
            return row.letter() if row and row.record.state is State.DEAD else None

    def attempts(self, message_id: str) -> tuple[Attempt, ...]:
        with self._lock:
            row = self._rows.get(message_id)
            return tuple(row.attempts) if row else ()

    def messages(self) -> list[Outgoing]:
        """For tests: what is kept, in the order it was sent."""
        with self._lock:
            return [row.message for row in self._rows.values()]

    def stats(self) -> Stats:
        with self._lock:
            queues = {row.record.queue for row in self._rows.values()}
            telling = self._telling()
            return Stats(
                queues={queue: self._queue_stats(queue) for queue in queues},
                accepted=len(self._rows) + self._pruned.total(),
                pruned=dict(self._pruned),
                workers=tuple(self._workers.values()),
                owed_alerts=telling.last - telling.told,
                told_alerts=telling.told,
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
            return self._sums.since(since_day)

    def blobs_in_use(self) -> frozenset[str]:
        with self._lock:
            return frozenset(key for row in self._rows.values() for key in row.message.blobs)


def _group(rows: list[Row], kind: str) -> DeadGroup:
    times = [row.record.finished_at or 0.0 for row in rows]
    last = rows[times.index(max(times))]
    reason, error = last.record.reason or Reason.UNREADABLE, headline(last.failure())
    return DeadGroup(last.record.task, kind, reason, error, len(rows), min(times), max(times), last.record.id)


def _kind(alike: list[Alert]) -> OwedKind:
    last, times = alike[-1], [alert.owed_at for alert in alike]
    who = last.row.record if last.row else None
    return OwedKind(
        last.fingerprint,
        len(alike),
        min(times),
        max(times),
        who is None,
        who.task if who else "",
        last.reason,
        last.title,
        who.id if who else "",
    )


def pending_twin(rows: Iterable[Row], message: Outgoing) -> str | None:
    """The id of the message of this task that waits or runs under this message's unique key."""
    wanted = (message.task, message.unique_key)
    if message.unique_key is None:
        return None
    pending = (row.record for row in rows if row.record.state in (State.WAITING, State.RUNNING))
    return next((each.id for each in pending if (each.task, each.unique_key) == wanted), None)


def as_json(value: Any) -> Any:
    """What JSON makes of it, as in a queue that stores text."""
    return json.loads(json.dumps(value, allow_nan=False))
