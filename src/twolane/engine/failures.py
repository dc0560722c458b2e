"""What an exception leaves behind for the people who read a dead letter."""

from __future__ import annotations

import traceback
from pathlib import Path

from twolane.values.outcome import Failure

MAX_TRACEBACK_CHARS = 16_000
MAX_MESSAGE_CHARS = 4_000

_OURS = {
    str(Path(__file__).with_name(name)) for name in ("run.py", "calling.py", "in_thread.py", "on_loop.py")
}


def seen(error: Exception, now: float) -> Failure:
    """A failure of the message, not of any code of the user's: no traceback."""
    return Failure(type(error).__name__, _storable(str(error))[:MAX_MESSAGE_CHARS], "", now, now)


def failure_of(error: BaseException, started_at: float, ended_at: float) -> Failure:
    """What an exception leaves behind: type, text and the end of its traceback without our own frames."""
    told = traceback.TracebackException.from_exception(error)
    told.stack = traceback.StackSummary.from_list([each for each in told.stack if each.filename not in _OURS])
    return Failure(
        type(error).__name__,
        _storable(str(told))[:MAX_MESSAGE_CHARS],
        _storable("".join(told.format()))[-MAX_TRACEBACK_CHARS:],
        started_at,
        ended_at,
    )


def _storable(text: str) -> str:
    """Text without lone surrogates: a file name in an OSError may bring some."""
    return text.encode("utf-8", "backslashreplace").decode()
