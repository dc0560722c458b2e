"""The app's lifespan, wrapped: the lanes open inside the user's own, and close before it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import FrameType, SimpleNamespace
from typing import Any, Protocol

from starlette.datastructures import State
from starlette.types import Lifespan

from twolane.engine.runtime import Runtime
from twolane.fastapi.server_log import logged_as_by_the_server
from twolane.wiring.installed import Installed

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def with_lanes(lifespan: Lifespan[Any], tasks: Installed) -> Lifespan[Any]:
    """A lifespan that enters `lifespan` and then opens the lanes."""

    @asynccontextmanager
    async def wrapped(app: Any) -> AsyncGenerator[Any]:
        async with lifespan(app) as state:
            runtime = tasks.runtime
            if runtime.background.is_open:  # an outer app, or the worker, has opened them
                yield state
                return
            runtime.new_state = partial(_new_state, state)
            try:
                async with _open(runtime):
                    yield state
            finally:
                runtime.new_state = SimpleNamespace

    return wrapped


def _new_state(yielded: Mapping[str, Any] | None) -> State:
    """What the lifespan yielded, for one attempt of a task: as Starlette makes `request.state`, with its own copy."""
    return State(dict(yielded or {}))


@asynccontextmanager
async def _open(runtime: Runtime) -> AsyncGenerator[None]:
    loop = asyncio.get_running_loop()
    runtime.background.open(loop)
    grace_s = runtime.limits.grace_s

    def on_signal(*, again: bool) -> None:
        loop.call_soon_threadsafe(runtime.hurry if again else runtime.begin_stop)

    with logged_as_by_the_server(), _signals_also_to(on_signal):
        try:
            await runtime.start()
            yield
        except asyncio.CancelledError:
            grace_s = 0.0  # a forced exit: nobody waits any more
            raise
        finally:
            await runtime.stop(grace_s)


class OnSignal(Protocol):
    """Hears of a signal; `again`: the same one as before."""

    def __call__(self, *, again: bool) -> None:
        """Return at once."""
        ...


@contextmanager
def _signals_also_to(on_signal: OnSignal) -> Generator[None]:
    """Hear of SIGTERM and SIGINT at once: a server tells an app only after all its requests have ended.

    The handler that was there before is called too. Where there is none to call (the signal ends the
    process by itself) or in another thread than the main one nothing is done. The same signal twice
    hurries; SIGINT and then SIGTERM do not, since that is one Ctrl-C on a server with several processes.
    """
    ours: dict[signal.Signals, tuple[Any, Any]] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if callable(before):
                ours[number] = (_chain(on_signal, before), before)
                signal.signal(number, ours[number][0])
    try:
        yield
    finally:
        for number, (handler, before) in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, before)


def _chain(on_signal: OnSignal, before: Callable[[int, FrameType | None], Any]) -> Any:
    seen = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal seen
        on_signal(again=seen)
        seen = True
        before(number, frame)

    return handle
