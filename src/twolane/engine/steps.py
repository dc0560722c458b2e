"""Driving a coroutine step by step, so that each step is timed and runs in a context of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any


class Steps:
    """Awaits a coroutine in `context`, and tells after each step how long it held the event loop.

    Args:
        coroutine: what to drive.
        context: where its steps run; the caller's own context stays as it is.
        monotonic: the time, in seconds.
        after_step: called with the seconds a step took, until the next await or the end.
    """

    __slots__ = ("_after_step", "_context", "_coroutine", "_monotonic")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        context: Context,
        monotonic: Callable[[], float],
        after_step: Callable[[float], None],
    ) -> None:
        self._coroutine = coroutine
        self._context = context
        self._monotonic = monotonic
        self._after_step = after_step

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
            self._after_step(self._monotonic() - began)
