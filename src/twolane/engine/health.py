"""Whether this process can do its work: what probes ask. Cheap: however many ask, it looks once a second.

No sentence of an error, no path and no address is in it: whoever can reach the app can read it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from twolane.contracts.watch import Probe
from twolane.engine.hand import aside
from twolane.engine.runtime import Runtime
from twolane.values.condition import Phase, Standing, WatchState
from twolane.values.errors import QueueError, SettingsError, UsageError
from twolane.values.snapshot import Premises

log = logging.getLogger("twolane.health")

T = TypeVar("T")

FRESH_S = 1.0
"""For so long an answer is given again."""
PATIENCE_S = 2.0
"""A queue that does not answer within this time cannot be used."""
LEAST_FREE_BYTES = 32 * 1024 * 1024
"""With less on a disk nothing more can be taken in. Nearly full is earlier, and only a condition."""

OK = "ok"
OFF = "off"


@dataclass(frozen=True, slots=True)
class Health:
    """What was found.

    Attributes:
        checks: of queue, worker and disk: `ok`, `off` where there is nothing to check, or what is wrong.
        conditions: what holds in the whole queue, by the watch.
        watched: some process leads the watch.
    """

    checks: dict[str, str]
    conditions: tuple[Standing, ...] = ()
    watched: bool = False

    @property
    def ready(self) -> bool:
        """Whether requests may come."""
        return all(each in (OK, OFF) for each in self.checks.values())


class HealthCheck:
    """Looks at most once a second, and once at a time.

    Args:
        runtime: answers what this process holds open.
    """

    def __init__(self, runtime: Callable[[], Runtime]) -> None:
        self._runtime = runtime
        self._found: Health | None = None
        self._until = 0.0
        self._looking = _OneAtATime(self._look)
        self._writing = _OneAtATime(self._write)
        self._reading = _OneAtATime(lambda: aside(self._read, "health"))

    async def health(self) -> Health:
        """What was found within the last second."""
        if self._found is None or asyncio.get_running_loop().time() >= self._until:
            await self._looking.ask(None)
        return self._found or Health({"queue": "cannot be read", "worker": OFF, "disk": OFF})

    async def _look(self) -> None:
        self._found = await self._what_is()
        self._until = asyncio.get_running_loop().time() + FRESH_S

    async def _what_is(self) -> Health:
        runtime = self._runtime()
        if not runtime.registry.queue_tasks():
            return Health(dict.fromkeys(("queue", "worker", "disk"), OFF))
        if runtime.background.stops:
            return Health({"queue": OFF, "worker": "stopping", "disk": OFF})
        written, read = await asyncio.gather(self._writing.ask(PATIENCE_S), self._reading.ask(PATIENCE_S))
        worker = {None: OFF, True: OK, False: "not receiving"}[runtime.receives]
        if not read:
            return Health({"queue": "cannot be read", "worker": worker, "disk": OFF})
        state, here = read[0]
        is_full = any(disk.free_bytes < LEAST_FREE_BYTES for disk in here.disks)
        return Health(
            {
                "queue": OK if written else "cannot be written",
                "worker": worker,
                "disk": "full" if is_full else OK,
            },
            tuple([each for each in state.standings if each.phase is Phase.HOLDING]),
            watched=state.is_led(runtime.clock.now()),
        )

    async def _write(self) -> None:
        await self._runtime().batcher.ask(Probe())

    def _read(self) -> tuple[WatchState, Premises]:
        stores = self._runtime().stores
        return stores.records.watch_state(), stores.premises()


class _OneAtATime(Generic[T]):
    """Asks again only when the last question was answered, so that a queue that hangs gathers no askers.

    Args:
        question: what to ask.
    """

    def __init__(self, question: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._question = question
        self._asked: asyncio.Task[T] | None = None

    async def ask(self, patience_s: float | None) -> tuple[T] | None:
        """The answer; None: the queue cannot be used, or does not answer in time.

        Args:
            patience_s: how long to wait, in seconds; None: as long as it takes.
        """
        loop = asyncio.get_running_loop()
        if self._asked is None or self._asked.done() or self._asked.get_loop() is not loop:
            self._asked = loop.create_task(self._question())
            self._asked.add_done_callback(_heard)
        try:
            async with asyncio.timeout(patience_s):
                return (await asyncio.shield(self._asked),)
        except (QueueError, UsageError, SettingsError, TimeoutError) as error:
            log.debug("a health check went wrong: %s", error or "no answer in time")
            return None


def _heard(asked: asyncio.Task[Any]) -> None:
    """An answer that comes too late, and is an error, has been noticed all the same."""
    if not asked.cancelled():
        asked.exception()
