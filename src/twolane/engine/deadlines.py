"""The time-outs of what runs on one event loop: one timer for all of them.

A timer for each call would cost more than a short call itself. Deadlines are set in nearly the order in which
they come, so the timer stands at the next one and is hardly ever moved.
"""

from __future__ import annotations

import asyncio
from math import inf

from twolane.engine.hold import Hold


class Deadlines:
    """Interrupts holds as `timed_out`; used in the thread of one event loop at a time."""

    def __init__(self) -> None:
        self._due_at: dict[Hold, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next_at = inf

    def set(self, hold: Hold, in_s: float) -> None:
        """Interrupt a hold after so many seconds of the running loop, unless it is cleared before."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # whatever ran on another one ended with it
            self._due_at.clear()
            self._loop, self._next_at = loop, inf
        due_at = self._due_at[hold] = loop.time() + in_s
        if due_at < self._next_at:
            self._wake_at(due_at, loop)

    def clear(self, hold: Hold) -> None:
        """Its function has ended. Twice is harmless."""
        self._due_at.pop(hold, None)

    def _wake_at(self, at: float, loop: asyncio.AbstractEventLoop) -> None:
        self._next_at = at
        loop.call_at(at, self._look, at, loop)

    def _look(self, at: float, loop: asyncio.AbstractEventLoop) -> None:
        """Interrupt what is due, and wait for the next; a timer that an earlier one replaced does nothing."""
        if loop is not self._loop or at != self._next_at:
            return
        for hold in [hold for hold, due_at in self._due_at.items() if due_at <= at]:
            del self._due_at[hold]
            loop.call_soon(hold.interrupt, "timed_out")  # one that fails keeps no other from its own
        self._next_at = inf
        if self._due_at:
            self._wake_at(min(self._due_at.values()), loop)
