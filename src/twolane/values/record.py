"""What people read: the record of a message, a dead letter, an owed alert, a worker, the statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from twolane.values.outcome import Failure, Reason

M = TypeVar("M")


class State(StrEnum):
    """The state of a message; accepted = the sum of all six (DESIGN.md section 4)."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    DEAD = "dead"
    DISCARDED = "discarded"


DAY_S = 86_400
"""A day of daily sums."""

SUMS_KEPT_DAYS = 400
"""Daily sums are forgotten after a year and a month."""

FINISHED = frozenset({State.DONE, State.CANCELLED, State.DISCARDED})
"""Nothing more becomes of these; their records are pruned."""

ENDED = FINISHED | {State.DEAD}
"""Nothing more becomes of these by itself: a dead letter waits for a human."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that did not succeed: its number, its outcome in a word, what went wrong."""

    number: int
    outcome: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class RecordOf(Generic[M]):
    """The status of one message, with its times in `M`; values/public_record.py tells what each field is."""

    id: str
    task: str
    queue: str
    state: State
    attempt: int
    deliveries: int
    sent_at: M
    visible_at: M
    started_at: M | None = None
    finished_at: M | None = None
    done: float | None = None
    total: float | None = None
    cursor: Any = None
    progressed_at: M | None = None
    crashes: int = 0
    reason: Reason | None = None
    public: str | None = None
    result: Any = None
    cancel_requested: bool = False
    worker: str | None = None
    parent: str | None = None
    unique_key: str | None = None


class Record(RecordOf[float]):
    """The status of one message as it is kept: times are epoch seconds."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is kept and not tried again by itself, with all that is known of its end."""

    record: Record
    body: str
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as others see it.

    Attributes:
        id: made new at each start.
        pid: its process.
        kind: `in_app` or `process`.
        queues: the queues it serves.
        tasks: the task names it knows.
        slots: how many deliveries it runs at a time.
        started_at: epoch seconds.
        stopping: it drains and takes nothing new.
    """

    id: str
    pid: int
    kind: str
    queues: tuple[str, ...]
    tasks: tuple[str, ...]
    slots: int
    started_at: float
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class DailySum:
    """What one task did on one day; kept longer than the records themselves.

    Attributes:
        task: the task's name.
        day: its number since 1970-01-01, in UTC.
        sent: how many messages were stored.
        sent_bytes: of their bodies, with the blobs they name.
        done: how many attempts succeeded.
        failed: how many attempts did not, crashes and lost leases included.
        dead: how many messages died.
        run_s: how long the attempts took together, in seconds.
    """

    task: str
    day: int
    sent: int = 0
    sent_bytes: int = 0
    done: int = 0
    failed: int = 0
    dead: int = 0
    run_s: float = 0.0

    @property
    def retries(self) -> int:
        """How many attempts followed a failed one."""
        return max(0, self.failed - self.dead)


@dataclass(frozen=True, slots=True)
class QueueStats:
    """One queue: how many messages in each state, and how old the oldest is that could be received.

    `not_understood` counts waiting messages that a worker saw and could not run.
    """

    counts: Mapping[State, int]
    oldest_age_s: float | None
    not_understood: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """The whole at one moment; `accepted` also counts what was pruned since.

    `told_alerts` counts what every target that is served has accepted since there is a queue, `owed_alerts` the rest.
    `late_records` counts what was done while its record could not be written, which is tried until it can.
    """

    queues: Mapping[str, QueueStats]
    accepted: int
    pruned: Mapping[State, int] = field(default_factory=dict[State, int])
    workers: tuple[WorkerInfo, ...] = ()
    owed_alerts: int = 0
    told_alerts: int = 0
    late_records: int = 0
