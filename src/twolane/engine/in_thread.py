"""A call of a sync function in a thread, which cannot be stopped: its slot is given up where its delivery must end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from twolane.engine.deadlines import Deadlines
from twolane.engine.hold import Hold
from twolane.engine.on_loop import Ended
from twolane.engine.threads import Threads
from twolane.values.errors import Interrupted

log = logging.getLogger("twolane.run")


class ThreadCall:
    """One call, in a copy of the present context; its time-out starts with it.

    Args:
        name: the task's, for the log.
        hold: the hold on the delivery.
        then: told how it ended.
        deadlines: where its time-out is set.
        threads: where it runs.
        timeout_s: the longest it may take, in seconds.
    """

    def __init__(
        self, name: str, hold: Hold, then: Ended, deadlines: Deadlines, threads: Threads, timeout_s: float
    ) -> None:
        self._name = name
        self._hold = hold
        self._then = then
        self._deadlines = deadlines
        self._threads = threads
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._guard = threading.Lock()
        self._is_over = False
        self._begun = False
        self._given_up = False
        self._told = False

    def start(self, function: Callable[[], Any], began: Callable[[], None]) -> None:
        """Call a function as soon as a thread is free; in the loop.

        Args:
            function: what to call.
            began: called before it, in its thread.
        """
        self._function = function
        self._began = began
        self._threads.submit(self._run, self._tell, reserved=self._hold.take_thread())
        self._hold.on_interrupt(self._interrupted)

    def _run(self) -> None:
        """Call the function; in a thread of the pool."""
        self._result: Any = None
        self._error: BaseException | None = None
        with self._guard:
            self._begun = True
            if self._given_up:
                return
        self._in_loop(self._set_deadline)
        try:
            self._began()
            self._hold.check()
            self._result = self._context.run(self._function)
        except BaseException as raised:  # noqa: BLE001  (becomes the outcome)
            self._error = raised
        with self._guard:
            self._is_over = True
            if self._given_up:
                self._threads.came_back()

    def _tell(self) -> None:
        """Say that the function has ended, once its thread is free: the worker receives for it then."""
        self._in_loop(self._ended)

    def _set_deadline(self) -> None:
        if not self._told and not self._is_over:
            self._deadlines.set(self._hold, self._timeout_s)

    def _ended(self) -> None:
        if not self._told:
            self._go_on(self._result, self._error)

    def _interrupted(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: its checkpoint tells it
            self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        if self._hold.may_go_on:
            return  # a cancellation waits for the function's checkpoint
        if not self._told:
            self._go_on(None, Interrupted(self._hold.why or ""))

    def _go_on(self, result: Any, error: BaseException | None) -> None:
        self._told = True
        self._deadlines.clear(self._hold)
        self._hold.ended()
        self._then(result, error, self._give_up())

    def _give_up(self) -> bool:
        """The delivery ends now; True if the function goes on in its thread all the same."""
        with self._guard:
            if self._is_over:
                return False
            self._given_up = True
            if self._begun:
                self._threads.give_up()
            return self._begun

    def _in_loop(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop is closed: the worker has stopped and released the delivery
            log.warning("%s %s ended after its worker had stopped", self._name, self._hold.delivery.id)
