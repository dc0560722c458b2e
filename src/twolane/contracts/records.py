"""The reading side of a queue: what people and the console ask. Safe from any thread; never changes anything."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Protocol

from twolane.values.record import DailySum, DeadLetter, Record, Stats


class Records(Protocol):
    """Records mirror the queue; reading one never creates anything."""

    def get(self, message_id: str) -> Record | None:
        """The record of one message; None: none such, or pruned."""
        ...

    def body(self, message_id: str) -> str | None:
        """The stored body of one message; None: none such, or pruned."""
        ...

    def list_dead(self, *, task: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Dead letters, the newest first."""
        ...

    def dead_ids(self, *, task: str | None = None) -> list[str]:
        """The ids of all dead letters, in no order: what is done to all of them takes their bodies one by one."""
        ...

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        """One dead letter with every attempt; None: the message is not dead."""
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

    def close(self) -> None:
        """Release what it holds; a later question opens it again."""
        ...
