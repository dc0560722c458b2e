"""A worker's rest between two polls: until the fallback is due, or the next message becomes visible."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from twolane.contracts.clock import Clock
from twolane.contracts.queue import Queue


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
        """Something changed and there was nothing to receive: what waits may become visible before the rest ends."""
        self._changed.set()

    async def take(self, looked_at: float) -> None:
        """Rest until the next poll.

        Args:
            looked_at: when the worker looked last, in epoch seconds.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._poll_s
        while (left_s := min(self.pause_s(looked_at), ends_at - loop.time())) > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left_s)
                continue
            return

    def pause_s(self, looked_at: float) -> float:
        """Until the next poll, or until the next waiting message becomes visible if that is sooner.

        What was visible when the worker looked and still waits is not for it, or its slots are full: a
        slot that becomes free receives by itself.
        """
        at = self._queue.next_visible_at(self._queues, looked_at)
        if at is None:
            return self._poll_s
        return min(self._poll_s, max(0.0, at - self._clock.now()))
