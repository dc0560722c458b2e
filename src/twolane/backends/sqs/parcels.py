"""What goes to SQS and what comes from it, as values: parcels on their way, copies, and the words of FIFO queues.

A FIFO queue (`NAME.fifo`) hands out the messages of one group one after another, in the order in which they were
sent, and takes what is sent twice within five minutes under one deduplication id once. On a standard queue the group
makes the queue a fair one: who sends much does not hold up the others.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
from dataclasses import dataclass
from typing import Any

FIFO = ".fifo"
MAX_DELAY_S = 900
_WORD = re.compile(r"[!-~]{1,128}")

log = logging.getLogger("twolane.sqs")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message on its way to SQS.

    Attributes:
        queue: the queue's name in the app.
        body: as SQS gets it.
        name: what is sent twice under one name is one message, as far as a FIFO queue goes.
        delay_s: hidden for so long at first; a FIFO queue delays no single message.
        group: whose turn it is; None: nobody's.
    """

    queue: str
    body: str
    name: str
    delay_s: float = 0.0
    group: str | None = None

    @property
    def turn(self) -> str:
        """Its group on a FIFO queue: one that has none is a group of its own."""
        return self.name if self.group is None else self.group


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a message that SQS has handed out.

    Attributes:
        queue: the queue's name in the app.
        sqs_id: SQS's own id.
        handle: SQS's receipt.
        body: as it came.
        receives: how often SQS has handed it out.
        sent_at: when SQS got it, in epoch seconds.
        first_receive_at: when SQS handed it out first, in epoch seconds.
        group: the one it was sent with.
        asked_at: when SQS was asked for it, by a clock that never goes back; None: somebody else has received it.
    """

    queue: str
    sqs_id: str
    handle: str
    body: str
    receives: int
    sent_at: float
    first_receive_at: float | None = None
    group: str | None = None
    asked_at: float | None = None


ATTRIBUTES = [
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "MessageGroupId",
    "SentTimestamp",
]
"""What SQS is asked to say of a message."""


def is_fifo(url: str) -> bool:
    """Whether a queue is FIFO: SQS says so in its name."""
    return url.endswith(FIFO)


def word(text: str) -> str:
    """A text as SQS takes it for a group or a deduplication id; equal texts are equal words."""
    if _WORD.fullmatch(text):
        return text
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()


def entry_of(parcel: Parcel, number: int, *, fifo: bool) -> dict[str, Any]:
    """A parcel as an entry of `SendMessageBatch`."""
    entry: dict[str, Any] = {"Id": str(number), "MessageBody": parcel.body}
    if fifo:
        return entry | {
            "MessageGroupId": word(parcel.turn),
            "MessageDeduplicationId": word(parcel.name),
        }
    if parcel.delay_s > 0:
        entry["DelaySeconds"] = min(whole(parcel.delay_s), MAX_DELAY_S)
    if parcel.group is not None:
        entry["MessageGroupId"] = word(parcel.group)
    return entry


def whole(seconds: float) -> int:
    """Whole seconds, never fewer: not visible before its delay (L6)."""
    return math.ceil(seconds - 1e-6)


def md5(body: str) -> str:
    """The checksum that SQS says of a body."""
    return hashlib.md5(body.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def copies_of(queue: str, answer: dict[str, Any]) -> list[Copy]:
    """What a receive brought. What came damaged is left to its lease: it comes again, and is said."""
    copies: list[Copy] = []
    for message in answer.get("Messages") or ():
        try:
            copies.append(_copy(queue, message))
        except (KeyError, TypeError, ValueError) as error:
            log.warning(
                "a message of queue %s came damaged (%s) and is not taken: it comes again when its lease ends",
                queue, error,
            )  # fmt: skip
    return copies


def _copy(queue: str, message: dict[str, Any]) -> Copy:
    has: dict[str, str] = message.get("Attributes", {})
    first = has.get("ApproximateFirstReceiveTimestamp")
    body = message["Body"]
    if message.get("MD5OfBody", "") != md5(body):
        raise ValueError(f"{message['MessageId']}: its body is not the one that its checksum says")
    return Copy(
        queue=queue,
        sqs_id=message["MessageId"],
        handle=message["ReceiptHandle"],
        body=body,
        receives=int(has.get("ApproximateReceiveCount", 1)),
        sent_at=int(has.get("SentTimestamp", 0)) / 1000,
        first_receive_at=None if first is None else int(first) / 1000,
        group=has.get("MessageGroupId"),
    )
