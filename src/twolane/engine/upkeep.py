"""What a worker does beside its deliveries: tell owed alerts, forget old records, delete blobs nobody names."""

from __future__ import annotations

import asyncio
import logging

from twolane.contracts.blobs import Blobs
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Prune
from twolane.contracts.records import Records
from twolane.engine.batcher import Batcher
from twolane.engine.limits import Limits
from twolane.engine.telling import Target, tell_owed
from twolane.values.errors import BlobError, QueueError, UsageError

log = logging.getLogger("twolane.upkeep")

ALERTS_S = 2.0
PRUNE_S = 60.0
BLOBS_S = 600.0


class Upkeep:
    """Done at a worker's polls, each at its own pace.

    Args:
        batcher: the way to the queue.
        records: which blobs are named.
        blobs: the store of blobs.
        clock: the pace.
        limits: how long things are kept.
        target: where alerts are told.
        sweeps_blobs: blobs that no message names are deleted here; else somebody else does that.
    """

    def __init__(
        self,
        batcher: Batcher,
        records: Records,
        blobs: Blobs,
        clock: Clock,
        *,
        limits: Limits,
        target: Target,
        sweeps_blobs: bool = True,
    ) -> None:
        self._sweeps_blobs = sweeps_blobs
        self._batcher = batcher
        self._records = records
        self._blobs = blobs
        self._clock = clock
        self._limits = limits
        self._target = target
        self._due = {"alerts": 0.0, "prune": 0.0, "blobs": clock.monotonic() + BLOBS_S}
        self._telling: asyncio.Task[None] | None = None

    def deaths(self) -> None:
        """Somebody died: tell at once; in the loop's thread."""
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell())
        else:
            self._due["alerts"] = 0.0

    async def tick(self) -> None:
        """Do what is due."""
        if self._is_due("alerts", ALERTS_S):
            self.deaths()
        if self._is_due("prune", PRUNE_S):
            await self._batcher.ask(Prune(self._limits.keep_s))
        if self._sweeps_blobs and self._is_due("blobs", BLOBS_S):
            await asyncio.to_thread(self.sweep_blobs)

    async def finish(self) -> None:
        """Tell what is owed before the worker leaves."""
        if self._telling is not None:
            await self._telling
        await self._tell()

    def sweep_blobs(self) -> int:
        """Delete blobs that no kept message names; answers how many. Blocks.

        A kept message is one that waits, runs or is dead, or a finished one that is not pruned yet.
        """
        oldest = self._clock.now() - self._limits.orphan_s
        old = [key for key, stored_at in self._blobs.stored() if stored_at < oldest]
        if not old:
            return 0
        used = self._records.blobs_in_use()
        gone = 0
        for key in old:
            if key in used:
                continue
            try:
                self._blobs.delete(key)
                gone += 1
            except BlobError as error:
                log.warning("a blob that no message names cannot be deleted: %s", error)
        if gone:
            log.info("%d blob(s) that no message names were deleted", gone)
        return gone

    async def _tell(self) -> None:
        try:
            await tell_owed(self._batcher, self._target)
        except (QueueError, UsageError) as error:
            log.warning("owed alerts cannot be read now (%s); tried again in %g s", error, ALERTS_S)

    def _is_due(self, what: str, every_s: float) -> bool:
        now = self._clock.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True
