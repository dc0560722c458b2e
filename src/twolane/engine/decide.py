"""What becomes of a delivery: a pure function from what the task's function did.

The outcome comes from run.py, the decision goes to settle.py. No clock, no randomness, nothing acts here.
"""

from __future__ import annotations

from typing import assert_never

from twolane.engine.public_sentence import public_sentence
from twolane.values import outcome as did
from twolane.values.outcome import Decision, Failure, Outcome, Reason
from twolane.values.policy import MAX_PAUSE_S, UNKNOWN_TASK_PAUSE_S, Policy


def decide(outcome: Outcome, attempt: int, policy: Policy, jitter: float) -> Decision:  # noqa: C901, PLR0912 - one arm an outcome
    """Turn an outcome into a decision (DESIGN.md section 4).

    Args:
        outcome: what the function did.
        attempt: the number of the attempt it did it in, from 1.
        policy: the task's policy.
        jitter: a random number from 0 to 1, for the backoff.
    """
    backoff_s = policy.backoff.pause_s(attempt, jitter)
    last = attempt >= policy.max_attempts
    match outcome:
        case did.Succeeded(result):
            return did.Ack(result)
        case did.Failed(failure, final=True):
            return did.Die(Reason.GAVE_UP, failure)
        case did.Failed(failure):
            return _again(backoff_s, failure, Reason.ATTEMPTS_EXHAUSTED, last=last)
        case did.AskedForRetry(failure, after_s):
            return _again(after_s, failure, Reason.ATTEMPTS_EXHAUSTED, last=last)
        case did.TimedOut(failure):
            return _again(backoff_s, failure, Reason.TIMED_OUT, last=last)
        case did.GaveUp(failure, public):
            return did.Die(Reason.GAVE_UP, failure, public_sentence(public))
        case did.NotUnderstood():
            return _wait(outcome)
        case did.Unrunnable(reason, failure):
            return did.Die(reason, failure)
        case did.WasCancelled():
            return did.Cancel()
        case did.WasStopped():
            return did.Release()
        case did.RanOut(body=str(body)):
            return did.Continue(body)
        case did.RanOut(failure, had_time=True):
            return _again(backoff_s, failure, Reason.TIMED_OUT, last=last)
        case did.RanOut():
            return did.Release()
        case did.LostLease():
            return did.LetGo()
        case _:
            assert_never(outcome)


def _again(after_s: float, failure: Failure, reason: Reason, *, last: bool) -> did.Retry | did.Die:
    """Another attempt, or the end if this was the last one."""
    return did.Die(reason, failure) if last else did.Retry(min(after_s, MAX_PAUSE_S), failure)


def _wait(outcome: did.NotUnderstood) -> did.Wait | did.Die:
    """Wait for somebody who understands it, as long as patience lasts."""
    left_s = outcome.patience_s - outcome.waited_s
    if left_s <= 0:
        return did.Die(outcome.reason, outcome.failure)
    return did.Wait(min(UNKNOWN_TASK_PAUSE_S, left_s), outcome.reason, outcome.failure)
