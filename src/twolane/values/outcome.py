"""What a function did (outcome) and what becomes of its delivery (decision).

Outcomes are made by engine/run.py, turned into a decision by engine/decide.py, carried out by
engine/settle.py. All three are values: nothing here acts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why a message is a dead letter (DESIGN.md section 4)."""

    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    GAVE_UP = "gave_up"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"
    UNKNOWN_TASK = "unknown_task"
    INVALID_ARGUMENTS = "invalid_arguments"
    UNKNOWN_VERSION = "unknown_version"
    USED_UP = "used_up"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in one attempt.

    Attributes:
        error_type: the exception's type, or a word of ours such as `ProcessDied`.
        message: the exception's text.
        traceback: the traceback, clipped; may be empty.
        started_at: when the attempt began, in epoch seconds.
        ended_at: when it ended, in epoch seconds.
    """

    error_type: str
    message: str
    traceback: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The function returned; `result` is what it returned, as a JSON value, or None."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised; `final` says that its type is in `give_up_on` or not in `retry_on`."""

    failure: Failure
    final: bool = False


@dataclass(frozen=True, slots=True)
class AskedForRetry:
    """The function raised RetryLater."""

    failure: Failure
    after_s: float


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The function raised GiveUp; `public` is the sentence a customer may see."""

    failure: Failure
    public: str | None = None


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The attempt took longer than its time-out."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """This worker cannot run the message, another one perhaps can.

    Attributes:
        reason: unknown_task, invalid_arguments or unknown_version.
        failure: what this worker saw.
        waited_s: for how long it has been waiting for somebody who understands it, in seconds.
        patience_s: for how long it may, in seconds.
    """

    reason: Reason
    failure: Failure
    waited_s: float
    patience_s: float


@dataclass(frozen=True, slots=True)
class Unrunnable:
    """No worker will ever run it: unreadable, expired, or over the deadline of all its parts."""

    reason: Reason
    failure: Failure


@dataclass(frozen=True, slots=True)
class WasCancelled:
    """Somebody cancelled it and the function let the interruption pass."""


@dataclass(frozen=True, slots=True)
class WasStopped:
    """The worker stops; the function did not finish within the grace time."""


@dataclass(frozen=True, slots=True)
class RanOut:
    """The time of its process was over: a function of Lambda ends when its time does.

    Attributes:
        failure: that it did not get done here.
        body: the envelope it goes on in, from its last checkpoint; None: it saved none here.
        had_time: it had most of that time; else it began too late to be blamed.
    """

    failure: Failure
    body: str | None = None
    had_time: bool = True


@dataclass(frozen=True, slots=True)
class LostLease:
    """Another worker may hold the message by now: nothing may be settled."""


Outcome = (
    Succeeded
    | Failed
    | AskedForRetry
    | GaveUp
    | TimedOut
    | NotUnderstood
    | Unrunnable
    | WasCancelled
    | WasStopped
    | RanOut
    | LostLease
)


@dataclass(frozen=True, slots=True)
class Ack:
    """Done, with a result."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Visible again after `after_s` seconds; uses up an attempt."""

    after_s: float
    failure: Failure


@dataclass(frozen=True, slots=True)
class Wait:
    """Visible again after `after_s` seconds under patience; uses up no attempt."""

    after_s: float
    reason: Reason
    failure: Failure


@dataclass(frozen=True, slots=True)
class Release:
    """Visible at once, unfinished; uses up no attempt where the backend can tell."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Goes on in a new message under the same id, visible at once; uses up no attempt."""

    body: str


@dataclass(frozen=True, slots=True)
class Die:
    """Becomes a dead letter."""

    reason: Reason
    failure: Failure
    public: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ends as cancelled."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Settle nothing: somebody else holds it."""


Decision = Ack | Retry | Wait | Release | Continue | Die | Cancel | LetGo
