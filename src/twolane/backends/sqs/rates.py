"""How attempts ended, by task: counters in items of an hour each, which expire."""

from __future__ import annotations

from collections import Counter, defaultdict

from twolane.contracts.clock import Clock
from twolane.contracts.state import Change, StateStore
from twolane.values.errors import QueueError
from twolane.values.snapshot import BUCKET_S, DAY_BUCKETS, RECENT_BUCKETS, Tally

HOUR = 12
"""So many of the watch's pieces of time are counted in one item."""
HOURS = (DAY_BUCKETS + RECENT_BUCKETS) // HOUR + 1
KEEP_S = 2 * 86_400.0


class Rates:
    """Counts attempts, and tells how they went.

    Args:
        state: where the counters are.
        clock: which piece of time it is.
    """

    def __init__(self, state: StateStore, clock: Clock) -> None:
        self._state = state
        self._now = clock.now
        self._counted: Counter[tuple[int, str]] = Counter()
        self._past: dict[int, dict[str, int]] = {}

    def note(self, task: str, *, done: bool) -> None:
        """An attempt ended."""
        self._counted[(self._bucket(), f"{'done' if done else 'failed'}:{task}")] += 1

    def write(self) -> None:
        """Bring the counters up to date.

        Raises:
            QueueError: they are written with the next flush.
        """
        counted, self._counted = self._counted, Counter()
        hours: defaultdict[int, dict[str, int]] = defaultdict(dict)
        for (bucket, name), many in counted.items():
            hours[bucket // HOUR][f"{bucket}:{name}"] = many
        for hour, amounts in hours.items():
            expires_at = (hour + 1) * HOUR * BUCKET_S + KEEP_S
            try:
                self._state.add(_key(hour), amounts, expires_at=expires_at)
            except QueueError:
                self._counted.update(counted)
                raise

    def forget_future(self) -> None:
        """What a clock that was put back has left in the day to come would be read as today's."""
        here = self._bucket() // HOUR
        found = self._state.counters([_key(here + ahead) for ahead in range(1, HOURS + 1)])
        if found:
            self._state.write([[Change(key, None, None)] for key in found])

    def tallies(self) -> dict[str, Tally]:
        """How the attempts of each task ended: now, and in the day before."""
        last = self._bucket()
        recent = range(last - RECENT_BUCKETS, last + 1)
        before = range(recent.start - DAY_BUCKETS, recent.start)
        ended: Counter[tuple[str, bool, bool]] = Counter()
        for counters in self._hours(before.start // HOUR, last).values():
            for name, many in counters.items():
                bucket, how, task = name.split(":", 2)
                if int(bucket) in recent or int(bucket) in before:
                    ended[(task, int(bucket) in recent, how == "done")] += many
        return {
            task: Tally(*(ended[(task, now, well)] for now in (True, False) for well in (True, False)))
            for task in {task for task, _, _ in ended}
        }

    def _hours(self, first: int, last_bucket: int) -> dict[int, dict[str, int]]:
        """The counters of these hours. Those that are over do not change: they are read once."""
        hours = range(first, last_bucket // HOUR + 1)
        self._past = {hour: self._past[hour] for hour in hours if hour in self._past}
        wanted = [hour for hour in hours if hour not in self._past]
        found = self._state.counters([_key(hour) for hour in wanted])
        read = {hour: found.get(_key(hour), {}) for hour in wanted}
        over = (last_bucket - 1) // HOUR  # with the time that a count may come late
        self._past |= {hour: counters for hour, counters in read.items() if hour < over}
        return self._past | read

    def _bucket(self) -> int:
        return int(self._now() // BUCKET_S)


def _key(hour: int) -> str:
    return f"rates/{hour}"
