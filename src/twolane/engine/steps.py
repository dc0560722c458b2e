"""Driving a coroutine step by step, so that each step is timed and runs in a context of its choice."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any


class Steps:
    """Awaits a coroutine in `context`, and tells of each step that held the event loop for long.

    A step lasts until the next await that suspends, or the end.

    Args:
        coroutine: what to drive.
        context: where its steps run; the caller's own context stays as it is.
        monotonic: the time, in seconds.
        long_s: longer steps are told.
        on_long: called with the seconds such a step took, once it is over.
    """

    __slots__ = ("_context", "_coroutine", "_long_s", "_monotonic", "_on_long")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        context: Context,
        monotonic: Callable[[], float],
        long_s: float,
        on_long: Callable[[float], None],
    ) -> None:
        self._coroutine = coroutine
        self._context = context
        self._monotonic = monotonic
        self._long_s = long_s
        self._on_long = on_long

    def __await__(self) -> Generator[Any, Any, Any]:
        """Pass on what the coroutine awaits, and what comes back to it."""
        act: Callable[[Any], Any] = self._coroutine.send
        value: Any = None
        while True:
            try:
                awaited = self._step(act, value)
            except StopIteration as stop:
                return stop.value
            try:
                act, value = self._coroutine.send, (yield awaited)
            except BaseException as error:  # noqa: BLE001  (a cancellation is the coroutine's to take)
                act, value = self._coroutine.throw, error

    def _step(self, act: Callable[[Any], Any], value: Any) -> Any:
        began = self._monotonic()
        try:
            return self._context.run(act, value)
        finally:
            if (took_s := self._monotonic() - began) > self._long_s:
                self._on_long(took_s)
