"""From the daily sums of a queue to the work that is priced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from twolane.price.calls import ENVELOPE_BYTES
from twolane.price.load import Load
from twolane.price.units import MONTH_S
from twolane.values.record import DAY_S, DailySum


def first_day(now: float, days: int) -> int:
    """The first of the last so many days, today among them."""
    return int(now // DAY_S) - days + 1


def measured(sums: Iterable[DailySum], now: float) -> list[Load]:
    """What each task of the queue lane does a month, as it did on the days of these sums.

    Args:
        sums: of as many days as are to be taken; a queue younger than that is taken as old as its first sum, and
            as a day at least.
        now: epoch seconds.
    """
    by_task: defaultdict[str, list[DailySum]] = defaultdict(list)
    for each in sums:
        by_task[each.task].append(each)
    since = min((each.day for several in by_task.values() for each in several), default=0) * DAY_S
    covered_s = max(Fraction(now) - since, Fraction(DAY_S))
    found = [_load(task, several, MONTH_S / covered_s) for task, several in sorted(by_task.items()) if task]
    return [load for load in found if load.per_month]


def _load(task: str, several: list[DailySum], months: Fraction) -> Load:
    sent = sum(each.sent for each in several)
    done = sum(each.done for each in several)
    failed = sum(each.failed for each in several)
    run_s = sum((Fraction(each.run_s).limit_denominator(10**6) for each in several), Fraction(0))
    sent_bytes = sum(each.sent_bytes for each in several)
    return Load(
        task,
        Fraction(sent or done) * months,
        run_s / (done + failed) if done + failed else Fraction(1),
        max(Fraction(0), Fraction(sent_bytes, sent) - ENVELOPE_BYTES) if sent else Fraction(0),
        min(Fraction(failed, done + failed), Fraction(99, 100)) if failed else Fraction(0),
    )
