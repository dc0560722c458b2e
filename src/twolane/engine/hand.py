"""A thread of its own for a call that may block: a target that hangs, a look at a disk that does not answer.

The event loop's own few threads belong to the app, which may keep all of them busy for as long as it likes.
"""

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

        def work() -> A:
            try:
                return call()
            finally:
                self._out = False

        self._out = True
        return await aside(work, self._name)


async def aside(call: Callable[[], A], name: str) -> A:
    """Call in a daemon thread made for it, and wait for the answer.

    Args:
        call: may block; who waits for it may be cancelled, the call goes on.
        name: who is called, for the thread and the log.

    Raises:
        Exception: what it raised.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[A] = loop.create_future()

    def work() -> None:
        try:
            answer = partial(_set, done, call())
        except BaseException as error:  # noqa: BLE001  (whatever it is, it is the answer)
            answer = partial(_fail, done, error)
        try:
            loop.call_soon_threadsafe(answer)
        except RuntimeError:
            log.warning("%s answered after the event loop had closed", name)

    threading.Thread(target=work, name=f"twolane-{name}", daemon=True).start()
    return await done


def _set(done: asyncio.Future[A], answer: A) -> None:
    if not done.done():
        done.set_result(answer)


def _fail(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(
            error if isinstance(error, Exception) else RuntimeError(f"it raised {type(error).__name__}")
        )
