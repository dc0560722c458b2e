"""The call of a task whose parameters the worker fills: fill, call, store bytes, close; one coroutine, one attempt.

What is entered is closed before the delivery is settled, with the exception that ended the function. The one
exception is a sync function that goes on in its thread although its slot was given up: the delivery is settled
without it, and what it uses is closed when it comes back, never under its feet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any

from twolane.engine.context import TaskContext
from twolane.engine.filling import Attempt, Filling
from twolane.engine.hold import Hold
from twolane.engine.outbox import Outbox
from twolane.engine.threads import Threads
from twolane.values.errors import Interrupted

log = logging.getLogger("twolane.run")


@dataclass(frozen=True, slots=True)
class Means:
    """What filling parameters takes.

    Attributes:
        threads: for blocking dependencies; as many as there are slots, so that closing one never waits for
            a thread that waits for it.
        open_outbox: makes the outbox of an attempt, from the message's id and the task's name.
    """

    threads: Threads
    open_outbox: Callable[[str, str], Outbox]


class FilledCall:
    """One call of a task whose parameters the worker fills.

    Args:
        function: called with the filled parameters by name, all others bound.
        filling: what fills them.
        context: the attempt's.
        hold: the hold on the delivery.
        outbox: what the attempt adds.
        threads: for a sync function; None: it is a coroutine function.
        means: threads for what is filled.

    Attributes:
        given_up: the function goes on in its thread, and its slot was given up.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        filling: Filling,
        *,
        context: TaskContext,
        hold: Hold,
        outbox: Outbox,
        threads: Threads | None,
        means: Means,
    ) -> None:
        self.given_up = False
        self._function = function
        self._filling = filling
        self._context = context
        self._hold = hold
        self._outbox = outbox
        self._threads = threads
        self._means = means
        self._guard = threading.Lock()
        self._begun = False
        self._over = False
        self._left_alone = False

    async def run(self) -> Any:
        """Fill, call and close; what the function returned.

        A dependency that swallows the function's exception changes nothing: it is raised all the same.
        """
        stack = AsyncExitStack()
        try:
            result = await self._call(stack)
            await self._outbox.store_bytes()  # what a dependency has opened is open still
        except BaseException as error:
            if isinstance(error, Interrupted) and self._hold.why == "paused":
                await self._outbox.store_bytes()  # it goes with the continuation, which does not add it again
            if not self._left_alone:
                await self._close(stack, error)
            raise
        await stack.aclose()
        self._outbox.close()
        await self._outbox.store_bytes()  # what a dependency has added as it closed
        return result

    @property
    def begun(self) -> bool:
        """Whether a sync function was called: a cancellation of the message waits for its checkpoint."""
        return self._begun

    @property
    def in_thread(self) -> bool:
        """Whether a sync function is in its thread, where nothing cancels it."""
        return self._begun and not self._over

    def give_up(self) -> bool:
        """Go on without the function in its thread; False: it is not in one, or has just ended."""
        with self._guard:
            if self._threads is None or not self.in_thread:
                return False
            self.given_up = True
            self._threads.give_up()
        return True

    async def _call(self, stack: AsyncExitStack) -> Any:
        attempt = Attempt(self._context, self._outbox, partial(in_thread, self._means.threads))
        if self._threads is None:
            values = await self._filling.fill(attempt, stack)
            self._hold.check()
            return await self._function(**values)
        if not self._hold.take_thread():  # reserved when the delivery was received: it stays so
            self._threads.reserve()
        try:
            values = await self._filling.fill(attempt, stack)
            self._hold.check()
        except BaseException:
            self._threads.unreserve()
            raise
        return await self._call_in_thread(self._threads, partial(self._function, **values))

    async def _call_in_thread(self, threads: Threads, function: Callable[[], Any]) -> Any:
        self._begun = True
        ended = _submit(threads, function, self._end, reserved=True)
        try:
            result, error = await asyncio.shield(ended)
        except asyncio.CancelledError as cancelled:
            if self.in_thread:  # nobody but a closing loop cancels it here
                self._left_alone = True
                log.warning(
                    "%s %s still runs in its thread as its event loop closes: its dependencies are not closed",
                    self._context.task, self._context.id,
                )  # fmt: skip
                raise
            result, error = await ended  # it has just ended: how is on its way here
            error = error or cancelled
        if error is not None:
            raise error
        if self.given_up:
            raise Interrupted(self._hold.why or "")  # what it did does not count, and is not to be committed
        return checked_result(result)

    def _end(self) -> None:
        """In its thread: the function has ended."""
        with self._guard:
            self._over = True
            if self.given_up and self._threads is not None:
                self._threads.came_back()

    async def _close(self, stack: AsyncExitStack, error: BaseException) -> None:
        """Close with an exception; another that comes of it takes its place, but where the delivery was to end."""
        try:
            await stack.__aexit__(type(error), error, error.__traceback__)
        except BaseException as other:
            if other is error:
                return
            if self._hold.why is None or not isinstance(error, (Interrupted, asyncio.CancelledError)):
                raise
            log.exception(
                "%s %s was to end (%s), and closing its dependencies failed",
                self._context.task, self._context.id, self._hold.why,
            )  # fmt: skip


async def in_thread(threads: Threads, function: Callable[[], Any]) -> Any:
    """Call a blocking function in a thread, in a copy of the present context.

    It cannot be cancelled: a cancellation is passed on once it has ended; a second one at once, since the
    loop closes then.
    """
    ended = _submit(threads, function)
    try:
        result, error = await asyncio.shield(ended)
    except asyncio.CancelledError:
        await asyncio.shield(ended)
        raise
    if error is not None:
        raise error
    return result


def _nothing() -> None:
    pass


def _submit(
    threads: Threads,
    function: Callable[[], Any],
    over: Callable[[], None] = _nothing,
    *,
    reserved: bool = False,
) -> asyncio.Future[tuple[Any, BaseException | None]]:
    """Call a function in a thread: its result and its exception, once the thread is free again."""
    loop, context = asyncio.get_running_loop(), copy_context()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    told: list[tuple[Any, BaseException | None]] = []

    def job() -> None:
        try:
            told.append((context.run(function), None))
        except (SystemExit, KeyboardInterrupt) as error:
            failure = RuntimeError(f"the task raised {error!r}, which would end the whole process")
            failure.__cause__ = error
            told.append((None, failure))
        except BaseException as error:  # noqa: BLE001  (raised where it is awaited)
            told.append((None, error))
        over()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if ended.done() else ended.set_result(told.pop()))

    threads.submit(job, tell, reserved=reserved)
    return ended


def checked_result(result: Any) -> Any:
    """What a sync function returned.

    Raises:
        TypeError: a coroutine, of which nothing has run.
    """
    if isinstance(result, Coroutine):
        result.close()
        raise TypeError(
            "the task returned a coroutine, so nothing of it has run: define it with `async def`, or let "
            "its wrapper await it"
        )
    return result
