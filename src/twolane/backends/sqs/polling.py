"""Receiving from SQS: a long poll a queue in a thread of its own, for as many messages as there are free slots.

A worker's `Receive` takes what has come and says how many more it could run; so many are asked for, and no more.
What comes wakes the worker, whose next `Receive` takes it. So a flush never waits for a poll.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from twolane.backends.aws import Outage
from twolane.backends.sqs.parcels import Copy
from twolane.backends.sqs.wires import BATCH, Wires
from twolane.contracts.clock import Clock

log = logging.getLogger("twolane.sqs")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
GATHER_S = 0.01
"""A poll for a few waits so long for more slots to become free: ten messages cost as much as one."""

Pause = Callable[[threading.Condition, Callable[[], bool], float], object]
"""Waits, with the condition held, until something has come true or so many seconds are over."""


def pause_for(changed: threading.Condition, is_over: Callable[[], bool], pause_s: float) -> None:
    """Wait as long as it says."""
    changed.wait_for(is_over, pause_s)


class Polling:
    """The polls of one process.

    Args:
        wires: the way to SQS.
        clock: the time of pauses, and from when SQS's 12 hours are counted.
        poll_s: how long SQS waits for a message, at most 20; 0: every `take` asks SQS and waits for nothing.
        on_arrival: called in a poll's thread when something came.
        pause: waits where the next poll has to: the one before failed, or what it brought could not be handed out.
    """

    def __init__(
        self,
        wires: Wires,
        clock: Clock,
        *,
        poll_s: float,
        on_arrival: Callable[[], None],
        pause: Pause = pause_for,
    ) -> None:
        self._pause = pause
        self._wires = wires
        self._monotonic = clock.monotonic
        self._poll_s = poll_s
        self._on_arrival = on_arrival
        self._changed = threading.Condition()
        self._arrived: deque[tuple[float, Copy]] = deque()
        self._threads: dict[str, threading.Thread] = {}
        self._queues: tuple[str, ...] = ()
        self._asked: dict[str, int] = {}
        self._wanted = 0
        self._lease_s = 60.0
        self._open = False
        self._stopped = False
        self._giving: list[Future[None]] = []
        self._not_before = 0.0

    def open(self) -> None:
        """Somebody wants to be woken: what `take` wants is polled for from now on."""
        with self._changed:
            self._open, self._stopped = True, False

    def stop(self) -> None:
        """Ask for nothing more; what nobody took is given back, and what a poll under way still brings. Returns at once."""
        with self._changed:
            self._stopped |= self._open
            self._open = False
            self._wanted = 0
            unstarted = [copy for _, copy in self._arrived]
            self._arrived.clear()
            self._changed.notify_all()
        if unstarted:
            self._giving.append(self._wires.service.submit(partial(self._give_back, unstarted)))

    def hold_off(self, pause_s: float) -> None:
        """Ask for nothing for a while: what comes could not be handed out."""
        with self._changed:
            self._not_before = self._monotonic() + pause_s

    def finish(self) -> None:
        """Stop, and wait for the polls under way and for what is given back."""
        self.stop()
        for thread in list(self._threads.values()):
            thread.join()
        self._threads.clear()
        for given in self._giving:
            given.result()
        self._giving.clear()

    def take(self, queues: tuple[str, ...], limit: int, lease_s: float) -> list[Copy]:
        """What has come, up to `limit`; the rest of `limit` is wanted from now on.

        Raises:
            AwsError: SQS was asked by this call, and does not answer.
        """
        if self._poll_s and self._stopped:
            return []
        if not self._poll_s or not self._open:
            return self._ask(queues, limit, lease_s)
        stale: list[Copy] = []
        taken: list[Copy] = []
        with self._changed:
            while self._arrived and len(taken) < limit:
                came_at, copy = self._arrived.popleft()
                is_fresh = self._monotonic() - came_at < lease_s / 3
                (taken if is_fresh else stale).append(copy)
            self._queues, self._lease_s = queues, lease_s
            self._wanted = max(0, limit - len(taken))
            self._start()
            self._changed.notify_all()
        self._give_back(stale)
        return taken

    def _ask(self, queues: Sequence[str], limit: int, lease_s: float) -> list[Copy]:
        """One look at each queue, without waiting."""
        copies: list[Copy] = []
        for queue in queues:
            while len(copies) < limit:
                came = self._receive(queue, limit - len(copies), lease_s)
                copies += came
                if not came:
                    break
        return copies

    def _receive(self, queue: str, most: int, lease_s: float, *, wait_s: float = 0.0) -> list[Copy]:
        asked_at = self._monotonic()
        copies = self._wires.receive(queue, most, lease_s, wait_s=wait_s)
        return [replace(copy, asked_at=asked_at) for copy in copies]

    def _start(self) -> None:
        for queue in self._queues:
            if queue not in self._threads or not self._threads[queue].is_alive():
                thread = threading.Thread(
                    target=self._run, args=(queue,), name=f"twolane-poll-{queue}", daemon=True
                )
                self._threads[queue] = thread
                thread.start()

    def _run(self, queue: str) -> None:
        outage = Outage(f"receiving from queue {queue}", self._monotonic)
        pause_s = 0.0
        while (most := self._turn(queue, pause_s)) > 0:
            try:
                copies = self._receive(queue, most, self._lease_s, wait_s=self._poll_s)
            except Exception as error:  # noqa: BLE001  (a poll that ends for any reason would stop the worker)
                outage.failed(error)
                pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, pause_s * 2))
                copies = []
            else:
                outage.worked()
                pause_s = 0.0
            if self._came(queue, copies):
                self._on_arrival()

    def _turn(self, queue: str, pause_s: float) -> int:
        """Wait until messages are wanted; answers how many this queue's poll may ask for. 0: the end."""
        with self._changed:
            if pause_s:
                self._pause(self._changed, lambda: not self._open, pause_s)
            while self._open:
                if (left_s := self._not_before - self._monotonic()) > 0:
                    self._pause(self._changed, lambda: not self._open, left_s)
                    continue
                if 0 < self._room() < BATCH:
                    self._changed.wait(GATHER_S)
                if (room := self._room()) > 0:
                    others = sum(1 for each in self._queues if each not in self._asked)
                    most = min(BATCH, -(-room // max(1, others)))
                    self._asked[queue] = most
                    return most
                self._changed.wait()
            return 0

    def _room(self) -> int:
        """How many more may be asked for."""
        return self._wanted - sum(self._asked.values()) - len(self._arrived)

    def _came(self, queue: str, copies: Sequence[Copy]) -> bool:
        now = self._monotonic()
        with self._changed:
            self._asked.pop(queue, None)
            if self._open:
                self._arrived += [(now, copy) for copy in copies]
                self._changed.notify_all()
                return bool(copies)
        self._give_back(copies)
        return False

    def _give_back(self, copies: Sequence[Copy]) -> None:
        for error in self._wires.show([(copy.queue, copy.handle, 0.0) for copy in copies]):
            if error is not None:
                log.info("a message could not be given back (%s): it is visible when its lease ends", error)
