"""The entries of the watch: who leads, what stands, whether the queue can be written at all."""

from __future__ import annotations

from dataclasses import dataclass

from twolane.contracts.queue import Entry
from twolane.values.condition import Standing
from twolane.values.telling import Notice


@dataclass(frozen=True, slots=True)
class LeadWatch(Entry[bool]):
    """Lead from now on for `lease_s`, unless somebody else does. Answers whether `leader` leads.

    Attributes:
        leader: an id that was never used before: who led, was stopped and comes back is told apart by it.
        lease_s: how long it leads unless it says so again, in seconds.
    """

    leader: str
    lease_s: float


@dataclass(frozen=True, slots=True)
class ObserveConditions(Entry[bool]):
    """Keep what a look has shown, owe what it has to tell, and lead for another `lease_s`: all or nothing.

    Fenced by the lease: where `leader` leads no more, or its time is over, nothing happens and the answer is
    False. So a kill at any moment neither loses a notice nor owes it twice.

    Attributes:
        leader: who looked.
        lease_s: how long it goes on leading, in seconds; 0: it gives the lead back.
        looked_at: when it looked, in epoch seconds; None: it did not.
        changed: standings that are not as they were.
        gone: the names of those that are forgotten.
        notices: what is owed to every target from now on.
    """

    leader: str
    lease_s: float
    looked_at: float | None = None
    changed: tuple[Standing, ...] = ()
    gone: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe(Entry[None]):
    """Write something of no meaning, durably: an answer without an error says that the queue takes writes."""
