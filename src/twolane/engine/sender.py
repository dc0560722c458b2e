"""Sending: from a task and its arguments to stored messages. Used by the request's batch and by `tasks.send`."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twolane.contracts.blobs import Blobs
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Outgoing, Send, Sent
from twolane.engine import trace
from twolane.engine.batcher import Batcher
from twolane.engine.task import Sendable, SendOptions, Task
from twolane.engine.uploads import PendingBlob
from twolane.values.blob import Blob, BlobRef
from twolane.values.errors import ArgumentsRefused, BlobError, BlobTooLarge, SendRefused
from twolane.values.message import SECRETS, Message, MessagePolicy, encode
from twolane.values.ticket import Lane, Ticket

log = logging.getLogger("twolane.send")

SEND_TIMEOUT_S = 30.0
"""After so many seconds without an answer the outcome of a send is unknown."""

_SORTED = json.JSONEncoder(sort_keys=True, check_circular=False)


@dataclass(slots=True)
class Prepared:
    """A message to be: its task is known, its arguments are validated, nothing is stored yet.

    Attributes:
        task: the task.
        id: the message's id.
        options: the options of this send.
        validated: the arguments as a pydantic model.
        values: the same as JSON values by name.
        body: the envelope; written again once the bytes of its uploads are stored.
        blobs: the blobs among them.
        parent: the id of the message whose task sends it.
        trace: the trace context of the caller.
    """

    task: Task[Any, Any, Any]
    id: str
    options: SendOptions
    validated: Any
    values: dict[str, Any]
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
        values = task.arguments.dump(validated, blobs)
        prepared = Prepared(
            task, options.id or self._new_id(), options, validated, values, "", blobs, parent, trace.inject()
        )
        prepared.body = self._encode(prepared, values)
        return prepared

    async def store(self, batch: Sequence[Prepared]) -> tuple[Sent, ...]:
        """Store messages, all or none; returns when they are durable.

        Raises:
            SendRefused: nothing was stored.
            SendUnknown: they may have been stored.
        """
        if any(self._blocks(each) for each in batch):
            entry = await asyncio.to_thread(self._finish, batch)
        else:
            entry = self._finish(batch)
        return _told(batch, await self._batcher.ask(entry, SEND_TIMEOUT_S))

    def store_blocking(self, batch: Sequence[Prepared]) -> tuple[Sent, ...]:
        """As `store`, for threads without an event loop."""
        return _told(batch, self._batcher.ask_blocking(self._finish(batch), SEND_TIMEOUT_S))

    def outgoing(self, prepared: Prepared) -> Outgoing:
        """The stored form of a prepared send; stores its blobs first. Blocks if there are any.

        Raises:
            BlobTooLarge: an upload or the arguments are over the limit.
            SendRefused: the blobs cannot be stored.
        """
        try:
            return self._outgoing(prepared)
        except BlobTooLarge:
            raise
        except BlobError as error:
            raise SendRefused(
                f"task {prepared.task.name}: its bytes cannot be stored ({error}); no message was stored",
                [prepared.id],
            ) from error

    def _finish(self, batch: Sequence[Prepared]) -> Send:
        return Send(tuple([self.outgoing(each) for each in batch]))

    def _blocks(self, prepared: Prepared) -> bool:
        return bool(prepared.blobs) or len(prepared.body) > self._max_body_bytes

    def _outgoing(self, prepared: Prepared) -> Outgoing:
        values, task = prepared.values, prepared.task
        waiting = [blob for blob in prepared.blobs if isinstance(blob, PendingBlob)]
        for blob in waiting:
            blob.store(self._blobs)
        if waiting:
            prepared.blobs.clear()
            values = prepared.values = task.arguments.dump(prepared.validated, prepared.blobs)
            prepared.body = self._encode(prepared, values)
        body = prepared.body
        keys = [blob.ref.key for blob in prepared.blobs]
        if len(body) > self._max_body_bytes:
            ref = self._claim_check(prepared, values)
            body = self._encode(prepared, None, ref)
            keys.append(ref.key)
        options = prepared.options
        return Outgoing(
            id=prepared.id,
            queue=task.queue,
            task=task.name,
            body=body,
            digest=self._digest(prepared, values),
            sent_at=self._clock.now(),
            delay_s=options.delay_s,
            max_attempts=task.policy.max_attempts,
            unique_key=options.unique_key or _unique_key(task, values),
            blobs=tuple(keys),
            parent=prepared.parent,
        )

    def _claim_check(self, prepared: Prepared, values: Mapping[str, Any]) -> BlobRef:
        data = json.dumps(values).encode()
        if len(data) > self._limit_bytes:
            raise ArgumentsRefused(
                f"task {prepared.task.name}: the arguments take {len(data)} bytes, the limit is "
                f"{self._limit_bytes}; nothing was stored",
                [prepared.id],
            )
        return self._blobs.put(io.BytesIO(data), name="arguments.json")

    def _encode(
        self, prepared: Prepared, values: Mapping[str, Any] | None, ref: BlobRef | None = None
    ) -> str:
        task, now = prepared.task, self._clock.now()
        expires_s = prepared.options.expires_after_s or task.policy.expires_after_s
        policy = task.policy
        message = Message(
            id=prepared.id,
            task=task.name,
            queue=task.queue,
            args=values,
            args_blob=ref,
            sent_at=now,
            expires_at=None if expires_s is None else now + prepared.options.delay_s + expires_s,
            policy=MessagePolicy(policy.max_attempts, policy.timeout_s, policy.patience_s),
            trace=prepared.trace,
            parent=prepared.parent,
            extra={SECRETS: list(secrets)} if (secrets := task.arguments.secrets) else {},
        )
        try:
            body = encode(message)
        except (ValueError, TypeError, RecursionError):
            task.arguments.check_json(values or {})
            raise
        if "\\ud" in body:  # may be a lone surrogate, which no worker could read back
            task.arguments.check_json(values or {})
        return body

    def _digest(self, prepared: Prepared, values: Mapping[str, Any]) -> str:
        """Equal for equal task and arguments; the same bytes uploaded twice are equal arguments."""
        text = _SORTED.encode([prepared.task.name, values])
        for blob in prepared.blobs:
            text = text.replace(blob.ref.key, blob.ref.sha256)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _unique_key(task: Task[Any, Any, Any], values: Mapping[str, Any]) -> str | None:
    return None if task.unique_key is None else task.unique_key.format(**values)


def _told(batch: Sequence[Prepared], sent: tuple[Sent, ...]) -> tuple[Sent, ...]:
    for prepared, each in zip(batch, sent, strict=True):
        if each.duplicate:
            log.info(
                "%s %s is stored already as %s: nothing was added", prepared.task.name, prepared.id, each.id
            )
        else:
            log.debug("%s %s stored in queue %s", prepared.task.name, prepared.id, prepared.task.queue)
    return sent
