"""The reading side of a queue: what people and the console ask. Safe from any thread; never changes anything."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Protocol

from twolane.values.condition import WatchState
from twolane.values.letters import ALL, Action, DeadGroup, Matching
from twolane.values.record import Attempt, DailySum, DeadLetter, Record, Stats
from twolane.values.snapshot import Snapshot
from twolane.values.telling import Owed, Telling


class Records(Protocol):
    """Records mirror the queue; reading one never creates anything."""

    def get(self, message_id: str) -> Record | None:
        """The record of one message; None: none such, or pruned."""
        ...

    def get_many(self, message_ids: Collection[str]) -> dict[str, Record]:
        """The records of these messages by their own ids, in one question; what is not there is left out."""
        ...

    def body(self, message_id: str) -> str | None:
        """The stored body of one message; None: none such, or pruned."""
        ...

    def list_dead(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadLetter]:
        """Dead letters, the newest first."""
        ...

    def dead_ids(self, which: Matching = ALL) -> list[str]:
        """The ids of dead letters, in no order: what is done to all of them takes their bodies one by one."""
        ...

    def dead_groups(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadGroup]:
        """Dead letters by kind, the most frequent first."""
        ...

    def actions(self, *, limit: int = 100) -> list[Action]:
        """What people did about dead letters, the newest first."""
        ...

    def telling(self) -> Telling:
        """How far each target has been told."""
        ...

    def owed(self, after: int, *, whole: int = 0) -> Owed:
        """The alerts beyond a number, by kind, and the first `whole` of them whole."""
        ...

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        """One dead letter with every attempt; None: the message is not dead."""
        ...

    def attempts(self, message_id: str) -> tuple[Attempt, ...]:
        """The attempts of one message that did not succeed, the first one first; none if it is not there."""
        ...

    def stats(self) -> Stats:
        """How many messages are in each state, the workers alive, the alerts owed."""
        ...

    def daily_sums(self, since_day: int) -> list[DailySum]:
        """What each task did on each day from this one on (days since 1970, UTC), the oldest first.

        A message is counted with the flush that stores it, an attempt with the flush that settles it. Sums are
        kept for `SUMS_KEPT_DAYS`, whatever becomes of the records.
        """
        ...

    def blobs_in_use(self) -> AbstractSet[str]:
        """Keys of the blobs that a kept message names."""
        ...

    def snapshot(self) -> Snapshot:
        """What the watch looks at, at one moment; its cost does not grow with what is stored.

        What lies outside of the queue (`disks`, `place`) is left empty.
        """
        ...

    def watch_state(self) -> WatchState:
        """What the watch knows: who leads it, what stands."""
        ...

    def close(self) -> None:
        """Release what it holds; a later question opens it again."""
        ...
