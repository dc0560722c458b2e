"""What a person does about a dead letter: send it back as it is or with other arguments.

Pure: makes the entry; who asks for it hands it to the batcher.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twolane.contracts.queue import Redrive
from twolane.engine.task import Task, filled
from twolane.values.blob import Blob
from twolane.values.errors import ArgumentsRefused, EnvelopeError
from twolane.values.message import decode, encode
from twolane.values.record import DeadLetter


def redrive(letter: DeadLetter, now: float) -> Redrive:
    """Send a dead letter back as it is.

    One that has expired expires no more, and one that went on in parts has a deadline no more: else it would die again
    at once.
    """
    try:
        message = decode(letter.body)
    except EnvelopeError:
        return Redrive(letter.record.id)
    expires_at = message.expires_at
    if expires_at is not None and expires_at <= now:
        expires_at = None
    if expires_at == message.expires_at and message.continuation is None:
        return Redrive(letter.record.id)
    return Redrive(letter.record.id, encode(message._replace(expires_at=expires_at, continuation=None)))


def redrive_edited(letter: DeadLetter, task: Task[Any, Any, Any], values: Mapping[str, Any]) -> Redrive:
    """Send a dead letter back with other arguments, in their group and under their unique key.

    Its checkpoint is forgotten. What it was sent with is not: a client that sends it again under its id, with the
    arguments that the client knows, meets this message.

    Args:
        letter: the dead letter.
        task: its task.
        values: all arguments by name, as JSON values.

    Raises:
        ArgumentsRefused: they do not fit the task, name bytes that are not this message's, or the letter
            holds no envelope whose arguments could be edited.
    """
    try:
        message = decode(letter.body)
    except EnvelopeError as error:
        raise ArgumentsRefused(f"message {letter.record.id} has no arguments to edit: {error}") from None
    args, kwargs = task.arguments.load(values, {})
    blobs: list[Blob] = []
    fit = task.arguments.dump(task.arguments.validate(args, kwargs), blobs)
    for blob in blobs:
        if blob.ref.key not in letter.body:
            raise ArgumentsRefused(
                f"message {letter.record.id} holds no blob {blob.ref.key!r}: only its own bytes can be named"
            )
    group = filled(task.group_by, fit)
    edited = message._replace(args=json.loads(fit), args_blob=None, expires_at=None, continuation=None)
    unique_key = _unique_key(letter, task, message.args, fit)
    return Redrive(letter.record.id, encode(edited), group=group, unique_key=unique_key)


def _unique_key(
    letter: DeadLetter, task: Task[Any, Any, Any], before: Mapping[str, Any] | None, fit: str
) -> str | None:
    """The key of the edited arguments; None: it stays, since the send named it itself, or there is none."""
    was = letter.record.unique_key
    if task.unique_key is None or was is None:
        return None
    try:
        goes_by_arguments = before is None or filled(task.unique_key, json.dumps(before)) == was
    except KeyError:  # the arguments had other names then
        goes_by_arguments = True
    return filled(task.unique_key, fit) if goes_by_arguments else None
