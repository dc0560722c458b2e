"""A call on the event loop: a coroutine in an asyncio task of its own, cancelled where its delivery must end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from twolane.engine.calling import FilledCall
from twolane.engine.deadlines import Deadlines
from twolane.engine.hold import Hold
from twolane.engine.outcomes import report_late
from twolane.values.errors import Interrupted

log = logging.getLogger("twolane.run")

UNHEEDED_S = 10.0
"""How long an async task may go on after it was cancelled before its slot is given up, in seconds."""

Ended = Callable[[Any, BaseException | None, bool], None]
"""Told in the loop, once, how a call ended: its result, its exception, and whether it goes on all the same."""


class LoopCall:
    """One call.

    Args:
        name: the task's, for the log.
        hold: the hold on the delivery.
        then: told how it ended.
        deadlines: its time-out is cleared here when it ends.
        filled: the call of a function whose parameters are filled, which may be in a thread.
    """

    __slots__ = ("_deadlines", "_filled", "_hold", "_is_over", "_loop", "_name", "_running", "_then")

    def __init__(
        self, name: str, hold: Hold, then: Ended, deadlines: Deadlines, filled: FilledCall | None = None
    ) -> None:
        self._name = name
        self._hold = hold
        self._then = then
        self._deadlines = deadlines
        self._filled = filled
        self._is_over = False
        self._loop = asyncio.get_running_loop()

    def start(self, call: Coroutine[Any, Any, Any], timeout_s: float) -> None:
        """Run a coroutine for at most so many seconds; in the loop."""
        self._running = self._loop.create_task(call)
        self._running.add_done_callback(self._ended)
        self._hold.on_interrupt(self._interrupted)
        self._deadlines.set(self._hold, timeout_s)

    def _interrupted(self) -> None:
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        """Cancel it, but not while its function is in a thread."""
        filled = self._filled
        if filled is not None and filled.begun and self._hold.why == "cancelled":
            return  # it waits for the function's checkpoint
        if filled is not None and filled.give_up():
            self._leave()
            return
        self._running.cancel()
        self._loop.call_later(UNHEEDED_S, self._leave)

    def _ended(self, running: asyncio.Task[Any]) -> None:
        if self._is_over:
            report_late(self._name, self._hold.delivery.id, running)
            return
        self._is_over = True
        self._deadlines.clear(self._hold)
        self._hold.ended()
        error = asyncio.CancelledError() if running.cancelled() else running.exception()
        self._then(None if error is not None else running.result(), error, False)

    def _leave(self) -> None:
        """Go on without it, if it has not ended."""
        if self._is_over or self._running.done():
            return
        self._is_over = True
        self._deadlines.clear(self._hold)
        if self._filled is None or not self._filled.given_up:
            log.error(
                "%s %s ignores its cancellation (%s); its slot is given up",
                self._name, self._hold.delivery.id, self._hold.why,
            )  # fmt: skip
        self._then(None, Interrupted(self._hold.why or ""), True)
