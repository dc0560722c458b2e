"""What a worker does beside its deliveries: forget old records, delete blobs nobody names, pass deaths on."""

from __future__ import annotations

import logging
from collections.abc import Callable

from twolane.contracts.blobs import Blobs
from twolane.contracts.clock import Clock
from twolane.contracts.records import Records
from twolane.contracts.upkeep import Prune
from twolane.engine.batcher import Batcher
from twolane.engine.hand import aside
from twolane.engine.limits import Limits
from twolane.values.errors import BlobError

log = logging.getLogger("twolane.upkeep")

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
        on_deaths: called in the loop when somebody has died: who tells it is woken.
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
        on_deaths: Callable[[], None],
        sweeps_blobs: bool = True,
    ) -> None:
        self._sweeps_blobs = sweeps_blobs
        self._batcher = batcher
        self._records = records
        self._blobs = blobs
        self._clock = clock
        self._limits = limits
        self._on_deaths = on_deaths
        self._due = {"prune": 0.0, "blobs": clock.monotonic() + BLOBS_S}

    def deaths(self) -> None:
        """Somebody died; in the loop's thread."""
        self._on_deaths()

    async def tick(self) -> None:
        """Do what is due."""
        if self._is_due("prune", PRUNE_S):
            await self._batcher.ask(Prune(self._limits.keep_s))
        if self._sweeps_blobs and self._is_due("blobs", BLOBS_S):
            await aside(self.sweep_blobs, "sweep")

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

    def _is_due(self, what: str, every_s: float) -> bool:
        now = self._clock.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True
