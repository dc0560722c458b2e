"""What people read: the record of a message, a dead letter, an owed alert, a worker, the statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from twolane.values.outcome import Failure, Reason


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


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that did not succeed: its number, its outcome in a word, what went wrong."""

    number: int
    outcome: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class Record:
    """The status of one message. Times are epoch seconds.

    Attributes:
        id: the message's id.
        task: the task's name; empty where the body is no envelope.
        queue: the queue's name.
        state: one of six.
        attempt: the number of the attempt that runs or comes next, from 1; of the last one if finished.
        deliveries: how often it was handed out, crashes and releases included.
        sent_at: when it was stored.
        visible_at: when it may be received next, or when the lease of the running delivery ends.
        started_at: when its last delivery began; None: never yet.
        finished_at: when it reached a final state or died; None: not yet.
        done: progress in the task's own unit; None: none reported.
        total: the whole of it in the same unit; None: not known.
        cursor: the last checkpoint; None: none.
        progressed_at: when it was saved.
        crashes: how many of its deliveries ended with their process.
        reason: why it is dead; None: it is not.
        public: the sentence a customer may see about its end.
        result: what the task returned, as a JSON value; None: nothing kept.
        cancel_requested: somebody asked for it while it ran.
        worker: the id of the worker that runs it or ran it last.
        parent: the id of the message whose task sent this one.
        unique_key: its uniqueness key, if any.
    """

    id: str
    task: str
    queue: str
    state: State
    attempt: int
    deliveries: int
    sent_at: float
    visible_at: float
    started_at: float | None = None
    finished_at: float | None = None
    done: float | None = None
    total: float | None = None
    cursor: Any = None
    progressed_at: float | None = None
    crashes: int = 0
    reason: Reason | None = None
    public: str | None = None
    result: Any = None
    cancel_requested: bool = False
    worker: str | None = None
    parent: str | None = None
    unique_key: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is kept and not tried again by itself, with all that is known of its end."""

    record: Record
    body: str
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class OwedAlert:
    """An alert that has not been accepted by its target yet: which, since when, about which death."""

    number: int
    owed_at: float
    tries: int
    letter: DeadLetter


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
    """The whole at one moment; `accepted` also counts what was pruned since."""

    queues: Mapping[str, QueueStats]
    accepted: int
    pruned: Mapping[State, int] = field(default_factory=dict[State, int])
    workers: tuple[WorkerInfo, ...] = ()
    owed_alerts: int = 0
    told_alerts: int = 0
