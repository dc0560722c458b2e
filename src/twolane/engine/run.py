"""Run one delivery: from its body to an outcome. Three small rooms: run, decide, settle; this is the first.

`read` turns a body into a call or into the outcome that makes a call pointless; `Call.outcome` makes
the call. Nothing here decides or settles. Each step is announced to an observer that is passed in, so
that a test can stop the process at any of them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass, replace
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
from twolane.engine.failures import failure_of, seen
from twolane.engine.filling import Filling
from twolane.engine.hold import Hold
from twolane.engine.outbox import Outbox
from twolane.engine.outcomes import interrupted, outcome_of, report_late
from twolane.engine.task import Registry, Task
from twolane.engine.threads import Threads
from twolane.values.errors import (
    ArgumentsRefused,
    DefinitionError,
    EnvelopeTooNew,
    EnvelopeUnreadable,
    Interrupted,
    UsageError,
)
from twolane.values.message import Message, decode
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

UNHEEDED_S = 10.0
"""How long an async task may go on after it was cancelled before its slot is given up, in seconds."""

Observer = Callable[[str, Delivery], None]
"""Told the name of each step of a delivery before it is made: read, call, decide, settle, settled."""


def unobserved(step: str, delivery: Delivery) -> None:
    """The observer of a product: none."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What running a delivery needs: the tasks, the stores, the clock, the threads for sync tasks.

    Beside them who observes it, what makes `ctx.state`, and what tasks take whose parameters the worker fills.
    """

    registry: Registry
    blobs: Blobs
    batcher: Batcher
    clock: Clock
    threads: Threads
    observer: Observer = unobserved
    new_state: Callable[[], Any] = SimpleNamespace
    means: Means | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A delivery whose task is known and whose arguments are validated."""

    task: Task[Any, Any, Any]
    message: Message
    args: list[Any]
    kwargs: dict[str, Any]


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
    delivery, began_at = hold.delivery, around.clock.now()
    try:
        return await _run(hold, around)
    except Exception as error:
        log.exception("%s %s could not be run: a defect of twolane's own", delivery.task, delivery.id)
        task = around.registry.get(delivery.task)
        failed = Failed(failure_of(error, began_at, around.clock.now()))
        return Ran(failed, Policy() if task is None else task.policy)


async def _run(hold: Hold, around: Surroundings) -> Ran:
    delivery = hold.delivery
    around.observer("read", delivery)
    ready = await _read(delivery, around)
    if isinstance(ready, Ran):
        return ready
    around.observer("call", delivery)
    with trace.attached(ready.message.trace):
        if ready.task.filling is not None:
            ran = await _run_filled(ready, ready.task.filling, hold, around)
        elif ready.task.is_async:
            ran = await _run_async(ready, hold, around)
        else:
            ran = await _run_sync(ready, hold, around)
    if isinstance(ran.outcome, RanOut):
        goes_on = going_on(ran.outcome, ready.message, hold, ready.task.policy, around.clock.now())
        return replace(ran, outcome=goes_on)
    return ran


async def _read(delivery: Delivery, around: Surroundings) -> Ready | Ran:
    """The body as a call, or the outcome that makes a call pointless."""
    now = around.clock.now()
    try:
        message = decode(delivery.body)
    except EnvelopeUnreadable as error:
        return Ran(Unrunnable(Reason.UNREADABLE, seen(error, now)), Policy())
    except EnvelopeTooNew as error:
        return _not_understood(Reason.UNKNOWN_VERSION, error, delivery, Policy().patience_s, now)
    if message.expires_at is not None and now >= message.expires_at:
        late = f"it still waited {now - message.expires_at:.0f} s after it expired"
        return Ran(Unrunnable(Reason.EXPIRED, Failure("Expired", late, "", now, now)), Policy())
    if message.continuation is not None and now >= message.continuation.deadline_at:
        return Ran(too_late(message.continuation.number, now), Policy())
    task = around.registry.get(message.task)
    if task is None or task.lane is not Lane.QUEUE:
        unknown = LookupError(f"no task named {message.task} in the queue lane of this app")
        return _not_understood(Reason.UNKNOWN_TASK, unknown, delivery, message.policy.patience_s, now)
    try:
        args, kwargs = await _load(task, message, around)
    except (ArgumentsRefused, DefinitionError) as error:
        return _not_understood(Reason.INVALID_ARGUMENTS, error, delivery, task.policy.patience_s, now)
    except Exception as error:  # noqa: BLE001  (a blob that is gone, a validator of the user's)
        return Ran(Failed(failure_of(error, now, now)), task.policy)
    return Ready(task, message, args, kwargs)


