"""Rules of `decide` that hold for every outcome, attempt, policy and roll of the dice."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from twolane.engine.decide import decide
from twolane.values.outcome import (
    AskedForRetry,
    Decision,
    Die,
    Failed,
    Failure,
    GaveUp,
    LostLease,
    NotUnderstood,
    Outcome,
    Reason,
    Retry,
    Succeeded,
    TimedOut,
    Unrunnable,
    Wait,
    WasCancelled,
    WasStopped,
)
from twolane.values.policy import MAX_PAUSE_S, UNKNOWN_TASK_PAUSE_S, Backoff, Policy

seconds = st.floats(0, 1e9)
failures = st.builds(Failure, st.text(max_size=5), st.text(max_size=5))
reasons = st.sampled_from(Reason)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Succeeded, st.none() | st.integers()),
    st.builds(Failed, failures, st.booleans()),
    st.builds(AskedForRetry, failures, seconds),
    st.builds(GaveUp, failures, st.none() | st.text(max_size=5)),
    st.builds(TimedOut, failures),
    st.builds(NotUnderstood, reasons, failures, seconds, seconds),
    st.builds(Unrunnable, reasons, failures),
    st.sampled_from([WasCancelled(), WasStopped(), LostLease()]),
)
backoffs = st.builds(
    Backoff, base_s=st.floats(0, 1e6), factor=st.floats(1, 100), cap_s=st.floats(0, MAX_PAUSE_S)
)
policies = st.builds(Policy, max_attempts=st.integers(1, 1000), backoff=backoffs)
attempts = st.integers(1, 2000)
jitters = st.floats(0, 1)


@given(outcomes, attempts, policies, jitters)
def test_every_outcome_is_decided(outcome: Outcome, attempt: int, policy: Policy, jitter: float) -> None:
    assert isinstance(decide(outcome, attempt, policy, jitter), get_args(Decision))


@given(outcomes, attempts, policies, jitters)
def test_the_last_attempt_is_never_retried(
    outcome: Outcome, attempt: int, policy: Policy, jitter: float
) -> None:
    decision = decide(outcome, attempt, policy, jitter)

    assert not (isinstance(decision, Retry) and attempt >= policy.max_attempts)


@given(outcomes, attempts, policies, jitters)
def test_a_pause_keeps_its_bounds(outcome: Outcome, attempt: int, policy: Policy, jitter: float) -> None:
    decision = decide(outcome, attempt, policy, jitter)

    if isinstance(decision, Retry):
        assert 0 <= decision.after_s <= MAX_PAUSE_S
    if isinstance(decision, Retry) and isinstance(outcome, (Failed, TimedOut)):
        assert decision.after_s <= policy.backoff.cap_s
    if isinstance(decision, Wait):
        assert isinstance(outcome, NotUnderstood)
        assert 0 < decision.after_s <= UNKNOWN_TASK_PAUSE_S
        assert outcome.waited_s + decision.after_s <= outcome.patience_s * (1 + 1e-9)


@given(outcomes, attempts, policies, jitters)
def test_what_dies_keeps_dying(outcome: Outcome, attempt: int, policy: Policy, jitter: float) -> None:
    """A later attempt is never treated more kindly."""
    if isinstance(decide(outcome, attempt, policy, jitter), Die):
        assert isinstance(decide(outcome, attempt + 1, policy, jitter), Die)


@given(backoffs, st.integers(1, 500), jitters)
def test_pauses_never_shrink_from_one_attempt_to_the_next(
    backoff: Backoff, attempt: int, jitter: float
) -> None:
    assert backoff.pause_s(attempt, jitter) <= backoff.pause_s(attempt + 1, jitter)


@given(backoffs, attempts, jitters, jitters)
def test_pauses_grow_with_the_dice(backoff: Backoff, attempt: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert backoff.pause_s(attempt, low) <= backoff.pause_s(attempt, high)
