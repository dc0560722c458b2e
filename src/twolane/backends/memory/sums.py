"""Daily sums of a queue in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from twolane.contracts.queue import Outgoing
from twolane.values.record import DAY_S, SUMS_KEPT_DAYS, DailySum


class DailySums:
    """What each task did on each day.

    Args:
        now: the time, in epoch seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._sums: dict[tuple[int, str], DailySum] = {}

    def note_sent(self, messages: Iterable[Outgoing]) -> None:
        """These messages were stored."""
        for message in messages:
            self.add(message.task, sent=1, sent_bytes=message.size_bytes or len(message.body))

    def add(self, task: str, **more: float) -> None:
        """Add to what this task did today."""
        day = self._today()
        summed = self._sums.get((day, task), DailySum(task, day))
        changes: dict[str, Any] = {name: getattr(summed, name) + value for name, value in more.items()}
        self._sums[day, task] = replace(summed, **changes)

    def since(self, day: int) -> list[DailySum]:
        """The sums from a day on, the oldest first."""
        return [self._sums[key] for key in sorted(self._sums) if key[0] >= day]

    def forget(self) -> None:
        """Forget days long gone."""
        first = self._today() - SUMS_KEPT_DAYS
        self._sums = {key: summed for key, summed in self._sums.items() if summed.day >= first}

    def _today(self) -> int:
        return int(self._now() // DAY_S)
