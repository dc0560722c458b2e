"""What an invocation's time is good for."""

from __future__ import annotations

import pytest

from twolane.aws_lambda.time_left import TimeLeft


@pytest.mark.parametrize(
    ("whole_s", "pause_s", "stop_s"), [(900, 20, 5), (60, 6, 2.4), (10, 1, 0.5), (3, 1, 0.5)]
)
def test_tasks_are_told_and_stopped_before_the_end(whole_s: float, pause_s: float, stop_s: float) -> None:
    time_left = TimeLeft(whole_s, lambda: 7.0)

    assert time_left.left_s == pytest.approx(whole_s)
    assert time_left.until_pause_s == pytest.approx(whole_s - pause_s)
    assert time_left.until_stop_s == pytest.approx(whole_s - stop_s)


def test_nothing_is_started_that_would_be_told_to_pause_at_once() -> None:
    now = [0.0]
    time_left = TimeLeft(100, lambda: now[0])

    started, left = [], []
    for now[0] in (0, 79, 81, 95, 101):
        started.append(time_left.is_worth_a_start)
        left.append(time_left.until_last_start_s)

    assert started == [True, True, False, False, False]
    assert left == [pytest.approx(80), pytest.approx(1), 0, 0, 0]


def test_the_second_half_is_late() -> None:
    now = [0.0]
    time_left = TimeLeft(100, lambda: now[0])

    late = []
    for now[0] in (0, 49, 51):
        late.append(time_left.is_mostly_over)

    assert late == [False, False, True]
