"""Who is told: the log, which is always there, and the hooks of the app. What has an address is made by the wiring.

A target takes one part at a time, a message or a death, and raises if it was not accepted.
"""

from __future__ import annotations

import inspect
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from twolane.engine.pace import Pace
from twolane.engine.wording import Message, boxed
from twolane.values.record import DeadLetter
from twolane.values.telling import OwedAlert

log = logging.getLogger("twolane.alert")

REMOTE = Pace(most=3, each=False)
"""What a person is called by: the first of a kind, then digests, three messages a minute at most."""
LOCAL = Pace(most=20, each=True)
"""A log: each death in a box of its own, and a digest where there are more than so many a minute."""
EVERY = Pace(most=None, each=True)
"""Code: every death."""


@dataclass(frozen=True, slots=True)
class Death:
    """A death, as a hook gets it.

    Attributes:
        id: the message's id.
        task: the task's name; empty where the body was no envelope.
        queue: the queue's name.
        reason: why: `attempts_exhausted`, `gave_up`, `timed_out`, `crashed`, `expired`, `unreadable`,
            `unknown_task`, `invalid_arguments`, `unknown_version` or `used_up`.
        error_type: the last error's type; empty: there was none.
        error: its text.
        traceback: its traceback, clipped.
        attempts: how many attempts did not succeed.
        fingerprint: equal for deaths of one kind.
        because: the task's reason for its answer; empty: it gave none.
        sent_at: when it was sent.
        died_at: when it died.
    """

    id: str
    task: str
    queue: str
    reason: str
    error_type: str
    error: str
    traceback: str
    attempts: int
    fingerprint: str
    because: str
    sent_at: datetime
    died_at: datetime


Hook = Callable[[Death], Awaitable[Any] | Any]


class Target(Protocol):
    """Somebody who is told.

    `tell` blocks and is called in a thread, or answers an awaitable for the event loop if `in_loop`.
    """

    @property
    def id(self) -> str:
        """What the queue knows it by; tells nothing of its secrets."""
        ...

    @property
    def name(self) -> str:
        """For people, without secrets."""
        ...

    @property
    def pace(self) -> Pace:
        """How much it takes."""
        ...

    @property
    def timeout_s(self) -> float:
        """How long one part may take, in seconds."""
        ...

    @property
    def deaths_only(self) -> bool:
        """It takes each death as it is, and no notices."""
        ...

    @property
    def in_loop(self) -> bool:
        """Where it is called."""
        ...

    def problem(self) -> str | None:
        """Why it can never take anything as it is; None: it may. May block."""
        ...

    def tell(self, part: Any) -> Any:
        """Tell one part: a Message, or a Death where `deaths_only`.

        Raises:
            Exception: it was not accepted.
        """
        ...


class LogTarget:
    """The log: boxed, to standard error where the app's configuration mutes or breaks our logger.

    Args:
        pace: how much it takes.
    """

    id = "log"
    name = "the log"
    timeout_s = 5.0
    deaths_only = False
    in_loop = False

    def __init__(self, pace: Pace = LOCAL) -> None:
        self.pace = pace

    def problem(self) -> str | None:
        """None: where the log goes is seen when something goes there."""

    def tell(self, part: Message) -> None:
        """Log it.

        Raises:
            OSError: no handler of the log took it, and standard error cannot be written.
        """
        text = boxed(part)
        if not _handled(text):
            if sys.stderr is None:
                raise OSError("no handler of the log took it, and this process has no standard error")
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


class HookTarget:
    """A function of the app: gets every death at least once.

    Args:
        name: the function's.
        fn: sync, called in a thread, or async, called in the app's event loop.
    """

    pace = EVERY
    timeout_s = 15.0
    deaths_only = True

    def __init__(self, name: str, fn: Hook) -> None:
        self.id = f"hook:{name}"
        self.name = f"hook {name}"
        self.in_loop = inspect.iscoroutinefunction(fn)
        self._fn = fn

    def problem(self) -> str | None:
        """None: what it does is seen when it is called."""

    def tell(self, part: Death) -> Any:
        """Call it."""
        return self._fn(part)


def death_of(alert: OwedAlert, letter: DeadLetter, because: str) -> Death:
    """A death as a hook gets it.

    Args:
        alert: that it is owed.
        letter: who died.
        because: the task's reason for its answer.
    """
    record, last = letter.record, letter.attempts[-1].failure if letter.attempts else None
    return Death(
        id=record.id,
        task=record.task,
        queue=record.queue,
        reason=record.reason.value if record.reason else "",
        error_type=last.error_type if last else "",
        error=last.message if last else alert.error,  # its attempts are gone: somebody has discarded it
        traceback=last.traceback if last else "",
        attempts=len(letter.attempts),
        fingerprint=alert.fingerprint,
        because=because,
        sent_at=datetime.fromtimestamp(record.sent_at, UTC),
        died_at=datetime.fromtimestamp(alert.owed_at, UTC),
    )


def _handled(text: str) -> bool:
    """Whether a handler of our logger took it.

    `logging` hides what a handler fails with. A death that no handler wrote was not told, so each is asked by
    itself and its failure is seen; what it does about a failure, it still does.
    """
    if not log.isEnabledFor(logging.ERROR):
        return False
    record = log.makeRecord(log.name, logging.ERROR, __file__, 0, "%s", (text,), None)
    if not log.filter(record):
        return False
    took = [_took(handler, record) for handler in _handlers() if record.levelno >= handler.level]
    return any(took)


def _handlers() -> Iterator[logging.Handler]:
    found: logging.Logger | None = log
    any_at_all = False
    while found is not None:
        any_at_all |= bool(found.handlers)
        yield from tuple(found.handlers)
        found = found.parent if found.propagate else None
    if not any_at_all and logging.lastResort is not None:
        yield logging.lastResort


def _took(handler: logging.Handler, record: logging.LogRecord) -> bool:
    failed: list[logging.LogRecord] = []
    own = handler.handleError

    def noted(record: logging.LogRecord) -> None:
        failed.append(record)
        own(record)

    with handler.lock or threading.RLock():  # nobody else's record meets our ears
        handler.handleError = noted  # type: ignore[method-assign]
        try:
            took = handler.handle(record)
        finally:
            del handler.handleError
    return bool(took) and not failed