async def _load(
    task: Task[Any, Any, Any], message: Message, around: Surroundings
) -> tuple[list[Any], dict[str, Any]]:
    values = message.args
    if message.args_blob is not None:
        ref = message.args_blob

        def fetch() -> dict[str, Any]:
            with around.blobs.open(ref) as file:
                return cast("dict[str, Any]", json.load(file))

        values = await asyncio.to_thread(fetch)
    return task.arguments.load(values or {}, {"open_blob": around.blobs.open})


async def _run_async(ready: Ready, hold: Hold, around: Surroundings) -> Ran:
    """Await a coroutine function on this loop."""
    context = _context(ready, hold, around, threading.get_ident())
    call = cast("Coroutine[Any, Any, Any]", ready.task.fn(*context, *ready.args, **ready.kwargs))
    return await _await(call, ready, hold, around)


async def _run_filled(ready: Ready, filling: Filling, hold: Hold, around: Surroundings) -> Ran:
    """Await the call of a function, sync or async, whose parameters are filled on this loop."""
    task, means = ready.task, around.means
    if means is None:
        raise UsageError(f"nothing here fills the parameters of {task.name}")
    context = _new_context(ready, hold, around, threading.get_ident())
    outbox = means.open_outbox(hold.delivery.id, task.name)
    call = FilledCall(
        partial(task.fn, *([context] if task.takes_context else []), *ready.args, **ready.kwargs),
        filling,
        context=context,
        hold=hold,
        outbox=outbox,
        threads=None if task.is_async else around.threads,
        means=means,
    )
    ran = await _await(call.run(), ready, hold, around, call)
    return replace(ran, outbox=outbox)


async def _await(
    call: Coroutine[Any, Any, Any],
    ready: Ready,
    hold: Hold,
    around: Surroundings,
    filled: FilledCall | None = None,
) -> Ran:
    """Await a coroutine; cancelled when the hold is interrupted, but not while its function is in a thread."""
    loop = asyncio.get_running_loop()
    started_at = around.clock.now()
    running = loop.create_task(_guarded(call))
    ended: asyncio.Future[None] = loop.create_future()

    def let_go() -> None:
        if not ended.done():
            ended.set_result(None)

    def end() -> None:
        if filled is not None and filled.begun and hold.why == "cancelled":
            return  # it waits for the function's checkpoint
        if filled is not None and filled.give_up():
            let_go()
            return
        running.cancel()
        loop.call_later(UNHEEDED_S, let_go)

    running.add_done_callback(lambda _: let_go())
    hold.on_interrupt(lambda: _call_in(loop, end))
    timer = loop.call_later(ready.task.policy.timeout_s, hold.interrupt, "timed_out")
    try:
        await ended
    finally:
        timer.cancel()
    if not running.done():
        running.add_done_callback(partial(report_late, ready.task.name, hold.delivery.id))
        if filled is None or not filled.given_up:
            log.error(
                "%s %s ignores its cancellation (%s); its slot is given up",
                ready.task.name, hold.delivery.id, hold.why,
            )  # fmt: skip
        return Ran(
            interrupted(ready.task, hold, started_at, around.clock.now()), ready.task.policy, stuck=True
        )
    error = asyncio.CancelledError() if running.cancelled() else running.exception()
    result = None if error is not None else running.result()
    return Ran(outcome_of(ready.task, hold, result, error, started_at, around.clock.now()), ready.task.policy)


async def _guarded(call: Coroutine[Any, Any, Any]) -> Any:
    """A task's sys.exit() is a failure of the task: asyncio would let it end the whole process."""
    try:
        return await call
    except SystemExit as error:
        raise RuntimeError(f"the task called sys.exit({error.code!r})") from error


