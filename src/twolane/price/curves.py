"""The points that charts are made of, and the chart of a terminal: cost against tasks a month, both logarithmic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import log10

from twolane.price.meters import Way
from twolane.price.report import Report, count, usd
from twolane.price.ways import SINGLE

FLOOR = 0.01
"""Less than a cent is drawn as a cent: a logarithm has no zero."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One way: its cost at each number of tasks."""

    key: str
    title: str
    usd: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn.

    Attributes:
        tasks: the numbers of tasks a month.
        curves: the cost at each of them, a way each.
        now: the tasks a month that were asked about.
        turns: where two ways cross for good, with the cost there.
    """

    tasks: tuple[float, ...]
    curves: tuple[Curve, ...]
    now: float
    turns: tuple[tuple[float, float], ...]


def chart(report: Report, points: int = 160) -> Chart:
    """The curves of a report, from a hundredth of its tasks to where crossings were looked for."""
    now = report.workload.per_month
    low, high = max(Fraction(1), now / 100), max(report.looked, now * 10)
    step = (log10(high) - log10(low)) / (points - 1)
    tasks = [
        Fraction(10 ** (log10(low) + step * number)).limit_denominator(10**6) for number in range(points)
    ]
    shown = [bill.way for bill in report.bills if not bill.way.key.endswith(SINGLE)]
    return Chart(
        tuple(float(each) for each in tasks),
        tuple(Curve(way.key, way.title, tuple(float(way.cost(each)) for each in tasks)) for way in shown),
        float(now),
        tuple(_turns(report, shown, low, high)),
    )


def _turns(report: Report, shown: Sequence[Way], low: Fraction, high: Fraction) -> list[tuple[float, float]]:
    by_key = {way.key: way for way in shown}
    return [
        (float(each.tasks), float(by_key[each.cheaper].cost(each.tasks)))
        for each in report.crossings
        if each.for_good and low <= each.tasks <= high
    ]


def in_text(chart: Chart, width: int, height: int = 16) -> list[str]:
    """The chart in letters, one a way; where two meet, the later way's letter stands.

    Args:
        chart: what to draw.
        width: of a line, in characters.
        height: of the field, in lines.
    """
    letters = "abcdefghijklmnop"
    across = max(20, width - 12)
    top = max(max(curve.usd) for curve in chart.curves)
    high = max(log10(top), log10(FLOOR) + 1)
    left, right = log10(chart.tasks[0]), log10(chart.tasks[-1])
    field = [[" "] * across for _ in range(height)]

    def column(tasks: float) -> int:
        return round((log10(tasks) - left) / (right - left) * (across - 1))

    def row(cost: float) -> int:
        part = (log10(max(cost, FLOOR)) - log10(FLOOR)) / (high - log10(FLOOR))
        return height - 1 - round(part * (height - 1))

    for number in range(height):
        field[number][column(chart.now)] = ":"
    for letter, curve in zip(letters, chart.curves, strict=False):
        for tasks, cost in zip(chart.tasks, curve.usd, strict=True):
            field[row(cost)][column(tasks)] = letter
    for tasks, cost in chart.turns:
        field[row(cost)][column(tasks)] = "X"
    lines = []
    for number, cells in enumerate(field):
        cost = 10 ** (log10(FLOOR) + (height - 1 - number) / (height - 1) * (high - log10(FLOOR)))
        label = usd(Fraction(cost)) if number % 3 == 0 or number == height - 1 else ""
        lines.append(f"{label:>10} |{''.join(cells)}".rstrip())
    lines.append(" " * 11 + "+" + "-" * across)
    ends = count(Fraction(chart.tasks[0])), count(Fraction(chart.tasks[-1]))
    lines.append(" " * 12 + ends[0] + "tasks a month".center(across - len(ends[0]) - len(ends[1])) + ends[1])
    legend = [f"{letter} {curve.title}" for letter, curve in zip(letters, chart.curves, strict=False)]
    return [*lines, *legend, ": what you asked about   X two of them cross"]
