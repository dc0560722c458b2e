"""What lies in SQS: an envelope as it is, or something else in a wrapper that says whose it is; and a death."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from twolane.backends.sqs.parcels import Copy, Parcel
from twolane.backends.sqs.rows import Row
from twolane.contracts.queue import Outgoing
from twolane.values.errors import EnvelopeError
from twolane.values.message import decode, names_itself
from twolane.values.record import Record, State

_WRAPPED = '{"twolane":'
_DEATH = '{"dead":'
DEATH_BYTES = 200 * 1024
MAX_ATTEMPTS = 5


def packed(message_id: str, task: str, body: str) -> str:
    """A body as it goes to SQS. An envelope says itself whose it is; what is none is wrapped."""
    if names_itself(body, message_id, task):
        return body
    return json.dumps({"twolane": {"id": message_id, "task": task}, "body": body})


def posted(message: Outgoing) -> Parcel:
    """A message on its way to its queue; a second send of its id is the same one."""
    body = packed(message.id, message.task, message.body)
    return Parcel(message.queue, body, message.id, message.delay_s, message.group)


def posted_again(row: Row, body: str) -> Parcel:
    """One that was sent back; not the same as its first send, which a FIFO queue remembers for five minutes."""
    kept = row.record
    body = packed(kept.id, kept.task, body)
    return Parcel(kept.queue, body, f"{kept.id}.{kept.deliveries}", group=row.group)


def laid_out(queue: str, row: Row, body: str) -> Parcel:
    """A dead letter on its way to a dead-letter queue; in no group, so that none hides behind another there."""
    return Parcel(queue, death(row, body), f"{row.record.id}.{row.record.deliveries}")


def unpacked(copy: Copy) -> tuple[str, str]:
    """The message's id and its body. What is none of ours goes by SQS's own id."""
    try:
        if copy.body.startswith(_WRAPPED):
            has = json.loads(copy.body)
            return str(has["twolane"]["id"]), str(has["body"])
        message_id = json.loads(copy.body)["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"sqs-{copy.sqs_id}", copy.body
    if not isinstance(message_id, str) or not message_id:
        return f"sqs-{copy.sqs_id}", copy.body
    return message_id, copy.body


def adopted(message_id: str, body: str, copy: Copy, now: float) -> Row:
    """The row of a message that the state store knows nothing of: somebody else put it into SQS."""
    task, sent_at, max_attempts, parent = "", copy.sent_at or now, MAX_ATTEMPTS, None
    with suppress(EnvelopeError):  # then some worker says so, and it dies as unreadable
        message = decode(body)
        task, sent_at, parent = message.task, message.sent_at, message.parent
        max_attempts = max(1, message.policy.max_attempts)
    record = Record(
        message_id, task, copy.queue, State.WAITING,
        attempt=1, deliveries=0, sent_at=sent_at, visible_at=now, parent=parent,
    )  # fmt: skip
    return Row(record, digest="", max_attempts=max_attempts, body=body, group=copy.group)


def fresh(message: Outgoing, now: float, token: str, *, inline: bool) -> Row:
    """The row of a message that is being sent."""
    record = Record(
        message.id,
        message.task,
        message.queue,
        State.WAITING,
        attempt=1,
        deliveries=0,
        sent_at=message.sent_at,
        visible_at=now + message.delay_s,
        parent=message.parent,
        unique_key=message.unique_key,
    )
    body = message.body if inline else None
    return Row(
        record,
        message.digest,
        message.max_attempts,
        body,
        message.blobs,
        group=message.group,
        token=token,
    )


def is_death(body: str) -> bool:
    """Whether what lies in a dead-letter queue was put there by us."""
    return body.startswith(_DEATH)


def death(row: Row, body: str) -> str:
    """A dead letter as it lies in a dead-letter queue, for people who look there: why it died, then the message.

    The attempts are clipped from the oldest on, so that it fits. The dead letter of record is the state store's.
    """
    attempts: list[dict[str, Any]] = [
        {
            "number": each.number,
            "outcome": each.outcome,
            "error": each.failure.error_type,
            "message": each.failure.message,
            "traceback": each.failure.traceback,
        }
        for each in row.attempts
    ]
    kept = row.record
    while True:
        text = json.dumps(
            {
                "dead": {
                    "id": kept.id,
                    "task": kept.task,
                    "queue": kept.queue,
                    "reason": kept.reason,
                    "died_at": kept.finished_at,
                    "attempts": attempts,
                },
                "body": body,
            }
        )
        if len(text) - len(body) <= DEATH_BYTES or not attempts:
            return text
        attempts = attempts[1:]
