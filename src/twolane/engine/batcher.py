"""The batcher: one thread that carries out what arrives while its last flush was in flight, as one flush.

The heart of the speed and of the price: durability is paid per flush, not per message (L15). Colour
changes here: callers block (`ask_blocking`) or await (`ask`), the backend below is synchronous.
Every caller gets the answer of its own entry.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue as stdlib_queue
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar, cast

from twolane.contracts.queue import Entry, Queue, Send
from twolane.values.errors import QueueError, SendUnknown, UsageError

log = logging.getLogger("twolane.batcher")

A = TypeVar("A")
MAX_ENTRIES = 1000
"""How many entries one flush takes at most."""


class Pending:
    """An entry on its way and where its answer goes.

    Args:
        entry: what is to be carried out.
        resolve: gets the answer or the error, once.
        loop: where it is called: answers of one flush reach a loop in one call. None: in the batcher's thread.
        timeout_s: after so many seconds the answer is that the outcome is unknown; None: never.
    """

    __slots__ = ("_is_answered", "_resolve", "entry", "limit", "loop", "timeout_s")

    def __init__(
        self,
        entry: Entry[Any],
        resolve: Callable[[Any], None],
        loop: asyncio.AbstractEventLoop | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.entry = entry
        self.loop = loop
        self.timeout_s = timeout_s
        self.limit: _Limit | None = None
        self._resolve = resolve
        self._is_answered = False

    def answer(self, answer: Any) -> None:
        """Pass the answer on, unless there was one: what comes after a time-out is too late."""
        if self._is_answered:
            return
        self._is_answered = True
        if self.limit is not None:
            self.limit.answered()
        try:
            self._resolve(answer)
        except Exception:
            log.exception("a caller could not take its answer")


class _Awaited(Pending):
    """One whose answer a coroutine awaits; it is passed on by one object less for the garbage collector to look at."""

    __slots__ = ("future",)

    def __init__(
        self, entry: Entry[Any], loop: asyncio.AbstractEventLoop, timeout_s: float | None = None
    ) -> None:
        self.entry = entry
        self.loop = loop
        self.timeout_s = timeout_s
        self.limit = None
        self.future: asyncio.Future[Any] = loop.create_future()

    def answer(self, answer: Any) -> None:
        limit, self.limit = self.limit, None
        if limit is not None:
            limit.answered()
        resolve(self.future, answer)


class _Limit:
    """The time-out of what was asked together: one timer for all, which ends with the last answer."""

    __slots__ = ("_left", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_s: float, asked: Sequence[Pending]) -> None:
        self._left = len(asked)
        for pending in asked:
            pending.limit = self
        self._timer = loop.call_later(timeout_s, _give_up, asked, timeout_s)

    def answered(self) -> None:
        self._left -= 1
        if not self._left:
            self._timer.cancel()


Offer = Callable[[], Pending | None]
"""Asked before each flush: an entry that goes along, or None (a worker's free slots receive for nothing)."""


class Batcher:
    """Gathers entries and flushes them to a queue in a thread of its own.

    Args:
        queue: the backend; its `flush` and `close` are called by the batcher's thread only.
        name: for the thread.
    """

    def __init__(self, queue: Queue, *, name: str = "twolane-batcher") -> None:
        self._queue = queue
        self._arrivals: stdlib_queue.SimpleQueue[Sequence[Pending] | None] = stdlib_queue.SimpleQueue()
        self._leaving: dict[asyncio.AbstractEventLoop, list[Pending]] = {}
        self._offers: tuple[Offer, ...] = ()
        self._closed = False
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self.flushes = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(
        self,
        entry: Entry[A],
        resolve: Callable[[A | Exception], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Hand in an entry; `resolve` gets its answer or its error.

        Args:
            entry: what to carry out.
            resolve: called once; see `loop`.
            loop: where it is called; None: in the batcher's thread.

        Raises:
            UsageError: the batcher is closed, or belongs to the process this one was forked from.
        """
        self._put([Pending(entry, resolve, loop)])

    def ask(self, entry: Entry[A], timeout_s: float | None = None) -> asyncio.Future[A]:
        """Hand in an entry in this turn of the running loop; await what comes back for its own answer.

        Args:
            entry: what to carry out.
            timeout_s: after so many seconds the outcome is unknown; None: wait.

        Raises:
            UsageError: as `submit`.
            SendRefused: as the entry says.
            SendUnknown: the flush of a send failed: it may have been stored.
            QueueError: the flush of another entry failed.
        """
        loop = asyncio.get_running_loop()
        pending = _Awaited(entry, loop, timeout_s)
        self._ask(pending, loop)
        return pending.future

    def ask_then(self, entry: Entry[A], then: Callable[[A | Exception], None]) -> None:
        """As `ask`, for who does not await: `then` gets the answer or the error, in the running loop."""
        loop = asyncio.get_running_loop()
        self._ask(Pending(entry, then, loop), loop)

    def _ask(self, pending: Pending, loop: asyncio.AbstractEventLoop) -> None:
        leaving = self._leaving.get(loop)
        if leaving is None:
            leaving = self._leaving[loop] = []
            loop.call_soon(self._leave, loop)
        leaving.append(pending)

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand in what the coroutines of one turn of a loop ask: one flush, not one for the first and one for the rest."""
        asked = self._leaving.pop(loop)
        try:
            self._put(asked)
        except UsageError as error:
            _answer_all([(pending, error) for pending in asked])
            return
        for timeout_s, alike in groupby(asked, attrgetter("timeout_s")):
            if timeout_s is not None:
                _Limit(loop, timeout_s, list(alike))

    def ask_blocking(self, entry: Entry[A], timeout_s: float | None = None) -> A:
        """Hand in an entry and wait for its own answer; raises as `ask`.

        Args:
            entry: what to carry out.
            timeout_s: after so many seconds the outcome is unknown; None: wait.
        """
        done = threading.Event()
        box: list[Any] = []

        def resolve(answer: Any) -> None:
            box.append(answer)
            done.set()

        self._put([Pending(entry, resolve)])
        if not done.wait(timeout_s):
            raise _late(entry, timeout_s)
        if isinstance(box[0], Exception):
            raise box[0]
        return cast("A", box[0])

    def offer(self, offer: Offer) -> Callable[[], None]:
        """Ask `offer` for an entry to go along before each flush; returns the function that ends it."""
        with self._guard:
            self._offers = (*self._offers, offer)

        def end() -> None:
            with self._guard:
                self._offers = tuple(each for each in self._offers if each is not offer)

        return end

    def close(self) -> None:
        """Flush what has arrived, close the queue and end the thread. Twice is harmless."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._arrivals.put(None)
        if self._pid == os.getpid():
            self._thread.join()

    def _put(self, pending: Sequence[Pending]) -> None:
        if self._pid != os.getpid():
            raise UsageError("this queue was opened before a fork: open it in the child process")
        with self._guard:
            if self._closed:
                raise UsageError("the queue is closed: the app or the worker has shut down")
            self._arrivals.put(pending)

    def _run(self) -> None:
        open_ = True
        while open_:
            batch, open_ = self._gather()
            if batch:
                batch.extend(_offered(self._offers))
                self.flushes += 1
                _hand_out(batch, self._flush([pending.entry for pending in batch]))
        self._queue.close()

    def _gather(self) -> tuple[list[Pending], bool]:
        """Wait for an entry, then take what else has arrived; False: the last ones."""
        batch: list[Pending] = []
        arrival = self._arrivals.get()
        while arrival is not None:
            batch += arrival
            if len(batch) >= MAX_ENTRIES:
                return batch, True
            try:
                arrival = self._arrivals.get_nowait()
            except stdlib_queue.Empty:
                return batch, True
        return batch, False

    def _flush(self, entries: list[Entry[Any]]) -> Sequence[Any]:
        try:
            answers = self._queue.flush(entries)
        except Exception as error:
            why = str(error) or type(error).__name__
            text = "a flush of %d entries failed, their outcome is unknown: %s"
            if isinstance(error, QueueError):  # which says what happened
                log.error(text, len(entries), why)  # noqa: TRY400
            else:
                log.exception(text, len(entries), why)
            return [_unknown(entry, why) for entry in entries]
        if len(answers) == len(entries):
            return answers
        why = f"the backend gave {len(answers)} answers to {len(entries)} entries"
        log.error("%s: their outcome is unknown", why)
        return [_unknown(entry, why) for entry in entries]


def _offered(offers: Sequence[Offer]) -> Iterator[Pending]:
    for offer in offers:
        try:
            pending = offer()
        except Exception:
            log.exception("an offer failed: the flush goes without it")
        else:
            if pending is not None:
                yield pending


def _unknown(entry: Entry[Any], why: str) -> Exception:
    """The error of an entry whose flush failed, by what it was."""
    if isinstance(entry, Send):
        ids = [message.id for message in entry.messages]
        return SendUnknown(
            f"storing {len(ids)} message(s) ended without an answer ({why}); they may have been stored: "
            f"send again under the same id, which stores nothing twice",
            ids,
        )
    return QueueError(f"{type(entry).__name__} ended without an answer: {why}")


def _late(entry: Entry[Any], timeout_s: float | None) -> Exception:
    return _unknown(entry, f"no answer within {timeout_s:g} s")


def _give_up(asked: Sequence[Pending], timeout_s: float) -> None:
    for pending in asked:
        pending.answer(_late(pending.entry, timeout_s))


def _hand_out(batch: Sequence[Pending], answers: Sequence[Any]) -> None:
    """Give each its answer; those of a loop in one call into that loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Pending, Any]]] = {}
    for pending, answer in zip(batch, answers, strict=True):
        if pending.loop is None:
            pending.answer(answer)
        else:
            by_loop.setdefault(pending.loop, []).append((pending, answer))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_answer_all, pairs)
        except RuntimeError:
            log.warning("%d answer(s) came after their event loop was closed", len(pairs))


def _answer_all(pairs: Sequence[tuple[Pending, Any]]) -> None:
    for pending, answer in pairs:
        pending.answer(answer)


def resolve(awaited: asyncio.Future[Any], answer: Any) -> None:
    """Give a coroutine its answer or its error, unless it has gone; in its loop."""
    if awaited.done():
        return
    if isinstance(answer, Exception):
        awaited.set_exception(answer)
    else:
        awaited.set_result(answer)
