from __future__ import annotations

from fractions import Fraction

import pytest

from twolane.price.calls import ENVELOPE_BYTES
from twolane.price.load import Load
from twolane.price.measured import first_day, measured
from twolane.price.units import MONTH_S
from twolane.values.record import DAY_S, DailySum

NOW = 20_000.5 * DAY_S


def test_the_last_days_have_today_among_them() -> None:
    assert (first_day(NOW, 1), first_day(NOW, 30)) == (20_000, 19_971)


def test_rates_durations_sizes_and_retries_of_each_task() -> None:
    sums = [
        DailySum("a", 19_998, sent=10, sent_bytes=10 * (ENVELOPE_BYTES + 100), done=6, failed=2, run_s=12.0),
        DailySum(
            "a",
            20_000,
            sent=15,
            sent_bytes=15 * (ENVELOPE_BYTES + 100),
            done=10,
            failed=2,
            dead=1,
            run_s=28.0,
        ),
        DailySum("b", 20_000, sent=1),
        DailySum("", 20_000, sent=5),
    ]
    a, b = measured(sums, NOW)
    assert (a.name, a.duration_s, a.payload_bytes, a.retries) == ("a", 2, 100, Fraction(1, 5))
    assert a.per_month == Fraction(25) * MONTH_S / Fraction(2.5 * DAY_S)
    assert b == Load("b", MONTH_S / Fraction(2.5 * DAY_S), Fraction(1), Fraction(0))


def test_a_queue_of_an_hour_is_taken_as_a_day() -> None:
    [found] = measured([DailySum("a", 20_000, sent=1, done=1)], 20_000 * DAY_S + 3600)
    assert found.per_month == pytest.approx(730 / 24)


def test_attempts_that_all_fail_are_still_a_workload() -> None:
    [found] = measured([DailySum("a", 20_000, sent=1, failed=5, dead=1, run_s=5)], NOW)
    assert found.retries == Fraction(99, 100)


def test_no_sums_are_no_work() -> None:
    assert measured([], NOW) == []
