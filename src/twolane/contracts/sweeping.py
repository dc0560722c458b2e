"""What whoever sweeps asks of a queue whose leases, dead letters and limits nobody else looks after (SQS)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from twolane.contracts.queue import Entry, Queue


@dataclass(frozen=True, slots=True)
class SweepQueues(Entry[int]):
    """Look after what nobody else notices; answers how many dead letters were made.

    What the queue's own rule moved to a dead-letter queue is buried, what was lost is brought back, and what comes near
    to a limit is warned of.
    """

    queues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One queue at this moment, for alarms.

    Attributes:
        queue: its name.
        deaths: how many messages died since the last time that somebody asked, and still are dead.
        dead: how many dead letters it has.
        backlog: how many wait.
        oldest_s: how long the one waits that could have been received first, in seconds; 0: none could be.
        in_flight: how many copies are handed out or hidden.
    """

    queue: str
    deaths: int
    dead: int
    backlog: int
    oldest_s: float
    in_flight: int


@dataclass(frozen=True, slots=True)
class SweptBlobs:
    """What one sweep has done: how many parts of the place it went through, how many blobs it deleted and put right."""

    parts: int = 0
    deleted: int = 0
    put_right: int = 0


class SweptQueue(Queue, Protocol):
    """A queue that is swept."""

    def sweep_blobs(self, is_over: Callable[[], bool]) -> SweptBlobs:
        """Delete blobs that no message ever named, where a look at them is due; from any thread.

        Args:
            is_over: whether the time for it is; the next sweep goes on there.

        Raises:
            QueueError: the queue cannot be used.
            BlobError: the store of blobs cannot be used.
        """
        ...

    def gauges(self, queues: Sequence[str]) -> list[Gauge]:
        """What alarms watch; from any thread.

        Raises:
            QueueError: the queue cannot be used.
        """
        ...

    def settle_blobs(self) -> None:
        """Wait until the store has been told which blobs are free; what fails is told later. From any thread."""
        ...
