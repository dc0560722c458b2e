"""What a process does so that people are told: the teller, which sends what is owed, and the watch, which finds what is wrong."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from twolane.contracts.clock import Clock
from twolane.contracts.outbox import OweNotice
from twolane.engine.batcher import Batcher
from twolane.engine.hand import aside
from twolane.engine.limits import Limits
from twolane.engine.targets import HookTarget, LogTarget, Target
from twolane.engine.task import Registry
from twolane.engine.teller import Teller
from twolane.engine.watching import Watching
from twolane.values.thresholds import Thresholds

if TYPE_CHECKING:
    from twolane.engine.runtime import Stores

log = logging.getLogger("twolane.runtime")


class Informing:
    """The teller and the watch of one process.

    Args:
        registry: the hooks, and each task's reason for its answer.
        clock: where time comes from.
        new_id: makes the id under which the process leads the watch.
        targets: makes the targets of alerts beside the log and the hooks, when the process starts.
        tells: whether this process tells what is owed.
        thresholds: of the watch; None: this process does not watch.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        new_id: Callable[[], str],
        *,
        targets: Callable[[], Sequence[Target]],
        tells: bool,
        thresholds: Thresholds | None,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._new_id = new_id
        self._make_targets = targets
        self._tells = tells
        self._thresholds = thresholds
        self._teller: Teller | None = None
        self._watching: Watching | None = None

    def start_telling(self, batcher: Batcher, stores: Stores, limits: Limits) -> None:
        """Send what is owed from now on; in the loop."""
        if self._tells:
            self._teller = self._make_teller(batcher, stores, limits)
            self._teller.start()

    async def tell_now(self, batcher: Batcher, stores: Stores, limits: Limits) -> None:
        """Send what is owed, within a few seconds, and no more: of a process that stands still most of the time."""
        await self._make_teller(batcher, stores, limits).finish()

    def _make_teller(self, batcher: Batcher, stores: Stores, limits: Limits) -> Teller:
        hooks = [HookTarget(name, hook) for name, hook in self._registry.hooks.items()]
        return Teller(
            batcher,
            stores.records,
            [LogTarget(), *self._make_targets(), *hooks],
            self._clock,
            digest_s=limits.digest_s,
            because=self._because,
            address=stores.address,
        )

    def start_watch(self, batcher: Batcher, stores: Stores, limits: Limits) -> None:
        """Watch along; in the loop. Any process may lead. A queue that is gone with its process needs none."""
        if self._thresholds is not None and stores.queue.capabilities.durable:
            self._watching = self._make_watching(batcher, stores, limits, self._thresholds)
            self._watching.start()

    def _make_watching(
        self, batcher: Batcher, stores: Stores, limits: Limits, thresholds: Thresholds
    ) -> Watching:
        loop = asyncio.get_running_loop()

        def on_notices(_: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: another process sends them
                loop.call_soon_threadsafe(self.wake)

        return Watching(
            batcher,
            stores.records,
            self._clock,
            premises=stores.premises,
            thresholds=thresholds,
            limits=limits,
            new_id=self._new_id,
            on_notices=on_notices,
        )

    def wake(self) -> None:
        """Something is owed: tell it now rather than at the next look; in the loop's thread."""
        if self._teller is not None:
            self._teller.wake()

    def begin_sweeping(
        self, batcher: Batcher, stores: Stores, limits: Limits, thresholds: Thresholds | None
    ) -> None:
        """Tell and watch when asked to, and not by itself: for a process that stands still most of the time."""
        self._teller = self._teller or self._make_teller(batcher, stores, limits)
        if self._watching is None and thresholds is not None:
            self._watching = self._make_watching(batcher, stores, limits, thresholds)

    async def watch_once(self) -> bool:
        """Look now, if nobody else leads; whether this process does."""
        if self._watching is None:
            return False
        await asyncio.to_thread(self._watching.turn)
        return self._watching.leads

    async def tell_owed(self, within_s: float) -> None:
        """Tell until nobody is due, or the time is over: what is under way goes on."""
        if self._teller is None:
            return
        self._teller.wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._teller.settle()

    def begin_stop(self) -> None:
        """Give the lead of the watch back: another may have it while this process drains."""
        if self._watching is not None:
            self._watching.begin_stop()

    async def stop_watch(self) -> None:
        """Wait for the end of the look under way."""
        watching, self._watching = self._watching, None
        if watching is not None:
            await aside(watching.stop, "watch-stop")

    async def finish(self) -> None:
        """Tell what can still be told."""
        if self._teller is not None:
            await self._teller.finish()
            self._teller = None

    def report_stuck(self, batcher: Batcher) -> None:
        """Owe people a notice: nothing dies of it, but sync work waits until somebody acts."""
        title = f"process {os.getpid()} takes no more sync work of the queue lane: too many sync tasks ignore their time-out"
        body = "Restart it; give the tasks time-outs of their own, or call ctx.checkpoint in their loops."
        log.critical("%s. %s", title, body)
        batcher.submit(OweNotice("stuck-sync-tasks", title, body), _noted)
        self.wake()

    def _because(self, name: str) -> str:
        task = self._registry.get(name)
        return "" if task is None else task.because


def _noted(answer: int | Exception) -> None:
    if isinstance(answer, Exception):
        log.error("nobody but this log is told that sync work waits: %s", answer)
