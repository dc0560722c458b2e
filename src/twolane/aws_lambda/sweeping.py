"""The second handler: what a worker process does beside its deliveries, for apps whose workers are functions.

    every minute: leases and lost messages -> dead-letter queues -> the watch -> metrics -> owed alerts -> blobs

The work is the backend's and the engine's, and a worker process calls the same; here it is one part after the other,
each with its share of the time. A part that fails is said, and the others go on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, cast

from twolane.aws_lambda.life import Life
from twolane.aws_lambda.metrics import line_of
from twolane.contracts.sweeping import SweepQueues, SweptQueue
from twolane.contracts.upkeep import Prune, Reap
from twolane.engine.runtime import Runtime
from twolane.values.errors import SettingsError
from twolane.wiring.target import load, opened

log = logging.getLogger("twolane.lambda")

RESERVE_S = 2.0
"""So long before the end the sweep begins to end, at most a tenth of its time."""
TELLING_PART = 0.5
"""Owed alerts take no more than this part of the time that is left: a target that hangs must not stop the rest."""


class Context(Protocol):
    """What Lambda tells of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Until the process is killed."""
        ...


class Sweep:
    """The handler of one app; see `twolane.aws_lambda.sweep`."""

    def __init__(self, app: str) -> None:
        self._app, self._tasks = load(app)
        settings = self._tasks.settings
        if isinstance(settings.queue, Path):
            raise SettingsError(
                f"a queue in a SQLite file is swept by its workers, and the queue is {settings.address}: set "
                "TWOLANE_QUEUE=sqs://NAME"
            )
        if settings.state is None:
            raise SettingsError(
                "without a state store there is nothing to sweep: set TWOLANE_STATE=dynamodb://TABLE, or alarm on the "
                "dead-letter queue itself"
            )
        self._runner = asyncio.Runner()
        self._life = Life(self._live)

    def __call__(self, event: Any, context: Context) -> dict[str, Any]:
        """Sweep once.

        Args:
            event: whatever the schedule sends.
            context: Lambda's.

        Returns:
            What each part has done, by its name; a part that failed has `error`.
        """
        del event
        return self._runner.run(self._invoke(context.get_remaining_time_in_millis() / 1000))

    def close(self) -> None:
        """Leave the app's lifespan; Lambda never does."""
        self._runner.run(self._life.leave())
        self._runner.close()

    async def _invoke(self, left_s: float) -> dict[str, Any]:
        await self._life.enter()
        return await Once(self._tasks.runtime, left_s).run()

    @asynccontextmanager
    async def _live(self) -> AsyncGenerator[None]:
        """Hooks of alerts may need what the app's lifespan opens."""
        async with opened(self._app, self._tasks):
            runtime, settings = self._tasks.runtime, self._tasks.settings
            thresholds = settings.thresholds if settings.watches else None
            runtime.informing.begin_sweeping(runtime.batcher, runtime.stores, runtime.limits, thresholds)
            yield


class Once:
    """One sweep.

    Args:
        runtime: what the process holds open.
        left_s: how much time is left, in seconds.
    """

    def __init__(self, runtime: Runtime, left_s: float) -> None:
        self._runtime = runtime
        self._monotonic = runtime.clock.monotonic
        self._until = self._monotonic() + left_s - min(RESERVE_S, left_s / 10)
        self._queue = cast("SweptQueue", runtime.stores.queue)
        tasks = runtime.registry.queue_tasks()
        self._queues = tuple(sorted({"default", *(task.queue for task in tasks)}))

    async def run(self) -> dict[str, Any]:
        """All parts, as far as the time goes; what each has done."""
        parts: dict[str, Callable[[], Awaitable[Any]]] = {
            "leases": self._leases,
            "dead_letter_queues": self._dead_letter_queues,
            "watch": self._watch,
            "metrics": self._metrics,
            "alerts": self._alerts,
            "blobs": self._blobs,
        }
        return {name: await self._do(name, part) for name, part in parts.items()}

    async def _do(self, name: str, part: Callable[[], Awaitable[Any]]) -> Any:
        """One part. What it does in a thread goes on behind its time: the process is frozen or ends with it."""
        if self._left_s() <= 0:
            log.warning("the sweep had no time for its part %s: give the function a longer time-out", name)
            return {"error": "no time was left"}
        try:
            async with asyncio.timeout(self._left_s()):
                return await part()
        except TimeoutError:
            log.warning("the sweep's part %s was not done in time; the next one goes on", name)
            return {"error": "it was not done in time"}
        except Exception as error:
            log.exception(
                "the sweep's part %s failed; the others go on, and the next sweep tries again", name
            )
            return {"error": f"{type(error).__name__}: {error}"}

    async def _leases(self) -> Any:
        reaped = await self._runtime.batcher.ask(Reap())
        await self._runtime.batcher.ask(Prune(self._runtime.limits.keep_s))
        return {"freed": reaped.freed, "buried": reaped.buried}

    async def _dead_letter_queues(self) -> Any:
        return {"buried": await self._runtime.batcher.ask(SweepQueues(self._queues))}

    async def _watch(self) -> Any:
        return {"leads": await self._runtime.informing.watch_once()}

    async def _metrics(self) -> Any:
        gauges = await asyncio.to_thread(self._queue.gauges, self._queues)
        now, address = self._runtime.clock.now(), self._runtime.stores.address
        for gauge in gauges:
            sys.stdout.write(f"{line_of(gauge, address, now)}{os.linesep}")
        sys.stdout.flush()
        return {gauge.queue: {"deaths": gauge.deaths, "backlog": gauge.backlog} for gauge in gauges}

    async def _alerts(self) -> Any:
        await self._runtime.informing.tell_owed(self._left_s() * TELLING_PART)
        telling = await asyncio.to_thread(self._runtime.stores.records.telling)
        owed = telling.last - telling.told
        if owed:
            log.warning("%d alert(s) are still owed to somebody; the next sweep goes on", owed)
        return {"owed": owed}

    async def _blobs(self) -> Any:
        swept = await asyncio.to_thread(self._queue.sweep_blobs, lambda: self._left_s() <= 0)
        return {"parts": swept.parts, "deleted": swept.deleted, "put_right": swept.put_right}

    def _left_s(self) -> float:
        return self._until - self._monotonic()
