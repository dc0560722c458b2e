"""What one process holds open for one `Tasks`: stores, batcher, sender, background lane, worker.

Everything is made at first use and in the process that uses it, so that defining tasks and forking
workers opens nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twolane.contracts.blobs import Blobs
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Queue
from twolane.contracts.records import Records
from twolane.engine.background import Background
from twolane.engine.batcher import Batcher
from twolane.engine.limits import Limits
from twolane.engine.sender import Sender
from twolane.engine.task import Registry, Sendable
from twolane.engine.uploads import PendingBlob, pending
from twolane.values.errors import UsageError
from twolane.values.ticket import Lane, Ticket


@dataclass(frozen=True, slots=True)
class Stores:
    """The backends of one process."""

    queue: Queue
    records: Records
    blobs: Blobs


@dataclass(frozen=True, slots=True)
class _Open:
    pid: int
    stores: Stores
    batcher: Batcher
    sender: Sender


class Runtime:
    """What one process holds open.

    Args:
        registry: the tasks.
        clock: where time comes from.
        open_stores: makes the backends, at first use.
        new_id: makes a message's id.
        limits: sizes and bounds.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Clock,
        open_stores: Callable[[], Stores],
        *,
        new_id: Callable[[], str],
        limits: Limits,
    ) -> None:
        self.registry = registry
        self.clock = clock
        self.limits = limits
        self.new_id = new_id
        self.background = Background(limits=limits, clock=clock)
        self._open_stores = open_stores
        self._opened: _Open | None = None
        self._guard = threading.Lock()

    @property
    def sender(self) -> Sender:
        """Sends messages; opens the queue at first use."""
        return self._open().sender

    @property
    def batcher(self) -> Batcher:
        """The writing side of the queue; opens it at first use."""
        return self._open().batcher

    @property
    def stores(self) -> Stores:
        """The backends; opened at first use."""
        return self._open().stores

    def upload(self, source: Any) -> PendingBlob:
        """A blob to be, stored with the send that names it.

        Raises:
            BlobTooLarge: the size is known and over the upload limit.
            TypeError: no upload, bytes, path or binary file.
        """
        return pending(source, limit_bytes=self.limits.upload_bytes)

    async def send(self, sendable: Sendable[Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Ticket:
        """Send one task at once, in whichever lane it takes; see `Tasks.send`."""
        if sendable.task.lane is Lane.BACKGROUND:
            call = self.background.prepare(sendable.task, args, kwargs, id=self.new_id())
            self.background.start(call)
            return call.ticket
        prepared = self.sender.prepare(sendable, args, kwargs)
        (sent,) = await self.sender.store([prepared])
        return Ticket(id=sent.id, task=prepared.task.name, lane=Lane.QUEUE)

    def send_blocking(
        self, sendable: Sendable[Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Ticket:
        """Store one message of the queue lane from a script or a thread; see `Tasks.send_blocking`."""
        if sendable.task.lane is Lane.BACKGROUND:
            raise UsageError(
                f'task {sendable.task.name} is if_lost="ignore": a script has no event loop that would run it '
                f"after something. Call the function itself, or use `await tasks.send(...)` in a running app."
            )
        prepared = self.sender.prepare(sendable, args, kwargs)
        (sent,) = self.sender.store_blocking([prepared])
        return Ticket(id=sent.id, task=prepared.task.name, lane=Lane.QUEUE)

    def close(self) -> None:
        """Flush and close the stores; they open again at the next use. Blocks."""
        with self._guard:
            opened, self._opened = self._opened, None
        if opened is not None and opened.pid == os.getpid():
            opened.batcher.close()

    def _open(self) -> _Open:
        opened = self._opened
        if opened is not None and opened.pid == os.getpid():
            return opened
        with self._guard:
            if self._opened is None or self._opened.pid != os.getpid():
                stores = self._open_stores()
                batcher = Batcher(stores.queue)
                sender = Sender(
                    batcher,
                    stores.blobs,
                    self.clock,
                    new_id=self.new_id,
                    max_body_bytes=stores.queue.max_body_bytes,
                    limit_bytes=self.limits.upload_bytes,
                )
                self._opened = _Open(os.getpid(), stores, batcher, sender)
            return self._opened
