"""Run one delivery: from its body to an outcome. Three small rooms: run, decide, settle; this is the first.

`_read` turns a body into a call or into the outcome that makes a call pointless; `LoopCall` (on_loop.py) and
`ThreadCall` (in_thread.py) make the call. Nothing here decides or settles. Each step is announced to an observer
that is passed in, so that a test can stop the process at any of them.

Nothing is awaited between a message and its function but what has to be: the only asyncio task of a delivery is the
one that its own coroutine runs in.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from twolane.contracts.blobs import Blobs
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Delivery
from twolane.engine import trace
from twolane.engine.batcher import Batcher
from twolane.engine.calling import FilledCall, Means, checked_result
from twolane.engine.context import TaskContext
from twolane.engine.continuing import going_on, too_late
from twolane.engine.deadlines import Deadlines
from twolane.engine.failures import failure_of, seen
from twolane.engine.filling import Filling
from twolane.engine.hold import Hold
from twolane.engine.in_thread import ThreadCall
from twolane.engine.on_loop import LoopCall
from twolane.engine.outbox import Outbox
from twolane.engine.outcomes import outcome_of
from twolane.engine.task import Registry, Task
from twolane.engine.threads import Threads
from twolane.values.blob import BlobRef
from twolane.values.errors import (
    ArgumentsRefused,
    DefinitionError,
    EnvelopeTooNew,
    EnvelopeUnreadable,
    UsageError,
)
from twolane.values.message import Message, decode, skim
from twolane.values.outcome import (
    Failed,
    Failure,
    NotUnderstood,
    Outcome,
    RanOut,
    Reason,
    Unrunnable,
)
from twolane.values.policy import Policy
from twolane.values.ticket import Lane

log = logging.getLogger("twolane.run")

Observer = Callable[[str, Delivery], None]
"""Told the name of each step of a delivery before it is made: read, call, decide, settle, settled."""


def unobserved(step: str, delivery: Delivery) -> None:
    """The observer of a product: none."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What running a delivery needs: the tasks, the stores, the clock, the threads for sync tasks.

    Beside them who observes it, what makes `ctx.state`, what tasks take whose parameters the worker fills, the time-outs
    of what runs, and whether the event loop is being closed under it, which cancels every task and is no failure of any.
    """

    registry: Registry
    blobs: Blobs
    batcher: Batcher
    clock: Clock
    threads: Threads
    observer: Observer = unobserved
    new_state: Callable[[], Any] = SimpleNamespace
    means: Means | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)
    closing: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Ran:
    """What running a delivery came to, with the policy that decides.

    `stuck` says that the function goes on in its thread although its slot was given up; `outbox` is what
    it added, where it could.
    """

    outcome: Outcome
    policy: Policy
    stuck: bool = False
    outbox: Outbox | None = None


async def run(hold: Hold, around: Surroundings) -> Ran:
    """Run one delivery to its outcome; whatever goes wrong is an outcome too."""
    ended: asyncio.Future[Ran] = asyncio.get_running_loop().create_future()
    begin(hold, around, lambda ran: None if ended.done() else ended.set_result(ran))
    return await ended


def begin(hold: Hold, around: Surroundings, then: Callable[[Ran], None]) -> None:
    """As `run`, for who does not await: `then` gets what it came to, in the running loop, perhaps at once."""
    _Run(hold, around, then).begin()


class _Run:
    """One delivery on its way to its outcome; in the loop's thread but for `_starts`."""

    __slots__ = ("_around", "_hold", "_message", "_outbox", "_started_at", "_task", "_then")

    def __init__(self, hold: Hold, around: Surroundings, then: Callable[[Ran], None]) -> None:
        self._hold = hold
        self._around = around
        self._then = then
        self._task: Task[Any, Any, Any] | None = None
        self._message: Message | None = None
        self._outbox: Outbox | None = None
        self._started_at = around.clock.now()

    def begin(self) -> None:
        """Read the message and call its function, or say why not; in a context of its own."""
        try:
            pointless = copy_context().run(self._read_and_call)
        except Exception as error:  # noqa: BLE001  (told)
            pointless = self._defect(error)
        if pointless is not None:
            self._then(pointless)

    def _read_and_call(self) -> Ran | None:
        """Call the function; or answer the outcome that makes a call pointless."""
        self._around.observer("read", self._hold.delivery)
        read = _read(self._hold.delivery, self._around.registry, self._started_at)
        if isinstance(read, Ran):
            return read
        self._task, message, values = read
        self._message = message
        if message.args_blob is not None:
            fetching = self._fetch(self._task, message, message.args_blob)
            self._hold.kept = asyncio.get_running_loop().create_task(fetching)
            return None
        return self._load_and_call(self._task, message, values, self._started_at)

    async def _fetch(self, task: Task[Any, Any, Any], message: Message, ref: BlobRef) -> None:
        """Arguments that were too large for the message, and the call with them."""
        pointless: Ran | None
        try:
            values = await asyncio.to_thread(_stored_args, self._around.blobs, ref)
        except Exception as error:  # noqa: BLE001  (a blob that is gone)
            pointless = _failed(error, task, self._around.clock.now())
        else:
            try:
                pointless = self._load_and_call(task, message, values, self._around.clock.now())
            except Exception as error:  # noqa: BLE001  (told)
                pointless = self._defect(error)
        if pointless is not None:
            self._then(pointless)

    def _load_and_call(
        self, task: Task[Any, Any, Any], message: Message, values: Mapping[str, Any] | str, now: float
    ) -> Ran | None:
        around, delivery = self._around, self._hold.delivery
        try:
            args, kwargs = task.arguments.load(values, {"open_blob": around.blobs.open})
        except (ArgumentsRefused, DefinitionError) as error:
            return _not_understood(Reason.INVALID_ARGUMENTS, error, delivery, task.policy.patience_s, now)
        except BaseException as error:  # a validator of the user's: it ends its own attempt alone
            if isinstance(error, KeyboardInterrupt):
                raise
            return _failed(error, task, now)
        around.observer("call", delivery)
        with trace.attached(message.trace):
            self._call(task, args, kwargs)
        return None

    def _call(self, task: Task[Any, Any, Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        """Make the call, in a context that has been copied when this returns."""
        self._starts()
        if task.filling is not None:
            self._call_filled(task, task.filling, args, kwargs)
        elif task.is_async:
            if task.takes_context:
                args = [self._new_context(task, threading.get_ident()), *args]
            call = LoopCall(task.name, self._hold, self._ended, self._around.deadlines)
            call.start(task.fn, args, kwargs, task.policy.timeout_s)
        else:
            around, policy = self._around, task.policy
            ThreadCall(
                task.name, self._hold, self._ended, around.deadlines, around.threads, policy.timeout_s
            ).start(partial(self._call_sync, task, args, kwargs), self._starts)

    def _call_sync(self, task: Task[Any, Any, Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        context = [self._new_context(task, None)] if task.takes_context else []
        return checked_result(task.fn(*context, *args, **kwargs))

    def _call_filled(
        self, task: Task[Any, Any, Any], filling: Filling, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        """Call a function, sync or async, whose parameters are filled on this loop."""
        means, hold, around = self._around.means, self._hold, self._around
        if means is None:
            raise UsageError(f"nothing here fills the parameters of {task.name}")
        context = self._new_context(task, threading.get_ident())
        self._outbox = means.open_outbox(hold.delivery.id, task.name)
        call = FilledCall(
            partial(task.fn, *([context] if task.takes_context else []), *args, **kwargs),
            filling,
            context=context,
            hold=hold,
            outbox=self._outbox,
            threads=None if task.is_async else around.threads,
            means=means,
        )
        on_loop = LoopCall(task.name, hold, self._ended, around.deadlines, call)
        on_loop.start(call.run, (), {}, task.policy.timeout_s)

    def _starts(self) -> None:
        """The function starts now; in its thread."""
        self._started_at = self._around.clock.now()

    def _ended(self, result: Any, error: BaseException | None, stuck: bool) -> None:
        task = cast("Task[Any, Any, Any]", self._task)
        if isinstance(error, asyncio.CancelledError) and self._around.closing():
            self._hold.why = self._hold.why or "stopping"
        try:
            now = self._around.clock.now()
            outcome = outcome_of(task, self._hold, result, error, self._started_at, now)
            if isinstance(outcome, RanOut) and self._message is not None:
                outcome = going_on(outcome, self._message, self._hold, task.policy, now)
            ran = Ran(outcome, task.policy, stuck, self._outbox)
        except BaseException as defect:
            if isinstance(defect, KeyboardInterrupt):
                raise
            ran = self._defect(defect)
        self._then(ran)

    def _defect(self, error: BaseException) -> Ran:
        delivery, around = self._hold.delivery, self._around
        log.error(
            "%s %s could not be run: a defect of twolane's own", delivery.task, delivery.id, exc_info=error
        )
        task = around.registry.get(delivery.task)
        failed = Failed(failure_of(error, self._started_at, around.clock.now()))
        return Ran(failed, Policy() if task is None else task.policy)

    def _new_context(self, task: Task[Any, Any, Any], loop_thread: int | None) -> TaskContext:
        goes_on = None if self._message is None else self._message.continuation
        return TaskContext(
            task=task.name,
            hold=self._hold,
            batcher=self._around.batcher,
            loop_thread=loop_thread,
            new_state=self._around.new_state,
            cursor=None if goes_on is None else goes_on.cursor,
        )


def _read(
    delivery: Delivery, registry: Registry, now: float
) -> tuple[Task[Any, Any, Any], Message, Mapping[str, Any] | str] | Ran:
    """What is to be called and its arguments, or the outcome that makes a call pointless."""
    values: Mapping[str, Any] | str
    try:
        if (usual := skim(delivery.body)) is not None:
            message, values = usual
        else:
            message = decode(delivery.body)
            values = message.args or {}
    except EnvelopeUnreadable as error:
        return Ran(Unrunnable(Reason.UNREADABLE, seen(error, now)), Policy())
    except EnvelopeTooNew as error:
        return _not_understood(Reason.UNKNOWN_VERSION, error, delivery, Policy().patience_s, now)
    if message.expires_at is not None and now >= message.expires_at:
        late = f"it still waited {now - message.expires_at:.0f} s after it expired"
        return Ran(Unrunnable(Reason.EXPIRED, Failure("Expired", late, "", now, now)), Policy())
    if message.continuation is not None and now >= message.continuation.deadline_at:
        return Ran(too_late(message.continuation.number, now), Policy())
    task = registry.get(message.task)
    if task is None or task.lane is not Lane.QUEUE:
        unknown = LookupError(f"no task named {message.task} in the queue lane of this app")
        return _not_understood(Reason.UNKNOWN_TASK, unknown, delivery, message.policy.patience_s, now)
    return task, message, values


def _stored_args(blobs: Blobs, ref: BlobRef) -> dict[str, Any]:
    with blobs.open(ref) as file:
        return cast("dict[str, Any]", json.load(file))


def _failed(error: BaseException, task: Task[Any, Any, Any], now: float) -> Ran:
    return Ran(Failed(failure_of(error, now, now)), task.policy)


def _not_understood(
    reason: Reason, error: Exception, delivery: Delivery, patience_s: float, now: float
) -> Ran:
    since = delivery.waits_since
    waited_s = 0.0 if since is None else now - since
    return Ran(NotUnderstood(reason, seen(error, now), waited_s, patience_s), Policy())
