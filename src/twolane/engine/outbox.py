"""An outbox: the tasks that one attempt of a task adds. They go with its settlement, or not at all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twolane.contracts.queue import Outgoing
from twolane.engine.background import Background, Call
from twolane.engine.sender import Prepared, Sender
from twolane.engine.task import Sendable
from twolane.values.errors import UsageError
from twolane.values.ticket import Lane, Ticket

log = logging.getLogger("twolane.lanes")

MAX_SENDS = 10_000
"""How many messages one settlement may store: they are one transaction, and every other write waits for it."""


class Outbox:
    """What one attempt adds; safe from any thread.

    Args:
        parent: the id of the message whose task adds it.
        by: the name of that task.
        sender: prepares messages, and stores their bytes.
        background: runs tasks of the background lane.
        new_id: makes a background call's id.
    """

    def __init__(
        self, parent: str, by: str, *, sender: Sender, background: Background, new_id: Callable[[], str]
    ) -> None:
        self._parent = parent
        self._by = by
        self._sender = sender
        self._background = background
        self._new_id = new_id
        self._guard = threading.Lock()
        self._closed = False
        self._sends: list[Prepared] = []
        self._calls: list[Call] = []
        self._outgoing: list[Outgoing] = []

    def add(self, sendable: Sendable[...], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Ticket:
        """Add a task that goes if the attempt succeeds.

        Raises:
            ArgumentsRefused: the arguments do not fit.
            UsageError: the attempt has ended, or has added too many.
        """
        self._check_open(sendable)
        task = sendable.task
        item: Call | Prepared
        if task.lane is Lane.BACKGROUND:
            item = self._background.prepare(task, args, kwargs, id=self._new_id())
        else:
            item = self._sender.prepare(sendable, args, kwargs, parent=self._parent)
        with self._guard:
            self._check_open(sendable)
            if isinstance(item, Call):
                self._calls.append(item)
            else:
                self._sends.append(item)
        return item.ticket

    def _check_open(self, sendable: Sendable[...]) -> None:
        if self._closed:
            raise UsageError(
                f"task {sendable.task.name} cannot be added any more: the attempt of {self._by} {self._parent} "
                f"that adds it has ended, and it would go with its settlement. Nothing was stored."
            )
        if len(self._sends) >= MAX_SENDS:
            raise UsageError(
                f"task {sendable.task.name} cannot be added: {self._by} {self._parent} has added {MAX_SENDS} "
                f"messages, which is what one settlement stores. Add tasks that add the others, or send them with "
                f"tasks.send, which stores each at once."
            )

    async def store_bytes(self) -> None:
        """Store the bytes of what was added so far, while what they come from is still open.

        Raises:
            SendRefused: they cannot be stored, or are too many.
            BlobTooLarge: an upload is over the limit.
        """
        waiting = self._sends[len(self._outgoing) :]
        if waiting:
            self._outgoing += await self._sender.outgoing_of(waiting)

    def close(self) -> None:
        """Take no more. Twice is harmless."""
        with self._guard:
            self._closed = True

    @property
    def outgoing(self) -> tuple[Outgoing, ...]:
        """What the settlement stores."""
        return tuple(self._outgoing)

    def go(self) -> None:
        """The settlement is stored, and the messages with it: start the background tasks; in the loop."""
        for send in self._sends:
            log.debug("%s %s stored with the end of %s %s", send.task.name, send.id, self._by, self._parent)
        if self._calls:
            self._background.begin(self._calls)

    def drop(self, why: str) -> None:
        """The attempt came to nothing, and so does all it added."""
        self.close()
        items: Iterable[Prepared | Call] = (*self._sends, *self._calls)
        for item in items:
            log.warning(
                "%s %s dropped: its sender %s %s %s", item.task.name, item.id, self._by, self._parent, why
            )
