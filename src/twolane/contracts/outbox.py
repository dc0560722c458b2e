"""The entries of the outbox: what is owed, how far each target was told, what people did about dead letters.

A death is owed with the entry that makes it (`DeadLetterDelivery`, `Reap`, `Receive`), in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twolane.contracts.queue import Discard, Entry, Redrive
from twolane.values.letters import Action
from twolane.values.telling import TargetState


@dataclass(frozen=True, slots=True)
class OweNotice(Entry[int]):
    """From now on this is owed to every target, as a death is. Answers its number.

    Attributes:
        key: what it is about: notices of one key are of one kind, and a flood of them becomes one digest.
        title: one line of plain text.
        body: plain text.
    """

    key: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class RegisterTargets(Entry[None]):
    """A process serves these targets: id and, for people, name.

    A new one is owed what comes from now on, and what any other target has not accepted yet. One that nobody
    has named for `FORGET_S` is forgotten, and with it what only it was owed.
    """

    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SaveTarget(Entry[int | None]):
    """Write down how far a target has been told. Answers the row's new version; None: somebody else wrote it.

    Before something goes to a target its lease is taken by this, and afterwards given back: who dies in
    between leaves it told or not, so that it is told again, never not at all.

    Attributes:
        target: its id.
        version: of the row that was read, or that the last SaveTarget answered.
        state: what holds from now on.
        leased_until: until then nobody else tells it anything, in epoch seconds; 0: free.
    """

    target: str
    version: int
    state: TargetState
    leased_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Act(Entry[tuple[Any, ...]]):
    """What a person does to dead letters, written into the audit log with it.

    Answers what each entry answers, or its exception: what is refused fails alone. What was done adds to the
    count of its action, whose id may come in several entries.

    Attributes:
        action: who does what.
        entries: a `Redrive` or a `Discard` each.
    """

    action: Action
    entries: tuple[Redrive | Discard, ...]
