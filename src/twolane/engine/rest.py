"""A worker's rest between two polls: until the fallback is due, or the next message becomes visible."""

from __future__ import annotations

import asyncio

from twolane.contracts.clock import Clock
from twolane.contracts.queue import Queue

AGAIN_S = 0.05
"""A rest is reckoned anew no more often, in seconds: a busy worker says with each receive that something changed."""


class Rest:
    """Rests of one worker; in the thread of its loop.

    Args:
        queue: knows what becomes visible when.
        queues: which of them are served.
        clock: where time comes from.
        poll_s: the longest rest, in seconds.
    """

    def __init__(self, queue: Queue, queues: tuple[str, ...], clock: Clock, poll_s: float) -> None:
        self._queue = queue
        self._queues = queues
        self._clock = clock
        self._poll_s = poll_s
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        """Something changed and not all slots were filled: what waits may become visible before the rest ends."""
        self._changed.set()

    async def take(self, looked_at: float) -> None:
        """Rest until the next poll.

        Args:
            looked_at: when the worker looked last, in epoch seconds.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._poll_s
        while True:
            reckoned_at = loop.time()
            left_s = min(self.pause_s(looked_at), ends_at - reckoned_at)
            if left_s <= 0:
                return
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left_s)
            except TimeoutError:
                return
            await asyncio.sleep(reckoned_at + min(left_s, AGAIN_S) - loop.time())

    def pause_s(self, looked_at: float) -> float:
        """Until the next poll, or until the next waiting message becomes visible if that is sooner.

        What was visible when the worker looked and still waits is not for it, or its slots are full: a
        slot that becomes free receives by itself.
        """
        at = self._queue.next_visible_at(self._queues, looked_at)
        if at is None:
            return self._poll_s
        return min(self._poll_s, max(0.0, at - self._clock.now()))
