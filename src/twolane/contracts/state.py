"""What a queue that keeps no state of its own (SQS) asks of the store beside it: items that are compared and swapped.

An item is a text under a key, with a version. It may stand on a shelf, where items are found in the order of their
place. A change names the item as it was read; where somebody else was quicker, it does nothing and tells what is
there now. So every rule about messages is a function from one text to the next, and the store knows none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Item:
    """A text under a key.

    Attributes:
        key: what it is found by.
        version: from 1, one more with each change.
        text: ASCII, at most 300 KiB; opaque.
        shelf: where it is listed; None: nowhere.
        place: its place on the shelf.
        head: a short text that is listed with it.
        expires_at: when the store may forget it, in epoch seconds; None: never.
    """

    key: str
    version: int
    text: str
    shelf: str | None = None
    place: float = 0.0
    head: str = ""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An item becomes another.

    Attributes:
        key: whose.
        before: as it was read; None: there must be none.
        after: with `before`'s version and one more, or 1; None: it goes.
    """

    key: str
    before: Item | None
    after: Item | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing of a group of changes was done, since some items were others by then.

    `now` has those that are known without another reading: None means that there is none.
    """

    now: Mapping[str, Item | None]


@dataclass(frozen=True, slots=True)
class Shelved:
    """An item as it is listed."""

    key: str
    place: float
    head: str


class StateStore(Protocol):
    """A store of items. All calls block; all are safe from any thread.

    Every call raises QueueError where the store cannot be used now.
    """

    def read(self, keys: Sequence[str]) -> dict[str, Item]:
        """The items that are there, as they are now (no stale copies)."""
        ...

    def write(self, groups: Sequence[Sequence[Change]]) -> list[Conflict | Exception | None]:
        """Carry out groups of changes, each of them whole or not at all; answers in the same order.

        None: done. A Conflict: nothing of it was done. An exception: it may have been done.
        """
        ...

    def shelf(
        self,
        name: str,
        *,
        since: float | None = None,
        until: float | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Shelved]:
        """What stands on a shelf, by its place, from `since` to `until`, both included. May lag behind by some seconds."""
        ...

    def add(self, key: str, amounts: Mapping[str, int], *, expires_at: float | None = None) -> None:
        """Add to counters; those that are missing count from 0. The store may forget them after `expires_at`."""
        ...

    def counters(self, keys: Sequence[str]) -> dict[str, dict[str, int]]:
        """The counters under keys; keys without any are left out."""
        ...

    def scan(self, prefix: str) -> list[Item]:
        """Every item whose key begins so; reads the whole store."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...
