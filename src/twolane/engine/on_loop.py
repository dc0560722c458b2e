"""A call on the event loop: a coroutine in an asyncio task of its own, cancelled where its delivery must end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
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

    __slots__ = (
        "_deadlines", "_filled", "_hold", "_is_cancelled", "_is_over", "_loop", "_name", "_running", "_then"
    )  # fmt: skip

    def __init__(
        self, name: str, hold: Hold, then: Ended, deadlines: Deadlines, filled: FilledCall | None = None
    ) -> None:
        self._name = name
        self._hold = hold
        self._then = then
        self._deadlines = deadlines
        self._filled = filled
        self._is_cancelled = False
        self._is_over = False
        self._loop = asyncio.get_running_loop()

    def start(
        self,
        call: Callable[..., Coroutine[Any, Any, Any]],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        timeout_s: float,
    ) -> None:
        """Call a coroutine function that may take so many seconds; in the loop."""
        self._running = self._loop.create_task(self._run(call, args, kwargs))
        self._running.add_done_callback(self._is_done)
        self._hold.on_interrupt(self._interrupted)
        self._deadlines.set(self._hold, timeout_s)

    async def _run(
        self, call: Callable[..., Coroutine[Any, Any, Any]], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        """Tells its end itself: a callback of the asyncio task would come a turn of the loop later."""
        self._running.remove_done_callback(self._is_done)
        result: Any = None
        error: BaseException | None = None
        try:
            result = await call(*args, **kwargs)
        except SystemExit as exit_:  # asyncio would let it end the whole process
            error = RuntimeError(f"the task called sys.exit({exit_.code!r})")
            error.__cause__ = exit_
        except (KeyboardInterrupt, GeneratorExit):  # perhaps not the function's own
            self._running.add_done_callback(self._is_done)
            raise
        except BaseException as its:  # noqa: BLE001  (passed on)
            error = its
        try:
            self._ended(result, error)
        finally:
            del error  # its traceback knows this frame, and a cycle is the garbage collector's

    def _is_done(self, running: asyncio.Task[None]) -> None:
        """It was cancelled before its first step, or ended with what asyncio has to hear of."""
        self._ended(None, asyncio.CancelledError() if running.cancelled() else running.exception())

    def _interrupted(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: a function in a thread hears it at its checkpoint
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        """Cancel it, but not while its function is in a thread."""
        filled = self._filled
        if filled is not None and filled.begun and self._hold.may_go_on:
            return  # a cancellation waits for the function's checkpoint
        if filled is not None and filled.give_up():
            self._leave()
            return
        if not self._is_cancelled:  # once: the second would interrupt how it cleans up
            self._is_cancelled = True
            self._running.cancel()
            self._loop.call_later(UNHEEDED_S, self._leave)

    def _ended(self, result: Any, error: BaseException | None) -> None:
        if self._is_over:
            report_late(self._name, self._hold.delivery.id, error)
            return
        self._is_over = True
        self._deadlines.clear(self._hold)
        self._hold.ended()
        self._then(result, error, False)

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
