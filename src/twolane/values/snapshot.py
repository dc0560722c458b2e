"""What the watch looks at: the whole at one moment, in a few numbers. Times are epoch seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twolane.values.condition import WatchState
from twolane.values.record import WorkerInfo

BUCKET_S = 300
"""Attempts are counted in pieces of time of this length, in seconds."""
RECENT_BUCKETS = 2
"""So many whole ones before the present one are "now": the last 10 to 15 minutes."""
DAY_BUCKETS = 288
"""So many before those are what is normal: a day. Older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in one queue.

    Attributes:
        waiting: how many messages, those included that are not visible yet.
        ready_since: since when the one waits that could have been received first; None: none could be now.
    """

    waiting: int
    ready_since: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How the attempts of one task ended: now, and in the day before."""

    done: int = 0
    failed: int = 0
    done_before: int = 0
    failed_before: int = 0


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system that twolane writes to.

    Attributes:
        holds: what lies there, for people: `queue`, `blobs`, or `queue and blobs`.
        path: where.
        free_bytes: what a user without privileges can still take.
        size_bytes: how large it is.
        free_files: how many files can still be made; None: this file system has no such limit.
        most_files: how many there can be; None: no limit.
    """

    holds: str
    path: str
    free_bytes: int
    size_bytes: int
    free_files: int | None = None
    most_files: int | None = None


@dataclass(frozen=True, slots=True)
class Premises:
    """Where a queue lives.

    Attributes:
        disks: what twolane writes to; empty: not known.
        place: where the queue's file lies if it will not last there, as a sentence; empty: it lasts.
    """

    disks: tuple[Disk, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole at one moment.

    Attributes:
        backlogs: the queues in which something waits.
        workers: those that are alive.
        dead: how many dead letters are kept.
        dead_since: when the oldest of them died; None: there is none.
        unsent: targets of alerts that owe some, and since when they owe the oldest.
        tallies: how attempts ended, by task.
        disks: as in Premises.
        place: as in Premises.
        state: what the watch knew before.
    """

    backlogs: Mapping[str, Backlog] = field(default_factory=dict[str, Backlog])
    workers: tuple[WorkerInfo, ...] = ()
    dead: int = 0
    dead_since: float | None = None
    unsent: Mapping[str, float] = field(default_factory=dict[str, float])
    tallies: Mapping[str, Tally] = field(default_factory=dict[str, Tally])
    disks: tuple[Disk, ...] = ()
    place: str = ""
    state: WatchState = field(default_factory=WatchState)
