"""One item of the state store becomes another, from what it is now; again where somebody else was quicker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from twolane.contracts.state import Change, Conflict, Item, StateStore
from twolane.values.errors import QueueError

A = TypeVar("A")

ROUNDS = 8
"""So often a change is made anew because somebody else was quicker."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands, and until when it is kept; the fields are `Item`'s."""

    shelf: str | None = None
    place: float = 0.0
    head: str = ""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Swap(Generic[A]):
    """What becomes of an item.

    Attributes:
        text: its text from now on; None: it stays as it is.
        answer: what whoever asked for it gets.
        on: where it stands.
        more: changes that are made with it, or not at all.
    """

    text: str | None
    answer: A
    on: Place = Place()
    more: Sequence[Change] = ()


def swap(state: StateStore, key: str, make: Callable[[Item | None], Swap[A]]) -> A:
    """Make an item another one.

    Args:
        state: where it is.
        key: its key.
        make: what it becomes, from what it is now; called again where somebody else was quicker.

    Raises:
        QueueError: it may not have been written.
    """
    before = state.read([key]).get(key)
    for _ in range(ROUNDS):
        wanted = make(before)
        if wanted.text is None:
            return wanted.answer
        on, version = wanted.on, 1 if before is None else before.version + 1
        after = Item(key, version, wanted.text, on.shelf, on.place, on.head, on.expires_at)
        [answer] = state.write([[Change(key, before, after), *wanted.more]])
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, Conflict):
            return wanted.answer
        before = answer.now.get(key)
    raise QueueError(f"{key} could not be written: others write it all the time")
