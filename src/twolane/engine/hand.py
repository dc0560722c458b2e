"""A thread that is reached out to what may hang: a target of alerts."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

log = logging.getLogger("twolane.telling")

A = TypeVar("A")


class Hand:
    """Calls a blocking target in a daemon thread, one call at a time.

    One that hangs holds up nobody else, nor the end of the process.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._out = False

    async def do(self, call: Callable[[], A]) -> A:
        """Call, and wait for the answer.

        Raises:
            Exception: what it raised.
            RuntimeError: the call before has not come back yet.
        """
        if self._out:
            raise RuntimeError("an earlier try still hangs")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[A] = loop.create_future()

        def work() -> None:
            try:
                answer = partial(_set, done, call())
            except BaseException as error:  # noqa: BLE001  (whatever it is, it is the answer)
                answer = partial(_fail, done, error)
            self._out = False
            try:
                loop.call_soon_threadsafe(answer)
            except RuntimeError:
                log.warning("%s answered after the event loop had closed", self._name)

        self._out = True
        threading.Thread(target=work, name=f"twolane-tells-{self._name}", daemon=True).start()
        return await done


def _set(done: asyncio.Future[A], answer: A) -> None:
    if not done.done():
        done.set_result(answer)


def _fail(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(
            error if isinstance(error, Exception) else RuntimeError(f"it raised {type(error).__name__}")
        )
