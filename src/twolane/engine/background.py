"""The background lane: what runs after a response, under supervision (DESIGN.md section 4).

Calls of one request form a chain and run one after another; a chain is an asyncio task that this
module holds, so that neither a cancelled request nor the garbage collector can take it. Each call is
guarded (an exception stops nothing else), named, timed and counted; a shutdown waits for all of them
within a bound and names each one it loses. Not here: when a request's calls may start (fastapi/).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from typing import Any

from twolane.contracts.clock import Clock
from twolane.engine.limits import Limits
from twolane.engine.steps import Steps
from twolane.engine.task import Task
from twolane.engine.threads import Threads
from twolane.values.errors import UsageError
from twolane.values.ticket import Lane, Ticket

log = logging.getLogger("twolane.background")

LAST_WORDS_S = 1.0
"""How long a cancelled task may clean up before a shutdown goes on without it."""


class Call:
    """One call of a background task: bound to its signature, in the context it was made in.

    Attributes:
        task: the task.
        id: a name for the logs.
        started_at: when it began to run, in seconds of the monotonic clock; None: not yet.
    """

    __slots__ = ("args", "context", "id", "kwargs", "started_at", "task", "warned", "watch")

    def __init__(
        self, task: Task[Any, Any, Any], call_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.task = task
        self.id = call_id
        self.args = args
        self.kwargs = kwargs
        self.context: Context = copy_context()
        self.started_at: float | None = None
        self.warned = False
        self.watch: asyncio.TimerHandle | None = None

    @property
    def ticket(self) -> Ticket:
        """What the caller gets back."""
        return Ticket(id=self.id, task=self.task.name, lane=Lane.BACKGROUND)

    def __call__(self) -> Any:
        """Call the function in the captured context."""
        return self.context.run(self.task.fn, *self.args, **self.kwargs)


Run = Callable[[Call], Awaitable[None]]


class Background:
    """Supervises the background tasks of one process.

    Args:
        limits: threads, budget, and how long the event loop may be held.
        clock: durations.

    Attributes:
        done: how many calls succeeded, by task name.
        failed: how many raised.
        lost: how many a stop left unfinished or unstarted.
        rolled_back: how many never went since their request was answered with an error.
    """

    def __init__(self, *, limits: Limits, clock: Clock) -> None:
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.rolled_back: Counter[str] = Counter()
        self._limits = limits
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._chains: dict[asyncio.Task[None], deque[Call]] = {}
        self._waiters: set[asyncio.Future[None]] = set()
        self._threads: Threads | None = None

    @property
    def is_open(self) -> bool:
        """Whether an app or a worker runs in this process, so that `start` has a loop to run on."""
        return self._loop is not None

    @property
    def unfinished(self) -> int:
        """How many calls run or wait for their turn."""
        return sum(len(calls) for calls in self._chains.values())

    def prepare(
        self,
        task: Task[Any, Any, Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        id: str,  # noqa: A002  (the word of the API)
    ) -> Call:
        """Bind a call to the task's signature and keep a copy of the present context; nothing runs yet.

        Raises:
            ArgumentsRefused: the arguments do not fit the signature.
        """
        task.arguments.fit(args, kwargs)
        return Call(task, id, args, kwargs)

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """An app or a worker runs on this loop from now on."""
        self._loop = loop
        self._stopping = False

    def start(self, call: Call) -> None:
        """Start a call at once, from any thread.

        Raises:
            UsageError: no app or worker runs in this process.
        """
        loop = self._loop
        if loop is None or loop.is_closed():
            raise UsageError(
                f'task {call.task.name} is if_lost="ignore" and runs inside an app or a worker, and none has '
                f"been started in this process (a TestClient starts its app's lifespan when used as "
                f"`with TestClient(app)`). Call the function itself here."
            )
        if _runs_here(loop):
            self._begin([call], self.run)
        else:
            loop.call_soon_threadsafe(self._begin, [call], self.run)

    async def run_all(self, calls: Iterable[Call], run: Run | None = None) -> None:
        """Run the calls of one request, one after another; returns when they ended or a shutdown began.

        A cancellation ends the waiting, not the calls.

        Args:
            calls: in their order.
            run: runs one of them, by way of `self.run`.
        """
        chain = self._begin(calls, run or self.run)
        if self._stopping:
            return
        waiter = chain.get_loop().create_future()
        self._waiters.add(waiter)
        chain.add_done_callback(lambda _: _release(waiter))
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def begin(self, calls: Iterable[Call], run: Run | None = None) -> None:
        """Run the calls of one request, one after another, without waiting for them."""
        self._begin(calls, run or self.run)

    async def run(self, call: Call) -> None:
        """Run one call: guarded, timed and counted. Only a cancellation from outside gets through."""
        name = call.task.name
        self._watch(call, self._limits.background_budget_s)
        try:
            if call.task.is_async:
                call.started_at = self._clock.monotonic()
                await Steps(call(), call.context, self._clock.monotonic, lambda s: self._held(call, s))
            else:
                await self._in_a_thread(call)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                raise
            self.failed[name] += 1
            log.exception(
                "%s %s failed after %.3f s; it will not be tried again", name, call.id, self._age(call)
            )
        else:
            self.done[name] += 1
            log.info("%s %s done in %.3f s", name, call.id, self._age(call))
        finally:
            if call.watch is not None:
                call.watch.cancel()

    def begin_stop(self) -> None:
        """A shutdown begins: requests no longer wait for their calls, which go on. Safe from any thread."""
        self._stopping = True
        for waiter in tuple(self._waiters):
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits any more
                waiter.get_loop().call_soon_threadsafe(_release, waiter)

    async def drain(self, grace_s: float) -> None:
        """Wait for every call of this loop, then cancel what is left; each call lost is logged and counted."""
        self.begin_stop()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        if self.unfinished:
            log.info("%d background task(s) unfinished: waiting up to %g s", self.unfinished, grace_s)
        while (left := self._chains_of(loop)) and (remaining := deadline - loop.time()) > 0:
            await asyncio.wait(left, timeout=remaining)
        for chain in (left := self._chains_of(loop)):
            chain.cancel()
        if left:
            await asyncio.wait(left, timeout=LAST_WORDS_S)
        for chain in self._chains_of(loop):
            self._ended(chain)  # it would not be cancelled
        if self._threads is not None:
            self._threads.close()
        self._threads = self._loop = None
        self._stopping = False

    def _chains_of(self, loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[None]]:
        return [chain for chain in self._chains if chain.get_loop() is loop]

    def _begin(self, calls: Iterable[Call], run: Run) -> asyncio.Task[None]:
        waiting = deque(calls)
        name = f"twolane background {waiting[0].task.name}"
        chain = asyncio.get_running_loop().create_task(_one_after_another(waiting, run), name=name)
        self._chains[chain] = waiting
        chain.add_done_callback(self._ended)
        return chain

    def _ended(self, chain: asyncio.Task[None]) -> None:
        """Account for what a chain leaves behind: nothing, unless it was cancelled."""
        for call in self._chains.pop(chain, ()):
            self.lost[call.task.name] += 1
            state = "unstarted" if call.started_at is None else f"unfinished after {self._age(call):.3f} s"
            log.error("%s %s lost by the shutdown: %s", call.task.name, call.id, state)

    async def _in_a_thread(self, call: Call) -> None:
        """Run a sync call in a thread of the lane's own, never in one that serves endpoints."""
        if self._threads is None:
            self._threads = Threads(self._limits.background_threads, name="twolane-background")
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def job() -> None:
            if ended.cancelled():
                return  # given up by a shutdown before a thread was free
            call.started_at = self._clock.monotonic()
            error: BaseException | None = None
            try:
                call()
            except BaseException as raised:  # noqa: BLE001  (it is told by `run`)
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: it was lost, and told
                loop.call_soon_threadsafe(_release, ended, error)

        self._threads.submit(job)
        if (error := await ended) is not None:
            raise error

    def _age(self, call: Call) -> float:
        return 0.0 if call.started_at is None else self._clock.monotonic() - call.started_at

    def _held(self, call: Call, step_s: float) -> None:
        if step_s > self._limits.blocking_s and not call.warned:
            call.warned = True
            log.warning(
                "%s %s held the event loop for %.3f s, and every request of this process waited: await what "
                "blocks, or define the task with `def` so that it runs in a thread",
                call.task.name,
                call.id,
                step_s,
            )

    def _watch(self, call: Call, after_s: float) -> None:
        call.watch = asyncio.get_running_loop().call_later(after_s, self._check_budget, call)

    def _check_budget(self, call: Call) -> None:
        left_s = self._limits.background_budget_s - self._age(call)
        if left_s > 0:  # it has waited for a thread
            self._watch(call, left_s)
            return
        log.warning(
            "%s %s has been running for %.1f s. Ask the question again: if a human needs to know when it "
            'vanishes, define it with if_lost="alert"',
            call.task.name,
            call.id,
            self._age(call),
        )


async def _one_after_another(waiting: deque[Call], run: Run) -> None:
    """Run calls in turn; one that swallows its cancellation does not get the next one started."""
    while waiting and not _is_being_cancelled():
        await run(waiting[0])
        waiting.popleft()


def _is_being_cancelled() -> bool:
    chain = asyncio.current_task()
    return chain is not None and chain.cancelling() > 0


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _release(future: asyncio.Future[Any], result: Any = None) -> None:
    if not future.done():
        future.set_result(result)
