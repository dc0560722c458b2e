"""Going on elsewhere: what becomes of a delivery whose process has no time left, though its task may have some.

Lambda's functions end after 15 minutes, an import does not. What has saved a new checkpoint goes on from there in a
new message under its own id: same record, same ticket, same attempt. The parts together have a deadline.
"""

from __future__ import annotations

from dataclasses import replace

from twolane.engine.hold import Hold
from twolane.values.message import Continuation, Message, encode
from twolane.values.outcome import Failure, Outcome, RanOut, Reason, Unrunnable
from twolane.values.policy import Policy

ALL_PARTS = 4.0
"""So many times its time-out an attempt has that goes on in several parts, the waiting between them included."""


def going_on(ran_out: RanOut, message: Message, hold: Hold, policy: Policy, now: float) -> Outcome:
    """The outcome of a delivery that ran out of time: with the envelope it goes on in, if it has got on.

    Args:
        ran_out: how it ended.
        message: what it ran.
        hold: the hold on it, which knows what it has saved.
        policy: the task's.
        now: epoch seconds.
    """
    if hold.saved is None:
        return ran_out
    before = message.continuation
    deadline_at = hold.delivery.received_at + ALL_PARTS * policy.timeout_s
    number = 1
    if before is not None:
        deadline_at, number = before.deadline_at, before.number + 1
    if now >= deadline_at:
        return too_late(number, now)
    goes_on = Continuation(number, hold.saved.cursor, deadline_at)
    return replace(ran_out, body=encode(message._replace(continuation=goes_on)))


def too_late(parts: int, now: float) -> Unrunnable:
    """All parts together took longer than they may."""
    text = f"it is not done after {parts} part(s), which together took longer than {ALL_PARTS:g} times its time-out"
    return Unrunnable(Reason.TIMED_OUT, Failure("TimedOut", text, "", now, now))
