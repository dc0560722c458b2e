"""What each task did on each day: counters in an item a day, which expires. `twolane price` reads them.

They are gathered in memory and written every few seconds, since every writing is billed by the size of the whole item:
a kill loses the counts of some seconds, and no message.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from twolane.contracts.clock import Clock
from twolane.contracts.queue import Outgoing
from twolane.contracts.state import StateStore
from twolane.values.errors import QueueError
from twolane.values.record import DAY_S, SUMS_KEPT_DAYS, DailySum

EVERY_S = 10.0
"""So long one process gathers after it has written; what comes first after a pause is written at once."""


class Sums:
    """Gathers what tasks do, and adds it to the day's item. Safe from any thread.

    Args:
        state: where the items are.
        clock: the day, and the pace.
        every_s: the pace, in seconds.
    """

    def __init__(self, state: StateStore, clock: Clock, *, every_s: float = EVERY_S) -> None:
        self._state = state
        self._now = clock.now
        self._monotonic = clock.monotonic
        self._every_s = every_s
        self._written_at: float | None = None
        self._guard = threading.Lock()
        self._gathered: Counter[tuple[int, str]] = Counter()

    def note_sent(self, messages: Iterable[Outgoing]) -> None:
        """These messages were stored."""
        for message in messages:
            self._note(message.task, sent=1, sent_bytes=message.size_bytes or len(message.body))

    def note_attempt(self, task: str, *, done: bool, run_s: float) -> None:
        """An attempt ended."""
        self._note(task, **{"done" if done else "failed": 1}, run_ms=round(1000 * max(0.0, run_s)))

    def note_dead(self, task: str) -> None:
        """A message of this task died."""
        self._note(task, dead=1)

    def write(self, *, at_once: bool = False) -> None:
        """Add what was gathered, if it is time.

        Args:
            at_once: it is: the process ends.

        Raises:
            QueueError: it is added with the next one.
        """
        now = self._monotonic()
        if not at_once and self._written_at is not None and now - self._written_at < self._every_s:
            return
        with self._guard:
            gathered, self._gathered = self._gathered, Counter()
        days: dict[int, dict[str, int]] = {}
        for (day, name), many in gathered.items():
            days.setdefault(day, {})[name] = many
        for day, amounts in days.items():
            try:
                self._state.add(_key(day), amounts, expires_at=(day + SUMS_KEPT_DAYS + 1) * DAY_S)
            except QueueError:
                with self._guard:
                    self._gathered.update({key: many for key, many in gathered.items() if key[0] >= day})
                raise
            self._written_at = now

    def since(self, day: int) -> list[DailySum]:
        """The sums from a day on, the oldest first.

        Raises:
            QueueError: they cannot be read.
        """
        today = int(self._now() // DAY_S)
        days = range(max(day, today - SUMS_KEPT_DAYS), today + 1)
        found = self._state.counters([_key(each) for each in days])
        return [summed for each in days for summed in _sums_of(each, found.get(_key(each), {}))]

    def _note(self, task: str, **amounts: int) -> None:
        day = int(self._now() // DAY_S)
        with self._guard:
            for name, amount in amounts.items():
                if amount:
                    self._gathered[day, f"{name}:{task}"] += amount


def _sums_of(day: int, counters: dict[str, int]) -> list[DailySum]:
    """The counters of one day, by task."""
    by_task: dict[str, dict[str, int]] = {}
    for counter, many in counters.items():
        name, _, task = counter.partition(":")
        by_task.setdefault(task, {})[name] = many
    return [
        DailySum(task, day, run_s=has.pop("run_ms", 0) / 1000, **has) for task, has in sorted(by_task.items())
    ]


def _key(day: int) -> str:
    return f"sums/{day}"
