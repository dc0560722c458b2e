"""A bill as a function of the tasks a month: meters that count, and ways to run work that put them together.

Each meter is linear in the tasks but for its free allowance, where it bends, and for workers that run all
month, where it jumps. So a bill is piecewise linear, and where two of them cross can be computed (`crossing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Quantity:
    """How many of something a month.

    Attributes:
        fixed: whatever is sent.
        per_task: for each task.
        per_worker: for each worker that runs all month.
    """

    fixed: Fraction = ZERO
    per_task: Fraction = ZERO
    per_worker: Fraction = ZERO

    def at(self, tasks: Fraction, workers: int) -> Fraction:
        """How many at so many tasks a month."""
        return self.fixed + self.per_task * tasks + self.per_worker * workers


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill: so many of a unit for so much money."""

    meter: str
    name: str
    amount: Fraction
    unit: str
    usd: Fraction


@dataclass(frozen=True, slots=True)
class Meter:
    """What one price is asked for.

    Attributes:
        name: such as "SQS".
        unit: what it counts.
        usd: for one of the unit.
        parts: what makes it count; each is a line of the bill.
        free: so many cost nothing.
    """

    name: str
    unit: str
    usd: Fraction
    parts: tuple[tuple[str, Quantity], ...]
    free: Fraction = ZERO

    def amount(self, tasks: Fraction, workers: int) -> Fraction:
        """What it counts in a month."""
        return sum((part.at(tasks, workers) for _, part in self.parts), ZERO)

    def cost(self, tasks: Fraction, workers: int = 0) -> Fraction:
        """What is paid for it."""
        return self.usd * max(ZERO, self.amount(tasks, workers) - self.free)

    def lines(self, tasks: Fraction, workers: int) -> list[Line]:
        """Each part at its price, and what the free allowance takes off."""
        lines = [
            Line(self.name, name, amount, self.unit, amount * self.usd)
            for name, part in self.parts
            if (amount := part.at(tasks, workers))
        ]
        if off := min(self.free, self.amount(tasks, workers)):
            lines.append(Line(self.name, "free every month", -off, self.unit, -off * self.usd))
        return lines

    def piece(self, tasks: Fraction, workers: int) -> tuple[Fraction, Fraction]:
        """The straight line it follows just above `tasks`: cost = first + second * tasks."""
        base, slope = self._base(workers) - self.free, self._slope
        over = base + slope * tasks
        if over < 0 or (over == 0 and slope == 0):
            return ZERO, ZERO
        return self.usd * base, self.usd * slope

    def bend(self, workers: int) -> Fraction | None:
        """At how many tasks the free allowance ends; None: it never does, or nothing is free."""
        if not self.free:
            return None
        base, slope = self._base(workers), self._slope
        return (self.free - base) / slope if self.free > base and slope else None

    def _base(self, workers: int) -> Fraction:
        return sum((part.fixed + part.per_worker * workers for _, part in self.parts), ZERO)

    @property
    def _slope(self) -> Fraction:
        return sum((part.per_task for _, part in self.parts), ZERO)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the work.

    Attributes:
        key: short and stable, for `--json`.
        title: for people.
        meters: what is paid for.
        tasks_a_worker: how many tasks a month one worker that runs all month gets done; None: there is none.
        survives: whether a task outlives the process that took it.
        notes: what is to be known beside the money.
    """

    key: str
    title: str
    meters: tuple[Meter, ...]
    tasks_a_worker: Fraction | None = None
    survives: bool = True
    notes: tuple[str, ...] = field(default=())

    def workers(self, tasks: Fraction) -> int:
        """How many workers run all month."""
        return 0 if self.tasks_a_worker is None else max(1, ceil(tasks / self.tasks_a_worker))

    def cost(self, tasks: Fraction) -> Fraction:
        """The bill of a month, in USD."""
        workers = self.workers(tasks)
        return sum((meter.cost(tasks, workers) for meter in self.meters), ZERO)

    def lines(self, tasks: Fraction) -> list[Line]:
        """The bill, line by line; they add up to `cost`."""
        workers = self.workers(tasks)
        return [line for meter in self.meters for line in meter.lines(tasks, workers)]

    def piece(self, tasks: Fraction) -> tuple[Fraction, Fraction]:
        """The straight line it follows just above `tasks`: cost = first + second * tasks."""
        workers = 0 if self.tasks_a_worker is None else floor(tasks / self.tasks_a_worker) + 1
        pieces = [meter.piece(tasks, workers) for meter in self.meters]
        return sum((base for base, _ in pieces), ZERO), sum((slope for _, slope in pieces), ZERO)

    def bends(self, low: Fraction, high: Fraction) -> set[Fraction]:
        """Every number of tasks between the two at which the line is another one."""
        if self.tasks_a_worker is None:
            return set(_between(low, high, (meter.bend(0) for meter in self.meters)))
        found: set[Fraction] = set()
        for workers in range(floor(low / self.tasks_a_worker) + 1, ceil(high / self.tasks_a_worker) + 1):
            start, end = (workers - 1) * self.tasks_a_worker, workers * self.tasks_a_worker
            found |= set(
                _between(max(low, start), min(high, end), (meter.bend(workers) for meter in self.meters))
            )
            found |= set(_between(low, high, (start, end)))
        return found


def _between(low: Fraction, high: Fraction, points: Iterable[Fraction | None]) -> list[Fraction]:
    return [point for point in points if point is not None and low < point < high]
