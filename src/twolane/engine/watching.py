"""Where the watch runs: a thread of its own in each process that may lead, and one of them leads.

    every 5 s:  who leads? --- another: nothing
                   | nobody, or its lease is over: take it
                   v
                snapshot -> look -> conditions, notices and lease in one transaction

What is told when is watch.py's. It is never a queued task: what watches the workers must not need one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from twolane.contracts.clock import Clock
from twolane.contracts.records import Records
from twolane.contracts.watch import LeadWatch, ObserveConditions, Probe
from twolane.engine.batcher import Batcher
from twolane.engine.limits import Limits
from twolane.engine.saying import Saying
from twolane.engine.watch import look
from twolane.values.condition import WatchState
from twolane.values.errors import QueueError, QueueMissing, UsageError
from twolane.values.snapshot import Premises, Snapshot
from twolane.values.telling import Notice
from twolane.values.thresholds import Thresholds

log = logging.getLogger("twolane.watch")

LEAVE_S = 5.0
"""How long a stop waits for the turn under way, in seconds."""


class Watching:
    """The watch of one process.

    Args:
        batcher: the way to the queue.
        records: what is looked at.
        clock: the time of day.
        premises: where the queue lives: disks and place; called at each look.
        thresholds: from when on something is wrong.
        limits: how often it looks, and how long a lease is.
        new_id: makes the id under which it leads.
        on_notices: called in the watch's thread when notices are owed, so that they go at once.
    """

    def __init__(
        self,
        batcher: Batcher,
        records: Records,
        clock: Clock,
        *,
        premises: Callable[[], Premises],
        thresholds: Thresholds,
        limits: Limits,
        new_id: Callable[[], str],
        on_notices: Callable[[tuple[Notice, ...]], None],
    ) -> None:
        self._batcher = batcher
        self._records = records
        self._clock = clock
        self._premises = premises
        self._thresholds = thresholds
        self._limits = limits
        self._new_id = new_id
        self._on_notices = on_notices
        self._leader = ""
        self._trouble = Saying(clock)
        self._was_there = False
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def leads(self) -> bool:
        """Whether it led at its last turn."""
        return bool(self._leader)

    def start(self) -> None:
        """Watch in a thread of its own, from now on."""
        self._thread = threading.Thread(target=self.run, name="twolane-watch", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Watch in this thread until `begin_stop`; the lead is given back at the end."""
        while not self._stopping.is_set():
            self.turn()
            self._stopping.wait(self._limits.watch_every_s)
        self._give_back()

    def begin_stop(self) -> None:
        """Watch no more; from any thread or signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Watch no more, and wait for the end of the turn under way. Blocks; twice is harmless."""
        self.begin_stop()
        if self._thread is not None:
            self._thread.join(LEAVE_S)

    def turn(self) -> None:
        """Look, if this process leads or may lead; a queue that cannot be used is said once, until it can."""
        with self._guard:
            self._turn()

    def _turn(self) -> None:
        try:
            if self._take_lead():
                self._look()
        except QueueMissing as error:
            if self._was_there:  # before its first message there is nothing to watch
                self._say(error)
        except (QueueError, UsageError) as error:
            self._say(error)
        except Exception as error:
            if self._trouble.is_news(repr(error)):
                log.exception(
                    "a look of the watch failed; it looks again every %g s", self._limits.watch_every_s
                )
        else:
            self._was_there = True
            if self._trouble.is_over():
                log.warning("the queue can be watched again")

    def _take_lead(self) -> bool:
        """Whether this process leads now; where nobody does, it tries to."""
        state, now = self._state(), self._clock.now()
        if state.is_led(now):
            if self._leader and state.leader != self._leader:
                self._lost()
            return state.leader == self._leader
        # A new id each time: what was prepared under an old one is refused, however late it comes.
        leader = self._new_id()
        self._leader = ""
        if self._batcher.ask_blocking(LeadWatch(leader, self._limits.watch_lease_s)):
            self._leader = leader
            log.info("this process leads the watch")
        return bool(self._leader)

    def _state(self) -> WatchState:
        try:
            return self._records.watch_state()
        except QueueMissing:
            raise
        except QueueError:  # of an older schema, which only a writer brings up to date, or worse
            self._batcher.ask_blocking(Probe())
            return self._records.watch_state()

    def _look(self) -> None:
        snapshot = seen_from(self._records, self._premises)
        now, before = self._clock.now(), snapshot.state
        looked = look(snapshot, now, self._thresholds)
        # It waits for the answer however long it takes: a second look at the same state would tell all twice.
        held = self._batcher.ask_blocking(
            ObserveConditions(
                self._leader,
                self._limits.watch_lease_s,
                looked_at=now,
                changed=looked.changed(before),
                gone=looked.gone(before),
                notices=looked.notices,
            )
        )
        if not held:
            self._lost()
            return
        for notice in looked.notices:
            log.info("%s", notice.title)
        if looked.notices:
            self._on_notices(looked.notices)

    def _lost(self) -> None:
        self._leader = ""
        log.warning(
            "this process leads the watch no more: it was stopped or held up for longer than %g s; "
            "nothing of what it saw before was told",
            self._limits.watch_lease_s,
        )

    def _give_back(self) -> None:
        if not self._leader:
            return
        try:
            self._batcher.ask_blocking(ObserveConditions(self._leader, 0.0))
        except (QueueError, UsageError) as error:
            log.warning("the lead of the watch was not given back (%s): another takes it when it ends", error)
        self._leader = ""

    def _say(self, error: Exception) -> None:
        if self._trouble.is_news(str(error)):
            log.error("the queue cannot be watched now, and nobody is told of what is wrong in it: %s", error)


def seen_from(records: Records, premises: Callable[[], Premises]) -> Snapshot:
    """A whole snapshot: what the queue tells, and where it lives. Blocks.

    Raises:
        QueueError: the queue cannot be read.
    """
    here = premises()
    return replace(records.snapshot(), disks=here.disks, place=here.place)
