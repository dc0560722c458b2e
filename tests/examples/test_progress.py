"""What is said of an import while it runs: rate, time left, attempt, where it was resumed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from twolane import Record, State

NOON = datetime(2026, 3, 7, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def record(state: State = State.RUNNING, **values: Any) -> Record:
    given: dict[str, Any] = {"attempt": 1, "deliveries": 1, "sent_at": NOON, "visible_at": NOON} | values
    return Record(id="i", task="import_flights", queue="default", state=state, **given)


@pytest.fixture
def progress_of(main: ModuleType) -> Any:
    models, progress = sys.modules["app.models"], sys.modules["app.progress"]

    def progress_of(message: Record | None, **values: Any) -> Any:
        given: dict[str, Any] = {"imported": 0, "rejected": 0, "begun_at_row": 0} | values
        given = {"finished_at": None, "problem": None, **given}
        its = models.Import(id="i", customer="c", name="f.csv", uploaded_at=NOON, **given)
        return progress.progress_of(its, message)

    return progress_of


def test_rate_and_time_left_are_of_the_rows_and_the_time_so_far(progress_of: Any) -> None:
    running = record(started_at=after(10), progressed_at=after(14), done=25.0, total=100.0)
    seen = progress_of(running, imported=3900, rejected=100)
    assert (seen.rows, seen.rejected, seen.percent) == (4000, 100, 25)
    assert (seen.rows_per_s, seen.seconds_left) == (1000, 12)


def test_after_a_crash_the_rate_is_of_the_attempt_that_runs(progress_of: Any) -> None:
    running = record(started_at=after(100), progressed_at=after(102), done=50.0, total=100.0, crashes=1)
    seen = progress_of(running, imported=4000, begun_at_row=3000)
    assert (seen.rows_per_s, seen.seconds_left, seen.resumed_at_row, seen.crashes) == (500, 8, 3001, 1)


@pytest.mark.parametrize(
    "times",
    [{}, {"started_at": after(1)}, {"started_at": after(2), "progressed_at": after(1)}],
    ids=["not-begun", "no-checkpoint", "checkpoint-of-the-attempt-before"],
)
def test_where_nothing_is_known_nothing_is_said(progress_of: Any, times: dict[str, datetime]) -> None:
    seen = progress_of(record(**times), imported=10)
    assert (seen.rows_per_s, seen.seconds_left, seen.took_s) == (None, None, None)


@pytest.mark.parametrize(
    ("message", "state"),
    [
        (record(State.WAITING), "waiting"),
        (record(State.RUNNING), "running"),
        (record(State.RUNNING, cancel_requested=True), "cancelling"),
        (record(State.CANCELLED, cancel_requested=True, finished_at=after(3)), "cancelled"),
        (record(State.DEAD, finished_at=after(3)), "failed"),
        (record(State.DISCARDED, finished_at=after(3)), "failed"),
    ],
)
def test_states_in_the_customers_words(progress_of: Any, message: Record, state: str) -> None:
    seen = progress_of(message)
    assert seen.state == state
    assert seen.is_over == (state in ("cancelled", "failed"))
    assert seen.took_s == (3 if seen.is_over else None)


@pytest.mark.parametrize("message", [record(State.RUNNING), record(State.DONE), None])
def test_what_the_store_has_finished_is_done_whatever_the_record_says(
    progress_of: Any, message: Record | None
) -> None:
    seen = progress_of(message, imported=5, finished_at=after(9))
    assert (seen.state, seen.percent, seen.took_s) == ("done", 100, 9)
    assert progress_of(message, finished_at=after(9), problem="Too many rows.").state == "failed"


def test_what_the_queue_never_took_is_no_import(progress_of: Any) -> None:
    assert progress_of(None) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0.2, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_in_words(main: ModuleType, seconds: float | None, words: str) -> None:
    assert sys.modules["app.words"].duration(seconds) == words
