"""Following records: everybody who waits for the next change of one is served by one reading in each turn.

While nobody follows, nothing is read. Each event loop has a reading of its own; what is read is the queue's,
so it does not matter which process changes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager, suppress

from twolane.values.record import Record

log = logging.getLogger("twolane.status")

Read = Callable[[Collection[str]], Mapping[str, Record]]
"""Reads the records of these ids at once; may block. What is not there is left out."""


class Follower:
    """Waits for the changes of one record; made by `Followers.follow`. For one event loop.

    Args:
        record: what its owner has seen of it.
    """

    def __init__(self, record: Record) -> None:
        self._newest: Record | None = record
        self._ended = False
        self._woken = asyncio.Event()

    async def change(self) -> Record | None:
        """The record after its next change, or the newest if there were several; None: nothing more will come."""
        await self._woken.wait()
        self._woken.clear()
        return None if self._ended else self._newest

    def learn(self, record: Record | None) -> None:
        """Take what was read; None: the record is gone."""
        if record is None:
            self.end()
        elif record != self._newest:
            self._newest = record
            self._woken.set()

    def end(self) -> None:
        """Let `change` answer that nothing more will come."""
        self._ended = True
        self._woken.set()


class Followers:
    """All who follow a record in this process.

    Args:
        read: reads the records.
        pause_s: the pause between two readings, in seconds.
    """

    def __init__(self, read: Read, *, pause_s: float) -> None:
        self._read = read
        self._pause_s = pause_s
        self._readings: dict[asyncio.AbstractEventLoop, _Reading] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def follow(self, record: Record) -> Generator[Follower]:
        """Follow a record from what was seen of it on; in an event loop."""
        loop, follower = asyncio.get_running_loop(), Follower(record)
        reading = self._readings.get(loop)
        if reading is None or reading.over:
            reading = self._readings[loop] = _Reading(self._read, self._pause_s)
            self._tasks.add(reading.task)
            reading.task.add_done_callback(self._tasks.discard)
        reading.add(record.id, follower)
        try:
            yield follower
        finally:
            if not reading.remove(record.id, follower) and self._readings.get(loop) is reading:
                del self._readings[loop]

    def release(self) -> None:
        """A shutdown begins: nothing more comes to anybody. Safe from any thread."""
        for loop, reading in tuple(self._readings.items()):
            with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                loop.call_soon_threadsafe(reading.end)

    async def drain(self) -> None:
        """Wait until nothing is read for this loop any more, after `release`."""
        loop = asyncio.get_running_loop()
        if (reading := self._readings.pop(loop, None)) is not None:
            reading.end()
        if tasks := [task for task in self._tasks if task.get_loop() is loop]:
            await asyncio.wait(tasks)


class _Reading:
    """The reading of one event loop: goes on while something is followed, until it is `over`."""

    def __init__(self, read: Read, pause_s: float) -> None:
        self._followed: dict[str, set[Follower]] = {}
        self._read = read
        self._pause_s = pause_s
        self.over = self._reads = self._fails = False
        self.task = asyncio.create_task(self._go_on(), name="twolane followed records")

    def add(self, message_id: str, follower: Follower) -> None:
        self._followed.setdefault(message_id, set()).add(follower)

    def remove(self, message_id: str, follower: Follower) -> bool:
        """Whether others still follow something."""
        followers = self._followed[message_id]
        followers.discard(follower)
        if not followers:
            del self._followed[message_id]
        if not self._followed:
            self.end()
        return bool(self._followed)

    def end(self) -> None:
        """End everybody's following; what is being read just now is let finish: stores are not closed under it."""
        self.over = True
        for followers in self._followed.values():
            for follower in followers:
                follower.end()
        if not self._reads:
            self.task.cancel()

    async def _go_on(self) -> None:
        while not self.over:
            await asyncio.sleep(self._pause_s)
            self._reads = True
            asked = {message_id: tuple(followers) for message_id, followers in self._followed.items()}
            found = await self._found(asked.keys())
            self._reads = False
            if found is not None:
                for message_id, followers in asked.items():  # who came meanwhile has seen something newer
                    for follower in followers:
                        follower.learn(found.get(message_id))

    async def _found(self, message_ids: Collection[str]) -> Mapping[str, Record] | None:
        """What was read; None: it cannot be read now. The streams wait, and end by themselves."""
        try:
            found = await asyncio.to_thread(self._read, message_ids)
        except Exception:
            if not self._fails:
                log.exception("followed records cannot be read: their streams wait for it")
            self._fails = True
            return None
        self._fails = False
        return found
