"""The table of DESIGN.md section 4: each outcome, on an early attempt and on the last."""

from __future__ import annotations

from typing import get_args

import pytest

from twolane.engine.decide import decide
from twolane.values.outcome import (
    Ack,
    AskedForRetry,
    Cancel,
    Continue,
    Decision,
    Die,
    Failed,
    Failure,
    GaveUp,
    LetGo,
    LostLease,
    NotUnderstood,
    Outcome,
    RanOut,
    Reason,
    Release,
    Retry,
    Succeeded,
    TimedOut,
    Unrunnable,
    Wait,
    WasCancelled,
    WasStopped,
)
from twolane.values.policy import MAX_PAUSE_S, Backoff, Policy

FAILURE = Failure("ValueError", "no such flight")
POLICY = Policy(max_attempts=3, backoff=Backoff(base_s=10, factor=3, cap_s=20))


def not_understood(waited_s: float) -> NotUnderstood:
    return NotUnderstood(Reason.UNKNOWN_TASK, FAILURE, waited_s, patience_s=100)


CASES: list[tuple[Outcome, int, Decision]] = [
    (Succeeded({"rows": 3}), 1, Ack({"rows": 3})),
    (Succeeded(), 3, Ack()),
    (Failed(FAILURE), 1, Retry(5.0, FAILURE)),
    (Failed(FAILURE), 2, Retry(10.0, FAILURE)),
    (Failed(FAILURE), 3, Die(Reason.ATTEMPTS_EXHAUSTED, FAILURE)),
    (Failed(FAILURE), 4, Die(Reason.ATTEMPTS_EXHAUSTED, FAILURE)),
    (Failed(FAILURE, final=True), 1, Die(Reason.GAVE_UP, FAILURE)),
    (Failed(FAILURE, final=True), 3, Die(Reason.GAVE_UP, FAILURE)),
    (AskedForRetry(FAILURE, 7.0), 2, Retry(7.0, FAILURE)),
    (AskedForRetry(FAILURE, 0.0), 2, Retry(0.0, FAILURE)),
    (AskedForRetry(FAILURE, 12 * 3600.0), 1, Retry(MAX_PAUSE_S, FAILURE)),
    (AskedForRetry(FAILURE, float("inf")), 1, Retry(MAX_PAUSE_S, FAILURE)),
    (AskedForRetry(FAILURE, 7.0), 3, Die(Reason.ATTEMPTS_EXHAUSTED, FAILURE)),
    (GaveUp(FAILURE, "the file has no rows"), 1, Die(Reason.GAVE_UP, FAILURE, "the file has no rows")),
    (TimedOut(FAILURE), 1, Retry(5.0, FAILURE)),
    (TimedOut(FAILURE), 3, Die(Reason.TIMED_OUT, FAILURE)),
    (not_understood(0), 1, Wait(30.0, Reason.UNKNOWN_TASK, FAILURE)),
    (not_understood(70), 3, Wait(30.0, Reason.UNKNOWN_TASK, FAILURE)),
    (not_understood(90), 1, Wait(10.0, Reason.UNKNOWN_TASK, FAILURE)),
    (not_understood(100), 1, Die(Reason.UNKNOWN_TASK, FAILURE)),
    (Unrunnable(Reason.EXPIRED, FAILURE), 1, Die(Reason.EXPIRED, FAILURE)),
    (WasCancelled(), 1, Cancel()),
    (WasStopped(), 3, Release()),
    (RanOut(FAILURE, body="{}"), 3, Continue("{}")),
    (RanOut(FAILURE, body="{}", had_time=False), 1, Continue("{}")),
    (RanOut(FAILURE), 1, Retry(5.0, FAILURE)),
    (RanOut(FAILURE), 3, Die(Reason.TIMED_OUT, FAILURE)),
    (RanOut(FAILURE, had_time=False), 3, Release()),
    (LostLease(), 3, LetGo()),
]


@pytest.mark.parametrize(("outcome", "attempt", "decision"), CASES)
def test_what_becomes_of_it(outcome: Outcome, attempt: int, decision: Decision) -> None:
    assert decide(outcome, attempt, POLICY, jitter=0.5) == decision


def test_each_outcome_has_a_row() -> None:
    assert {type(outcome) for outcome, _, _ in CASES} == set(get_args(Outcome))
