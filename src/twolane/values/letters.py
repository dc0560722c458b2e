"""Dead letters as a person looks for them: filters, groups, and the log of what was done about them."""

from __future__ import annotations

from dataclasses import dataclass

from twolane.values.outcome import Reason


@dataclass(frozen=True, slots=True)
class Matching:
    """Which dead letters. What is None does not filter.

    Attributes:
        task: of this task.
        reason: that died for this reason.
        error: whose last error has this in its type or the start of its text, upper or lower case.
        fingerprint: of this kind.
        since: that died at or after this time, in epoch seconds.
        until: that died before this time.
    """

    task: str | None = None
    reason: Reason | None = None
    error: str | None = None
    fingerprint: str | None = None
    since: float | None = None
    until: float | None = None


ALL = Matching()


@dataclass(frozen=True, slots=True)
class DeadGroup:
    """Dead letters of one kind.

    Attributes:
        task: the task's name; empty where the body is no envelope.
        fingerprint: the kind.
        reason: of the last one.
        error: the last one's error in one line.
        count: how many there are.
        first_at: when the first of them died, in epoch seconds.
        last_at: when the last did.
        id: the last one's.
    """

    task: str
    fingerprint: str
    reason: Reason
    error: str
    count: int
    first_at: float
    last_at: float
    id: str


@dataclass(frozen=True, slots=True)
class Action:
    """What a person did about dead letters: one line of the audit log.

    Attributes:
        id: made new for each action.
        who: the person, as the system knows them, and where: `ada@host`.
        what: `redrive`, `edit` or `discard`.
        which: the message's id, or the filters.
        at: when it began, in epoch seconds.
        count: how many it was done to.
    """

    id: str
    who: str
    what: str
    which: str
    at: float = 0.0
    count: int = 0
