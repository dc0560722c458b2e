"""What workers ask of the queue beside their deliveries: that they are known, and that somebody tidies up after them."""

from __future__ import annotations

from dataclasses import dataclass

from twolane.contracts.queue import Entry
from twolane.values.record import WorkerInfo


@dataclass(frozen=True, slots=True)
class Register(Entry[None]):
    """A worker starts: from now on its death is noticed where the backend can (`knows_crashes`)."""

    worker: WorkerInfo


@dataclass(frozen=True, slots=True)
class Unregister(Entry[None]):
    """A worker stops; what it still holds becomes visible at once, free of charge."""

    worker: str


@dataclass(frozen=True, slots=True)
class Reaped:
    """What a reaping found.

    Attributes:
        dead_workers: workers that died without a word.
        freed: how many deliveries became visible again.
        buried: how many messages became dead letters because their attempts were used up.
        suspects: how many suspects wait for a worker that is idle.
    """

    dead_workers: tuple[str, ...] = ()
    freed: int = 0
    buried: int = 0
    suspects: int = 0


@dataclass(frozen=True, slots=True)
class Reap(Entry[Reaped]):
    """Free what dead workers held (they become suspects) and what expired leases hid (L3)."""


@dataclass(frozen=True, slots=True)
class Prune(Entry[int]):
    """Forget up to `limit` finished records older than `keep_s`; answers how many.

    Never a dead letter, nor a message whose death is still owed to a target. Alerts of that age that every
    target was told go too. What is forgotten stays counted, so that the ledger's sum holds.
    """

    keep_s: float
    limit: int = 1000
