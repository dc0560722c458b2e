"""The filters of `twolane dead`: options that say which dead letters are meant."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from twolane.values.errors import UsageError
from twolane.values.letters import Matching
from twolane.values.outcome import Reason

_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|min|h|d|w)")
_TIME_HELP = "a time such as 2026-05-01 or 2026-05-01T12:30 (UTC unless it says +02:00), or a length such as 30m, 2h, 7d ago"

OfTask = Annotated[str | None, typer.Option("--task", metavar="NAME", help="Only those of this task.")]
OfReason = Annotated[
    Reason | None,
    typer.Option("--reason", metavar="REASON", help=f"Only those that died of: {', '.join(Reason)}."),
]
WithError = Annotated[
    str | None,
    typer.Option(
        "--error",
        metavar="TEXT",
        help="Only those whose last error has this in its type or text (its first 500 characters; upper or lower case).",
    ),
]
OfKind = Annotated[
    str | None,
    typer.Option(
        "--fingerprint", metavar="KIND", help="Only those of this kind, as --group and alerts name it."
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help=f"Only those that died at or after {_TIME_HELP}."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only those that died before it.")]


@dataclass(frozen=True)
class Filters:
    """The options that say which dead letters are meant."""

    task: OfTask = None
    reason: OfReason = None
    error: WithError = None
    fingerprint: OfKind = None
    since: Since = None
    until: Until = None

    def matching(self) -> Matching:
        """What they say.

        Raises:
            UsageError: a time that is none.
        """
        now = time.time()
        return Matching(
            self.task,
            self.reason,
            self.error,
            self.fingerprint,
            _moment(self.since, now, "--since"),
            _moment(self.until, now, "--until"),
        )


def described(which: Matching) -> str:
    """The filters, as somebody would type them; `all`: none."""
    given = {
        "--task": which.task,
        "--reason": which.reason and which.reason.value,
        "--error": which.error,
        "--fingerprint": which.fingerprint,
        "--since": _iso(which.since),
        "--until": _iso(which.until),
    }
    return (
        " ".join(f"{name} {shlex.quote(value)}" for name, value in given.items() if value is not None)
        or "all"
    )


def _iso(epoch_s: float | None) -> str | None:
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds")


def _moment(text: str | None, now: float, option: str) -> float | None:
    if text is None:
        return None
    if length := _LENGTH.fullmatch(text.strip().lower()):
        return max(0.0, now - float(length[1]) * _UNITS_S[length[2]])
    try:
        moment = datetime.fromisoformat(text.strip())
        found = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        _iso(found)  # what cannot be written down is no time: the year 9999 may end later elsewhere
    except (ValueError, OverflowError):
        raise UsageError(f"{option} takes {_TIME_HELP}; not {text!r}") from None
    return found
