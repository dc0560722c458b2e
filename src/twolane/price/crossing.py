"""Where two bills cross: computed on their straight pieces, exactly, not read off a chart."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

from twolane.price.meters import Way

MOST_WORKERS = 300
"""Crossings are looked for up to so many workers: beyond, a staircase of workers is a line."""
MOST_TASKS = Fraction(10**9)


@dataclass(frozen=True, slots=True)
class Crossing:
    """From `tasks` a month on, `cheaper` costs less than `dearer`; below, it does not.

    Attributes:
        tasks: a month.
        cheaper: the key of the way that becomes the cheaper one.
        dearer: the key of the other one.
        for_good: they do not cross again as far as was looked.
    """

    tasks: Fraction
    cheaper: str
    dearer: str
    for_good: bool


def far(ways: Sequence[Way], tasks: Fraction) -> Fraction:
    """Up to how many tasks a month crossings are looked for: a thousand times what there is, or what is sensible."""
    steps = [way.tasks_a_worker for way in ways if way.tasks_a_worker is not None]
    return min(
        [
            max(1000 * tasks, Fraction(10**6)),
            max(10 * tasks, MOST_TASKS),
            *(MOST_WORKERS * step for step in steps),
        ]
    )


def crossings(one: Way, other: Way, low: Fraction, high: Fraction) -> list[Crossing]:
    """Every number of tasks a month between the two at which the cheaper way is another one, in order."""
    return _crossings(_drawn(one, low, high), _drawn(other, low, high), high)


def all_crossings(ways: Sequence[Way], low: Fraction, high: Fraction) -> list[Crossing]:
    """Where any two of the ways cross, by the number of tasks."""
    drawn = [_drawn(way, low, high) for way in ways]
    return sorted(
        (crossing for one, other in combinations(drawn, 2) for crossing in _crossings(one, other, high)),
        key=lambda crossing: (crossing.tasks, crossing.cheaper, crossing.dearer),
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A way as its straight pieces: from each number of `starts` on, cost = base + slope * tasks."""

    key: str
    starts: list[Fraction]
    pieces: list[tuple[Fraction, Fraction]]

    def after(self, tasks: Fraction) -> tuple[Fraction, Fraction]:
        return self.pieces[bisect_right(self.starts, tasks) - 1]


def _drawn(way: Way, low: Fraction, high: Fraction) -> _Drawn:
    starts = sorted({low} | way.bends(low, high))
    return _Drawn(way.key, starts, [way.piece(start) for start in starts])


def _crossings(one: _Drawn, other: _Drawn, high: Fraction) -> list[Crossing]:
    found: list[tuple[Fraction, bool]] = []
    sign = 0
    for start, end in pairwise(sorted({*one.starts, *other.starts, high})):
        (one_base, one_slope), (other_base, other_slope) = one.after(start), other.after(start)
        base, slope = one_base - other_base, one_slope - other_slope
        for at_end, difference in ((False, base + slope * start), (True, base + slope * end)):
            now = (difference > 0) - (difference < 0)
            if now and sign and now != sign:
                found.append((-base / slope if at_end else start, now > 0))
            sign = now or sign
    last = len(found) - 1
    return [
        Crossing(at, *((other.key, one.key) if risen else (one.key, other.key)), for_good=number == last)
        for number, (at, risen) in enumerate(found)
    ]


def cheapest(ways: Sequence[Way], tasks: Fraction) -> Way:
    """The way that costs least; of equal ones the first."""
    return min(ways, key=lambda way: way.cost(tasks))
