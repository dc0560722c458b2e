"""Sending: from a task and its arguments to stored messages. Used by the request's batch and by `tasks.send`."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twolane.contracts.blobs import Blobs
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Outgoing, Send, Sent
from twolane.engine import trace
from twolane.engine.batcher import Batcher
from twolane.engine.task import Sendable, SendOptions, Task, filled
from twolane.engine.uploads import LateBlob
from twolane.values.blob import Blob, BlobRef
from twolane.values.errors import ArgumentsRefused, BlobError, BlobTooLarge, SendRefused, UploadRefused
from twolane.values.message import SECRETS
from twolane.values.ticket import Lane, Ticket

log = logging.getLogger("twolane.send")

SEND_TIMEOUT_S = 30.0
"""After so many seconds without an answer the outcome of a send is unknown."""


@dataclass(slots=True)
class Prepared:
    """A message to be: its task is known, its arguments are validated, nothing is stored yet.

    Attributes:
        task: the task.
        id: the message's id.
        options: the options of this send.
        validated: the arguments as a pydantic model.
        args: the same by name, as one line of ASCII JSON.
        body: the envelope; like `args`, written again once the bytes of its uploads are stored.
        blobs: the blobs among them.
        parent: the id of the message whose task sends it.
        trace: the trace context of the caller.
    """

    task: Task[Any, Any, Any]
    id: str
    options: SendOptions
    validated: Any
    args: str
    body: str
    blobs: list[Blob]
    parent: str | None
    trace: dict[str, str]

    @property
    def ticket(self) -> Ticket:
        """What the caller gets back."""
        return Ticket(id=self.id, task=self.task.name, lane=Lane.QUEUE)


class Sender:
    """Turns prepared sends into stored messages.

    Args:
        batcher: where they go.
        blobs: where large arguments and uploads go.
        clock: the time of sending.
        new_id: makes a message's id.
        max_body_bytes: larger envelopes leave their arguments in a blob.
        limit_bytes: larger arguments are refused.
    """

    def __init__(
        self,
        batcher: Batcher,
        blobs: Blobs,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        max_body_bytes: int,
        limit_bytes: int,
    ) -> None:
        self._batcher = batcher
        self._blobs = blobs
        self._clock = clock
        self._new_id = new_id
        self._max_body_bytes = max_body_bytes
        self._limit_bytes = limit_bytes

    def prepare(
        self,
        sendable: Sendable[...],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        parent: str | None = None,
    ) -> Prepared:
        """Validate a send; nothing is stored yet.

        Raises:
            ArgumentsRefused: the arguments do not fit the task, or JSON cannot carry them.
            DefinitionError: the task's signature cannot be stored at all.
        """
        task, options = sendable.task, sendable.send_options
        validated = task.arguments.validate(args, kwargs)
        blobs: list[Blob] = []
        written = task.arguments.dump(validated, blobs)
        message_id = options.id or self._new_id()
        prepared = Prepared(task, message_id, options, validated, written, "", blobs, parent, trace.inject())
        prepared.body = self._envelope(prepared, written)
        return prepared

    def store(self, batch: Sequence[Prepared]) -> Coroutine[Any, Any, tuple[Sent, ...]]:
        """Store messages, all or none; what is awaited returns when they are durable.

        Nothing that was needed to prepare them is kept meanwhile: it would be the garbage collector's to look at.

        Raises:
            SendRefused: nothing was stored.
            SendUnknown: they may have been stored.
        """
        return self._store_behind_bytes(batch) if self._blocks(batch) else self._store(self._finish(batch))

    async def _store(self, entry: Send) -> tuple[Sent, ...]:
        return _told(entry, await self._batcher.ask(entry, SEND_TIMEOUT_S))

    async def _store_behind_bytes(self, batch: Sequence[Prepared]) -> tuple[Sent, ...]:
        return await self._store(await asyncio.to_thread(self._finish, batch))

    def store_blocking(self, batch: Sequence[Prepared]) -> tuple[Sent, ...]:
        """As `store`, for threads without an event loop."""
        entry = self._finish(batch)
        return _told(entry, self._batcher.ask_blocking(entry, SEND_TIMEOUT_S))

    async def outgoing_of(self, batch: Sequence[Prepared]) -> tuple[Outgoing, ...]:
        """As `outgoing`, for many and without holding up the event loop: what a settlement stores."""
        if self._blocks(batch):
            return (await asyncio.to_thread(self._finish, batch)).messages
        return self._finish(batch).messages

    def outgoing(self, prepared: Prepared) -> Outgoing:
        """The stored form of a prepared send; stores its blobs first. Blocks if there are any.

        Raises:
            BlobTooLarge: an upload or the arguments are over the limit.
            UploadRefused: a client was to bring a file, and did not.
            SendRefused: the blobs cannot be stored.
        """
        body: str = prepared.body
        refs: Sequence[BlobRef] = ()
        if self._brings_bytes(prepared):
            body, refs = self._with_bytes_stored(prepared)
        task, options = prepared.task, prepared.options
        return Outgoing(
            id=prepared.id,
            queue=task.queue,
            task=task.name,
            body=body,
            digest=_digest(prepared),
            sent_at=self._clock.now(),
            delay_s=options.delay_s,
            max_attempts=task.policy.max_attempts,
            unique_key=options.unique_key or filled(task.unique_key, prepared.args),
            group=filled(task.group_by, prepared.args),
            blobs=tuple([ref.key for ref in refs]) if refs else (),
            parent=prepared.parent,
            size_bytes=len(body) + (sum([ref.size_bytes for ref in refs]) if refs else 0),
        )

    def _finish(self, batch: Sequence[Prepared]) -> Send:
        return Send(tuple([self.outgoing(each) for each in batch]))

    def _blocks(self, batch: Sequence[Prepared]) -> bool:
        return any(map(self._brings_bytes, batch))

    def _brings_bytes(self, prepared: Prepared) -> bool:
        """Whether bytes are to be stored before the message can be."""
        return bool(prepared.blobs) or len(prepared.body) > self._max_body_bytes

    def _with_bytes_stored(self, prepared: Prepared) -> tuple[str, list[BlobRef]]:
        """The body of a message, and its blobs, which are stored by then."""
        try:
            if prepared.blobs:
                self._store_uploads(prepared)
            body, refs = prepared.body, [blob.ref for blob in prepared.blobs]
            if len(body) > self._max_body_bytes:
                refs.append(self._claim_check(prepared))
                body = self._envelope(prepared, refs[-1])
        except (BlobTooLarge, UploadRefused):
            raise
        except BlobError as error:
            raise SendRefused(
                f"task {prepared.task.name}: its bytes cannot be stored ({error}); no message was stored",
                [prepared.id],
            ) from error
        return body, refs

    def _store_uploads(self, prepared: Prepared) -> None:
        """Store the bytes that are still to be stored; only then is known what the message says of them."""
        waiting = [blob for blob in prepared.blobs if isinstance(blob, LateBlob)]
        for blob in waiting:
            blob.store(self._blobs)
        if waiting:
            prepared.blobs.clear()
            prepared.args = prepared.task.arguments.dump(prepared.validated, prepared.blobs)
            prepared.body = self._envelope(prepared, prepared.args)

    def _claim_check(self, prepared: Prepared) -> BlobRef:
        data = prepared.args.encode()
        if len(data) > self._limit_bytes:
            raise ArgumentsRefused(
                f"task {prepared.task.name}: the arguments take {len(data)} bytes, the limit is "
                f"{self._limit_bytes}; nothing was stored",
                [prepared.id],
            )
        return self._blobs.put(io.BytesIO(data), name="arguments.json")

    def _envelope(self, prepared: Prepared, args: str | BlobRef) -> str:
        task, options, now = prepared.task, prepared.options, self._clock.now()
        expires_s = options.expires_after_s or task.policy.expires_after_s
        return task.letterhead.write(
            prepared.id,
            args,
            sent_at=now,
            trace=prepared.trace,
            expires_at=None if expires_s is None else now + options.delay_s + expires_s,
            parent=prepared.parent,
            more={SECRETS: secrets} if (secrets := task.arguments.secrets) else None,
        )


def _digest(prepared: Prepared) -> str:
    """Equal for equal task and arguments; the same bytes uploaded twice are equal arguments."""
    args = prepared.args
    if args.count(":") > 1:  # more than one name, whose order does not matter
        args = json.dumps(json.loads(args), sort_keys=True)
    for blob in prepared.blobs:
        args = args.replace(blob.ref.key, blob.ref.sha256)
    return hashlib.blake2b(f"{prepared.task.name} {args}".encode(), digest_size=16).hexdigest()


def _told(entry: Send, sent: tuple[Sent, ...]) -> tuple[Sent, ...]:
    for message, each in zip(entry.messages, sent, strict=True):
        if each.duplicate:
            log.info("%s %s is stored already as %s: nothing was added", message.task, message.id, each.id)
        elif log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s stored in queue %s", message.task, message.id, message.queue)
    return sent
