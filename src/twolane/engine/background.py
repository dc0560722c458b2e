"""The background lane: what runs after a response, under supervision (DESIGN.md section 4).

Calls of one request form a chain and run one after another; a chain is an asyncio task that this
module holds, so that neither a cancelled request nor the garbage collector can take it. Each call is
guarded (an exception stops nothing else), named, timed and counted; a shutdown waits for all of them
within a bound and names each one it loses. Not here: when a request's calls may start (fastapi/).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
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
log_done = logging.getLogger("twolane.background.done")
"""Apart, since there may be as many of these lines as there are requests."""

LAST_WORDS_S = 1.0
"""How long a cancelled task may clean up before a shutdown goes on without it."""


class Call:
    """One call of a background task: bound to its signature, in the context it was made in.

    Attributes:
        task: the task.
        id: a name for the logs.
        started_at: when it began to run, in seconds of the monotonic clock; None: not yet.
    """

    __slots__ = ("args", "context", "held_the_loop", "id", "kwargs", "over_budget", "started_at", "task")

    def __init__(
        self, task: Task[Any, Any, Any], call_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.task = task
        self.id = call_id
        self.args = args
        self.kwargs = kwargs
        self.context: Context = copy_context()
        self.started_at: float | None = None
        self.over_budget = False
        self.held_the_loop = False

    @property
    def ticket(self) -> Ticket:
        """What the caller gets back."""
        return Ticket(id=self.id, task=self.task.name, lane=Lane.BACKGROUND)

    def __call__(self) -> Any:
        """Call the function in the captured context."""
        return self.context.run(self.task.fn, *self.args, **self.kwargs)

    def held(self, step_s: float) -> None:
        """Say once that a step of this call held up every request of the process."""
        if not self.held_the_loop:
            self.held_the_loop = True
            log.warning(
                "%s %s held the event loop for %.3f s, and every request of this process waited: await what "
                "blocks, or define the task with `def` so that it runs in a thread",
                self.task.name,
                self.id,
                step_s,
            )


class Chain:
    """Calls that run one after another, as one asyncio task.

    Attributes:
        calls: the one that runs and those that wait for their turn.
        waiter: what their request waits for; None: nobody waits.
    """

    __slots__ = ("calls", "waiter")

    def __init__(self, calls: Iterable[Call]) -> None:
        self.calls = deque(calls)
        self.waiter: asyncio.Future[None] | None = None

    def release(self) -> None:
        """Let their request go."""
        if self.waiter is not None:
            _resolve(self.waiter)


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
        self._hurried = False
        self._chains: dict[asyncio.Task[None], Chain] = {}
        self._threads: Threads | None = None
        self._watched: asyncio.AbstractEventLoop | None = None

    @property
    def is_open(self) -> bool:
        """Whether an app or a worker runs in this process, so that `start` has a loop to run on."""
        return self._loop is not None

    @property
    def stops(self) -> bool:
        """Whether a shutdown has begun: what runs for ever, such as an event stream, ends now."""
        return self._stopping

    @property
    def unfinished(self) -> int:
        """How many calls run or wait for their turn."""
        return sum(len(chain.calls) for chain in self._chains.values())

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
            self.begin([call])
        else:
            loop.call_soon_threadsafe(self.begin, [call])

    async def run_all(self, calls: Iterable[Call]) -> None:
        """Run the calls of one request, one after another; returns when they ended or a shutdown began.

        A cancellation ends the waiting, not the calls.
        """
        chain = self.begin(calls)
        await asyncio.sleep(0)  # the chain runs first: a short one has ended, and costs no waiter
        if chain.calls and not self._stopping:
            chain.waiter = asyncio.get_running_loop().create_future()
            await chain.waiter

    def begin(self, calls: Iterable[Call]) -> Chain:
        """Run calls one after another, without waiting for them; in an event loop."""
        loop = asyncio.get_running_loop()
        chain = Chain(calls)
        self._chains[loop.create_task(self._go_on(chain), name="twolane background tasks")] = chain
        if self._watched is not loop:
            self._watched = loop
            loop.call_later(self._limits.background_budget_s, self._check_budgets, loop)
        return chain

    async def _go_on(self, chain: Chain) -> None:
        """Run the calls of a chain; after one that swallows its cancellation the next does not start."""
        try:
            while chain.calls and not _is_being_cancelled():
                await self.run(chain.calls[0])
                if chain.calls:  # a shutdown has not given it up meanwhile
                    chain.calls.popleft()
        finally:
            self._end(asyncio.current_task())

    async def run(self, call: Call) -> None:
        """Run one call: guarded, timed and counted. Only a cancellation from outside gets through."""
        name = call.task.name
        try:
            if call.task.is_async:
                call.started_at = self._clock.monotonic()
                await Steps(call(), call.context, self._clock.monotonic, self._limits.blocking_s, call.held)
            else:
                await self._in_a_thread(call)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                raise
            self.failed[name] += 1
            log.exception("%s %s failed after %.3f s; it is not tried again", name, call.id, self._age(call))
        else:
            self.done[name] += 1
            if log_done.isEnabledFor(logging.INFO):
                log_done.info("%s %s done in %.3f s", name, call.id, self._age(call))

    async def idle(self) -> None:
        """Wait until no call runs or waits on this loop, for tests that drain."""
        while left := self._tasks_of(asyncio.get_running_loop()):
            await asyncio.wait(left)

    def begin_stop(self) -> None:
        """A shutdown begins: requests no longer wait for their calls, which go on. Safe from any thread."""
        self._stopping = True
        for task, chain in tuple(self._chains.items()):
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits any more
                task.get_loop().call_soon_threadsafe(chain.release)

    def hurry(self) -> None:
        """Cancel what runs, and give what still comes no time; in the loop's thread."""
        self._hurried = True
        for task in self._tasks_of(asyncio.get_running_loop()):
            task.cancel()

    async def drain(self, grace_s: float) -> None:
        """Wait for every call of this loop, then cancel what is left; each call lost is logged and counted."""
        self.begin_stop()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (0.0 if self._hurried else grace_s)
        if self.unfinished:
            log.info("%d background task(s) unfinished: waiting up to %g s", self.unfinished, grace_s)
        while (left := self._tasks_of(loop)) and (remaining := deadline - loop.time()) > 0:
            await asyncio.wait(left, timeout=remaining)
        for task in (left := self._tasks_of(loop)):
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=LAST_WORDS_S)
        for task in self._tasks_of(loop):
            self._end(task)  # it would not be cancelled, or had no time to begin
        if self._threads is not None:
            self._threads.close()
        self._threads = self._loop = None
        self._stopping = self._hurried = False

    def _tasks_of(self, loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[None]]:
        return [task for task in self._chains if task.get_loop() is loop]

    def _end(self, task: asyncio.Task[Any] | None) -> None:
        """Forget a chain, and account for what it leaves behind: nothing, unless it was cancelled."""
        if task is None or (chain := self._chains.pop(task, None)) is None:
            return
        chain.release()
        while chain.calls:
            call = chain.calls.popleft()
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
                _check_ended(call())
            except BaseException as raised:  # noqa: BLE001  (it is told by `run`)
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: it was lost, and told
                loop.call_soon_threadsafe(_resolve, ended, error)

        self._threads.submit(job)
        if (error := await ended) is not None:
            raise error

    def _age(self, call: Call) -> float:
        return 0.0 if call.started_at is None else self._clock.monotonic() - call.started_at

    def _check_budgets(self, loop: asyncio.AbstractEventLoop) -> None:
        """Warn about the calls of this loop that outlived the budget, and look again while there are any."""
        budget_s = self._limits.background_budget_s
        running = [self._chains[task].calls[0] for task in self._tasks_of(loop) if self._chains[task].calls]
        for call in running:
            if not call.over_budget and self._age(call) >= budget_s:
                call.over_budget = True
                log.warning(
                    "%s %s has been running for %.1f s. Ask the question again: if a human needs to know when "
                    'it vanishes, define it with if_lost="alert"',
                    call.task.name,
                    call.id,
                    self._age(call),
                )
        if not running:
            self._watched = None
            return
        left_s = [budget_s - self._age(call) for call in running if not call.over_budget]
        loop.call_later(max(min(left_s, default=budget_s), budget_s / 100), self._check_budgets, loop)


def _is_being_cancelled() -> bool:
    chain = asyncio.current_task()
    return chain is not None and chain.cancelling() > 0


def _check_ended(result: object) -> None:
    """A sync function that returns a coroutine has done nothing yet, and nobody would await it."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(
            "the function returned a coroutine: define it with `async def`, its decorators included"
        )


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _resolve(future: asyncio.Future[Any], result: Any = None) -> None:
    if not future.done():
        future.set_result(result)
