"""The worker: receives into its slots, hands each delivery through run, decide and settle, keeps leases, drains.

Runs on the app's own event loop. Receiving costs nothing of its own under load: before each flush of
the batcher the worker offers a receive for its free slots, which goes along in the same commit. So a
message that is sent in this process is stored and received by one fsync.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from twolane.contracts.queue import Delivery, Queue, Receive, ReleaseDelivery
from twolane.contracts.upkeep import Reap, Reaped, Register, Unregister
from twolane.engine.batcher import Pending
from twolane.engine.delivering import Delivered, begin_to_deliver
from twolane.engine.hand import aside
from twolane.engine.hold import Hold
from twolane.engine.keeper import LeaseKeeper
from twolane.engine.limits import Limits
from twolane.engine.rest import Rest
from twolane.engine.run import Ran, Surroundings
from twolane.engine.saying import Saying
from twolane.engine.slots import Slots
from twolane.engine.upkeep import Upkeep
from twolane.values.errors import QueueError, UsageError
from twolane.values.record import WorkerInfo

log = logging.getLogger("twolane.worker")

MAX_STUCK = 4
"""So many sync tasks that ignore their time-out are too many: the worker takes no more sync work."""
MAKE_ROOM_S = 30.0
"""A suspect that waits longer for an idle worker makes a busy one stop receiving until it is idle."""
STRANGERS_EVERY = 5
"""Every so many polls a worker looks for messages that no live worker knows instead."""
LEAVE_S = 5.0
"""How long a worker that stops waits for the last settlements, in seconds; the rest is released for it."""


class Worker:
    """Receives and runs the messages of some queues.

    Args:
        info: who it is; registered at start.
        queue: where messages wait.
        around: what running a delivery needs.
        limits: slots, lease, poll.
        upkeep: what is done beside: pruning, passing deaths on.
        on_stuck: called once in the loop when too many sync tasks are stuck.
    """

    def __init__(
        self,
        info: WorkerInfo,
        queue: Queue,
        around: Surroundings,
        *,
        limits: Limits,
        upkeep: Upkeep,
        on_stuck: Callable[[], None],
    ) -> None:
        self.info = info
        self._queue = queue
        self._around = replace(around, closing=self._is_closing)
        self._batcher = around.batcher
        self._limits = limits
        self._upkeep = upkeep
        self._on_stuck = on_stuck
        self._slots = Slots(info.slots)
        self._holds: dict[str, Hold] = {}
        self._stopping = False
        self._rest = Rest(queue, info.queues, around.clock, limits.poll_s)
        self._trouble = Saying(around.clock)
        self._none_held = asyncio.Event()
        self._hurry = asyncio.Event()
        self._suspects_since: float | None = None
        self._flush_thread = 0
        self._offered = False
        self._woken = False
        self._look_again = False
        self._ends: list[Callable[[], None]] = []
        self._names = _names(around)

    async def start(self) -> None:
        """Register, free what dead workers held, and begin to receive.

        Raises:
            QueueError: the queue cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        await self._batcher.ask(Register(self.info))
        await self._batcher.ask(Reap())
        self._keeper = LeaseKeeper(self._batcher, self.holds, self._limits.lease_s, self._loop.is_running)
        self._poller = self._loop.create_task(self._poll())
        self._ends = [self._batcher.offer(self._offer), self._queue.listen(self._on_visible)]
        log.info(
            "worker %s (pid %d) serves queue(s) %s with %d slots; it knows %d task(s)",
            self.info.id, self.info.pid, ", ".join(self.info.queues), self.info.slots, len(self.info.tasks),
        )  # fmt: skip
        self._receive()

    @property
    def receives(self) -> bool:
        """Whether it takes new deliveries."""
        return not self._stopping and not self._poller.done()

    def _is_closing(self) -> bool:
        """Whether the loop is being closed, which cancels all that runs on it; or the worker drains."""
        return self._poller.cancelling() > 0

    def holds(self) -> list[Hold]:
        """What it holds now."""
        return list(self._holds.values())

    def stop_receiving(self) -> None:
        """Take nothing new from now on; in the loop's thread."""
        self._stopping = True
        for end in self._ends:
            end()

    def hurry(self) -> None:
        """Do not wait for the grace time to end; in the loop's thread."""
        self._hurry.set()

    async def drain(self, grace_s: float) -> None:
        """Stop receiving, let running deliveries finish, then release the rest at once.

        Args:
            grace_s: how long running deliveries may take to finish, in seconds.
        """
        self.stop_receiving()
        self._poller.cancel()
        if self._slots.receiving:
            with suppress(QueueError):  # behind the receive under way: its answer is here by then
                await self._batcher.ask(Reap())
        if self._holds:
            log.info("worker %s waits up to %g s for %d running", self.info.id, grace_s, len(self._holds))
            await self._wait_for_running(grace_s)
        for hold in self.holds():
            hold.interrupt("stopping")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_over(), LEAVE_S)
        await aside(self._keeper.close, "keeper-close")
        try:
            await self._batcher.ask(Unregister(self.info.id))
        except QueueError as error:
            log.warning("worker %s could not sign off (%s): its death will be noticed", self.info.id, error)
        log.info("worker %s has stopped", self.info.id)

    async def _wait_for_running(self, grace_s: float) -> None:
        waiting = [self._loop.create_task(each) for each in (self._all_over(), self._hurry.wait())]
        await asyncio.wait(waiting, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()

    async def _all_over(self) -> None:
        while self._holds:
            self._none_held.clear()
            await self._none_held.wait()

    async def _poll(self) -> None:
        """Look now and then without having been woken: the fallback, and what is done beside."""
        ticks = 0
        looked_at = 0.0
        while True:
            try:
                looked_at = self._around.clock.now()
                self._note(await self._batcher.ask(Reap()))  # with a receive behind it, see `_offer`
                if ticks % STRANGERS_EVERY == 1:
                    self._receive(strangers=True)
                await self._upkeep.tick()
                if self._trouble.is_over():
                    log.info("worker %s can use the queue again", self.info.id)
            except (QueueError, UsageError) as error:
                self._say("the queue cannot be used now", error)
            except Exception:
                log.exception("a poll failed; tried again in %g s", self._limits.poll_s)
            ticks += 1
            await self._rest.take(looked_at)

    def _say(self, what: str, error: Exception) -> None:
        if self._trouble.is_news(str(error)):
            log.warning("%s (%s); tried every %g s", what, error, self._limits.poll_s)

    def _note(self, reaped: Reaped) -> None:
        for dead in reaped.dead_workers:
            log.error("worker %s died without a word; what it ran is visible again", dead)
        if reaped.buried:
            self._upkeep.deaths()
        now = self._around.clock.monotonic()
        if not reaped.suspects:
            self._suspects_since = None
        elif self._suspects_since is None:
            self._suspects_since = now

    # Receiving. `_offer` and `_on_visible` are called in the batcher's thread too.

    def _entry(self, *, strangers: bool = False) -> Receive | None:
        """A receive for the free slots, reserved; None: nothing may be received now."""
        if self._stopping or self._is_closing() or any(hold.alone for hold in self.holds()):
            return None
        if not self._loop.is_running():
            return None  # it ended without a stop: nobody would run what is received
        waited_from = self._suspects_since
        make_room = waited_from is not None and self._around.clock.monotonic() - waited_from > MAKE_ROOM_S
        if make_room and not self._slots.idle:
            return None
        names, most = self._names_now()
        if not names and not strangers:
            return None
        limit, idle = self._slots.reserve(most)
        if not limit:
            return None
        return Receive(
            self.info.id, self.info.queues, names, limit, self._limits.lease_s, idle=idle, strangers=strangers
        )

    def _names_now(self) -> tuple[tuple[str, ...], int | None]:
        """The names to receive and how many at most: sync tasks only where a thread is free for each.

        A queue that hands out whatever comes next is asked for nothing while no thread is free.
        """
        every, only_async = self._names
        free = self._around.threads.free
        if len(every) == len(only_async):
            return every, None
        if not free or self._around.threads.stuck >= MAX_STUCK:
            return (only_async if self._queue.capabilities.selects_tasks else ()), None
        return every, free

    def _offer(self) -> Pending | None:
        """In the batcher's thread, before a flush: a receive that goes along with it."""
        self._flush_thread = threading.get_ident()
        entry = self._entry()
        self._offered = entry is not None
        return None if entry is None else Pending(entry, partial(self._received, entry), self._loop)

    def _on_visible(self) -> None:
        """From any thread: something may be visible; not news if this flush has a receive of ours at its end."""
        if self._offered and threading.get_ident() == self._flush_thread:
            return
        if not self._woken:
            self._woken = True
            self._in_loop(self._wake)

    def _wake(self) -> None:
        self._woken = False
        self._look_again = self._slots.receiving  # the receive under way may have looked too early
        self._receive()

    def _receive(self, *, strangers: bool = False) -> None:
        """In the loop: receive into the free slots."""
        entry = self._entry(strangers=strangers)
        if entry is None:
            return
        try:
            self._batcher.submit(entry, partial(self._received, entry), self._loop)
        except UsageError:
            self._slots.received(entry.limit, 0)
            raise

    def _received(self, entry: Receive, answer: tuple[Delivery, ...] | Exception) -> None:
        reserved = entry.limit
        if isinstance(answer, Exception):
            self._slots.received(reserved, 0)
            self._say("nothing could be received", answer)
            return
        holds, stopping = [self._held(delivery) for delivery in answer], self._stopping
        if not stopping:
            self._holds.update((hold.delivery.receipt, hold) for hold in holds)
        self._slots.received(reserved, len(answer))  # the next receive may be made from here on
        for hold in holds:
            if stopping:
                self._slots.free_one()
                self._give_thread_back(hold)
                self._batcher.submit(ReleaseDelivery(hold.delivery.receipt), lambda _: None)
                continue
            begin_to_deliver(
                hold, self._around, over=partial(self._over, hold), then=partial(self._delivered, hold)
            )
        if len(answer) < reserved:
            self._rest.look_again()
        # a thread that became free meanwhile is asked for by nobody else: no flush took another receive along
        if len(answer) == reserved or self._look_again or entry.tasks != self._names_now()[0]:
            self._look_again = False
            self._receive()

    def _held(self, delivery: Delivery) -> Hold:
        """A hold on what was received, with a thread reserved if its function needs one."""
        hold, task = Hold(delivery), self._around.registry.get(delivery.task)
        if task is not None and not task.is_async:
            self._around.threads.reserve()
            hold.has_thread = True
        return hold

    def _give_thread_back(self, hold: Hold) -> None:
        if hold.take_thread():
            self._around.threads.unreserve()

    def _in_loop(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            log.warning("worker %s was called after its event loop had closed", self.info.id)

    # One delivery: run, decide, settle.

    def _over(self, hold: Hold, ran: Ran | None) -> None:
        """The function has ended, or is left."""
        self._give_thread_back(hold)
        self._slots.free_one()
        if ran is not None and ran.stuck:
            self._note_stuck(hold.delivery)

    def _delivered(self, hold: Hold, delivered: Delivered | Exception) -> None:
        self._holds.pop(hold.delivery.receipt, None)
        if not self._holds:
            self._none_held.set()
        if isinstance(delivered, Exception):
            log.error(
                "%s %s was not settled: another worker runs it when its lease ends",
                hold.delivery.task, hold.delivery.id, exc_info=delivered,
            )  # fmt: skip
        elif delivered.died:
            self._upkeep.deaths()
        if hold.alone:
            self._receive()  # others had to wait for its end

    def _note_stuck(self, delivery: Delivery) -> None:
        stuck = self._around.threads.stuck
        log.error(
            "%s %s does not end when told to, and its thread is given up; %d such thread(s), with %d this process "
            "takes no more sync tasks",
            delivery.task, delivery.id, stuck, MAX_STUCK,
        )  # fmt: skip
        if stuck == MAX_STUCK:
            self._on_stuck()


def _names(around: Surroundings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of all queue tasks, and of the async ones."""
    tasks = around.registry.queue_tasks()
    return tuple(task.name for task in tasks), tuple(task.name for task in tasks if task.is_async)