async def _run_sync(ready: Ready, hold: Hold, around: Surroundings) -> Ran:
    """Call a function in a thread; the slot is given up when the hold is interrupted by the outside."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    call = _SyncCall(ready, hold, around, loop, ended)
    around.threads.submit(call.run, call.tell, reserved=hold.take_thread())

    def end() -> None:
        if not ended.done() and hold.why != "cancelled":  # a cancellation waits for the function's checkpoint
            ended.set_result((None, Interrupted(hold.why or "")))

    hold.on_interrupt(lambda: _call_in(loop, end))
    result, error = await ended
    stuck = call.give_up()
    outcome = outcome_of(ready.task, hold, result, error, call.started_at, around.clock.now())
    return Ran(outcome, ready.task.policy, stuck=stuck)


class _SyncCall:
    """One call of a sync function in a thread: starts its own time-out, says when it has ended."""

    def __init__(
        self,
        ready: Ready,
        hold: Hold,
        around: Surroundings,
        loop: asyncio.AbstractEventLoop,
        ended: asyncio.Future[tuple[Any, BaseException | None]],
    ) -> None:
        self._ready = ready
        self._hold = hold
        self._around = around
        self._loop = loop
        self._ended = ended
        self._context = copy_context()
        self._guard = threading.Lock()
        self._over = False
        self._begun = False
        self._given_up = False
        self._timer: asyncio.TimerHandle | None = None
        self._result: Any = None
        self._error: BaseException | None = None
        self.started_at = around.clock.now()

    def run(self) -> None:
        """Call the function; in a thread of the pool."""
        with self._guard:
            self._begun = True
            if self._given_up:
                return
        self.started_at = self._around.clock.now()
        self._in_loop(self._start_timer)
        try:
            self._hold.check()
            self._result = self._context.run(self._call)
        except BaseException as raised:  # noqa: BLE001  (becomes the outcome)
            self._error = raised
        with self._guard:
            self._over = True
            if self._given_up:
                self._around.threads.came_back()

    def tell(self) -> None:
        """Say that the function has ended, once its thread is free: the worker receives for it then."""
        self._in_loop(self._end)

    def give_up(self) -> bool:
        """The delivery ends now; True if the function goes on in its thread all the same."""
        with self._guard:
            if self._timer is not None:
                self._timer.cancel()
            if self._over:
                return False
            self._given_up = True
            if self._begun:
                self._around.threads.give_up()
            return self._begun

    def _call(self) -> Any:
        context = _context(self._ready, self._hold, self._around, None)
        result = self._ready.task.fn(*context, *self._ready.args, **self._ready.kwargs)
        return checked_result(result)

    def _start_timer(self) -> None:
        with self._guard:
            if not self._over:
                timeout_s = self._ready.task.policy.timeout_s
                self._timer = self._loop.call_later(timeout_s, self._hold.interrupt, "timed_out")

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result((self._result, self._error))

    def _in_loop(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop is closed: the worker has stopped and released the delivery
            log.warning(
                "%s %s ended after its worker had stopped", self._ready.task.name, self._hold.delivery.id
            )


def _call_in(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(callback)


def _context(ready: Ready, hold: Hold, around: Surroundings, loop_thread: int | None) -> list[TaskContext]:
    if not ready.task.takes_context:
        return []
    return [_new_context(ready, hold, around, loop_thread)]


def _new_context(ready: Ready, hold: Hold, around: Surroundings, loop_thread: int | None) -> TaskContext:
    goes_on = ready.message.continuation
    return TaskContext(
        task=ready.task.name,
        hold=hold,
        batcher=around.batcher,
        loop_thread=loop_thread,
        new_state=around.new_state,
        cursor=None if goes_on is None else goes_on.cursor,
    )


def _not_understood(
    reason: Reason, error: Exception, delivery: Delivery, patience_s: float, now: float
) -> Ran:
    since = delivery.waits_since
    waited_s = 0.0 if since is None else now - since
    return Ran(NotUnderstood(reason, seen(error, now), waited_s, patience_s), Policy())
