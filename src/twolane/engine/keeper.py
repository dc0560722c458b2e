"""The lease keeper: extends the leases of what a worker runs, from a thread of its own.

From a thread, so that a task that blocks the event loop keeps its lease (DESIGN.md section 4).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from twolane.contracts.queue import Extend
from twolane.engine.batcher import Batcher
from twolane.engine.hold import Hold
from twolane.values.errors import QueueError, UsageError

log = logging.getLogger("twolane.keeper")


class LeaseKeeper:
    """Extends leases every third of their length.

    Args:
        batcher: the way to the queue.
        holds: what is held now; called from the keeper's thread.
        lease_s: to how many seconds from now a lease is lengthened.
        loop_runs: whether the event loop of what is held runs, be it blocked; called from the keeper's thread.
    """

    def __init__(
        self,
        batcher: Batcher,
        holds: Callable[[], Sequence[Hold]],
        lease_s: float,
        loop_runs: Callable[[], bool],
    ) -> None:
        self._batcher = batcher
        self._holds = holds
        self._lease_s = lease_s
        self._loop_runs = loop_runs
        self._has_said = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="twolane-keeper", daemon=True)
        self._thread.start()

    def extend(self) -> None:
        """Extend all leases now; a lost one interrupts its task.

        Without its event loop nothing that is held can be settled here any more: those leases shall end.
        """
        holds = self._holds()
        if not holds:
            return
        if not self._loop_runs():
            self._say_that_the_loop_is_gone(len(holds))
            return
        try:
            answers = self._batcher.ask_blocking(
                Extend(tuple(hold.delivery.receipt for hold in holds), self._lease_s)
            )
        except (QueueError, UsageError) as error:
            log.warning(
                "%d lease(s) could not be extended: %s; tried again before they end", len(holds), error
            )
            return
        for hold, answer in zip(holds, answers, strict=True):
            if not answer.held and hold in self._holds():
                log.warning(
                    "the lease of %s %s is lost: another worker may run it",
                    hold.delivery.task,
                    hold.delivery.id,
                )
                hold.learn(answer)

    def _say_that_the_loop_is_gone(self, held: int) -> None:
        if not self._has_said:
            self._has_said = True
            log.error(
                "the event loop of this worker has ended, and nobody has stopped the worker: the %d lease(s) it holds "
                "are extended no more; when they end another worker runs what they are of. Restart this process",
                held,
            )

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._lease_s / 3):
            self.extend()
