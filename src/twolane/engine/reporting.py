"""What the log says became of a delivery: part of a line, without secrets and control characters."""

from __future__ import annotations

from twolane.engine.masking import Masker
from twolane.engine.wording import clipped, one_line
from twolane.values.outcome import Ack, Cancel, Continue, Decision, Die, Failure, LetGo, Release, Retry, Wait

MAX_CHARS = 200


def became(decision: Decision, body: str) -> str:
    """What became of a delivery.

    Args:
        decision: what was carried out.
        body: its message, whose arguments tell what must not be shown.
    """
    match decision:
        case Ack():
            return "is done"
        case Retry(after_s, failure):
            return f"failed ({said(failure, body)}) and is tried again in {after_s:.1f} s"
        case Wait(after_s, reason):
            return f"waits ({reason}), tried again in {after_s:.0f} s"
        case Release():
            return "is given back unfinished"
        case Continue():
            return "goes on from its last checkpoint in another invocation"
        case Die(reason, failure):
            return f"is dead ({reason}: {said(failure, body)})"
        case Cancel():
            return "is cancelled"
        case LetGo():
            return "is let go"


def said(failure: Failure, body: str) -> str:
    """An error's type and the beginning of its text."""
    return f"{failure.error_type}: {clipped(one_line(failure.message, Masker.of(body)), MAX_CHARS)}"
