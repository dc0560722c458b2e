"""A hold: what a worker knows of one delivery while it runs, shared by its task, the lease keeper and the clock."""

from __future__ import annotations

import threading
from collections.abc import Callable

from twolane.contracts.queue import Checkpoint, Delivery, Holding
from twolane.values.errors import Interrupted


class Hold:
    """The live hold on one delivery; safe from any thread.

    Attributes:
        delivery: what was received.
        why: why the delivery must end: `cancelled`, `timed_out`, `lease_lost`, `stopping`, `paused` (at a checkpoint),
            `out_of_time`; None: it need not.
        may_go_on: it is cancelled, and nothing else: it goes on to its next checkpoint, and to its time-out at most.
        saved: the last checkpoint that this delivery made beyond what it began with; None: it has not got on.
        began_late: it began when most of its process's time was over.
        alone: nothing may run beside it, since it is a suspect that made no progress yet.
        has_thread: a thread is reserved for its function, until that is submitted to it; of the loop's thread alone.
        kept: what the event loop runs for it beside its function; nobody else would keep it alive.
    """

    __slots__ = (
        "_guard",
        "_listeners",
        "_pausing",
        "_told",
        "alone",
        "began_late",
        "delivery",
        "has_thread",
        "kept",
        "may_go_on",
        "saved",
        "why",
    )

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.why: str | None = None
        self.may_go_on = False
        self.alone = delivery.alone
        self.has_thread = False
        self.kept: object = None
        self.saved: Checkpoint | None = None
        self.began_late = False
        self._pausing = False
        self._told = False
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._guard = threading.Lock()  # its own: one of all holds could stay locked in a forked process

    def take_thread(self) -> bool:
        """Take the reserved thread over; False: there is none, or it is taken already."""
        had, self.has_thread = self.has_thread, False
        return had

    def interrupt(self, why: str) -> None:
        """Ask the task to end; the first reason stands. Told at once to who listens, to the task at its next check.

        Who listens is told once, but that a second time which comes behind a cancellation: a task may have swallowed it.
        """
        with self._guard:
            if self._told and (not self.may_go_on or why == "cancelled"):
                return
            self._told = True
            self.may_go_on = why == "cancelled"
            self.why = self.why or why
            listeners = self._listeners
        for listener in listeners:
            listener()

    def on_interrupt(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the delivery must end, at once if it must already; from any thread. See `interrupt`."""
        with self._guard:
            self._listeners = (*self._listeners, listener)
            if not self._told:
                return
        listener()

    def ended(self) -> None:
        """The function has ended: who listens is forgotten. They refer to the hold, and a cycle is the garbage collector's."""
        self._listeners = ()

    def pause(self) -> None:
        """Ask the task to end at its next checkpoint, once that is saved; nobody else hears of it."""
        self._pausing = True

    def has_saved(self, checkpoint: Checkpoint) -> None:
        """A checkpoint is saved, or will be before anything is settled.

        Raises:
            Interrupted: the task was asked to end at one.
        """
        if checkpoint != self.delivery.checkpoint:
            self.saved = checkpoint
        if self._pausing and self.why is None:
            self.why = "paused"
        self.check()

    def learn(self, holding: Holding) -> None:
        """Take in what the queue answered about the receipt."""
        if not holding.held:
            self.interrupt("lease_lost")
        if holding.cleared:
            self.alone = False

    def check(self) -> None:
        """Raise if the delivery must end.

        Raises:
            Interrupted: with the reason.
        """
        if self.why is not None:
            raise Interrupted(self.why)
