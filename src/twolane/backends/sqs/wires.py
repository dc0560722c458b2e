"""The calls to SQS: batches of ten, side by side, each entry with an answer of its own that is looked at.

A batch is a success for SQS when all its entries failed, and for botocore when its answer was cut short. So every
entry must be named in the answer, with a MessageId and the checksum of its body; what is not is unknown.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from twolane.backends.aws import AwsError, Service, code_of
from twolane.backends.sqs.addresses import Address

T = TypeVar("T")

BATCH = 10
"""So many entries take SQS's batch calls, and so many messages a receive."""
BATCH_BYTES = 1024 * 1024
MAX_HIDDEN_S = 12 * 3600.0
"""So long SQS hides a message in all, however often its lease is extended."""
MAX_DELAY_S = 900
TRIES = 3
_GONE = frozenset(["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue", "NotFound"])


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message on its way to SQS."""

    queue: str
    body: str
    delay_s: float = 0.0


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
    """

    queue: str
    sqs_id: str
    handle: str
    body: str
    receives: int
    sent_at: float
    first_receive_at: float | None = None


class Wires:
    """The way to the queues of one address.

    Args:
        address: which queues.
        service: botocore and its threads.
        batch_bytes: how many bytes of bodies one call takes.
    """

    def __init__(self, address: Address, service: Service, *, batch_bytes: int = BATCH_BYTES) -> None:
        self.service = service
        self._address = address
        self._batch_bytes = batch_bytes
        self._urls: dict[str, str] = {}
        self._dead_urls: dict[str, str | None] = {}

    def url(self, queue: str) -> str:
        """The URL of a queue by its name in the app.

        Raises:
            AwsError: there is none.
        """
        if queue not in self._urls:
            self._urls[queue] = self._url_of(self._address.name_of(queue))
        return self._urls[queue]

    def dead_url(self, queue: str) -> str | None:
        """The URL of a queue's dead-letter queue: the one that is named, else its redrive policy's; None: it has none.

        Raises:
            AwsError: it cannot be found out.
        """
        if queue not in self._dead_urls:
            self._dead_urls[queue] = self._find_dead(queue)
        return self._dead_urls[queue]

    def send(self, parcels: Sequence[Parcel]) -> list[AwsError | None]:
        """Send messages; an answer for each. None: SQS has it. An error that says not `sent`: SQS has not."""
        return self._by_queue([parcel.queue for parcel in parcels], parcels, self._send_to)

    def bury(self, parcels: Sequence[Parcel]) -> list[AwsError | None]:
        """Send messages to their queues' dead-letter queues; nothing is to be done where there is none."""
        answers: list[AwsError | None] = [None] * len(parcels)
        for number, parcel in enumerate(parcels):
            try:
                url = self.dead_url(parcel.queue)
            except AwsError as error:
                answers[number] = error
            else:
                answers[number] = None if url is None else self.send_at(url, parcel.queue, parcel.body)
        return answers

    def delete(self, copies: Sequence[tuple[str, str]]) -> list[AwsError | None]:
        """Delete copies by queue and handle; one that is gone or was handed out again is no error."""
        return self._by_queue([queue for queue, _ in copies], copies, self._delete_from)

    def show(self, copies: Sequence[tuple[str, str, float]]) -> list[AwsError | None]:
        """Hide copies, by queue and handle, for so many seconds from now; 0: visible at once. As `delete`."""
        return self._by_queue([queue for queue, _, _ in copies], copies, self._show_in)

    def receive(self, queue: str, most: int, lease_s: float, *, wait_s: float = 0.0) -> list[Copy]:
        """Receive up to ten messages.

        Raises:
            AwsError: nothing is known to have been received; what was becomes visible when its lease ends.
        """
        return self.receive_at(self.url(queue), queue, most, lease_s, wait_s=wait_s)

    def receive_at(
        self, url: str, queue: str, most: int, lease_s: float, *, wait_s: float = 0.0
    ) -> list[Copy]:
        """As `receive`, from a URL: a dead-letter queue's."""
        answer = self.service.call(
            "receive_message",
            f"receiving from queue {queue}",
            waiting=wait_s > 0,
            QueueUrl=url,
            MaxNumberOfMessages=min(most, BATCH),
            VisibilityTimeout=_whole(lease_s),
            WaitTimeSeconds=int(wait_s),
            MessageSystemAttributeNames=[
                "ApproximateFirstReceiveTimestamp",
                "ApproximateReceiveCount",
                "SentTimestamp",
            ],
        )
        return [_copy(queue, message) for message in answer.get("Messages", ())]

    def send_at(self, url: str, queue: str, body: str) -> AwsError | None:
        """Send one message to a URL: a dead-letter queue's."""
        try:
            [answer] = self._send_batch(url, [Parcel(queue, body)])
        except AwsError as error:
            return error
        return answer

    def delete_at(self, url: str, queue: str, handle: str) -> AwsError | None:
        """Delete one copy at a URL: a dead-letter queue's."""
        try:
            [answer] = self._delete_from(url, [(queue, handle)])
        except AwsError as error:
            return error
        return answer

    def show_at(self, url: str, queue: str, handles: Sequence[str], after_s: float) -> None:
        """Hide copies at a URL; what fails is visible when its lease ends."""
        for start in range(0, len(handles), BATCH):
            with suppress(AwsError):
                self._show_in(url, [(queue, handle, after_s) for handle in handles[start : start + BATCH]])

    def attributes(self, queue: str, *names: str) -> dict[str, str]:
        """Attributes of a queue."""
        what = f"asking after queue {queue}"
        answer = self.service.call(
            "get_queue_attributes", what, QueueUrl=self.url(queue), AttributeNames=list(names)
        )
        return dict(answer.get("Attributes", {}))

    def _url_of(self, name: str) -> str:
        if "://" in name:
            return name
        return str(
            self.service.call("get_queue_url", f"looking for queue {name}", QueueName=name)["QueueUrl"]
        )

    def _find_dead(self, queue: str) -> str | None:
        if (named := self._address.dead_name_of(queue)) is not None:
            return self._url_of(named)
        policy = self.attributes(queue, "RedrivePolicy").get("RedrivePolicy")
        if not policy:
            return None
        return self._url_of(str(json.loads(policy)["deadLetterTargetArn"]).rpartition(":")[2])

    def _by_queue(
        self,
        queues: Sequence[str],
        things: Sequence[T],
        call: Callable[[str, Sequence[T]], list[AwsError | None]],
    ) -> list[AwsError | None]:
        """Call for the things of each queue, in batches side by side."""
        answers: list[AwsError | None] = [None] * len(things)
        batches: list[list[int]] = []
        for queue in dict.fromkeys(queues):
            mine = [number for number, each in enumerate(queues) if each == queue]
            batches += self._batches(mine, things)

        def carry(batch: list[int]) -> None:
            try:
                told = call(self.url(queues[batch[0]]), [things[number] for number in batch])
            except AwsError as error:
                told = [error] * len(batch)
            for number, answer in zip(batch, told, strict=True):
                answers[number] = answer

        self.service.side_by_side([partial(carry, batch) for batch in batches])
        return answers

    def _batches(self, numbers: Sequence[int], things: Sequence[Any]) -> list[list[int]]:
        """Up to ten of them, up to the bytes that one call takes."""
        batches: list[list[int]] = []
        room_bytes = 0
        for number in numbers:
            size = len(things[number].body) if isinstance(things[number], Parcel) else 0
            if not batches or len(batches[-1]) == BATCH or size > room_bytes:
                batches.append([])
                room_bytes = self._batch_bytes
            batches[-1].append(number)
            room_bytes -= size
        return batches

    def _send_to(self, url: str, parcels: Sequence[Parcel]) -> list[AwsError | None]:
        """Send a batch; what SQS could not take just now is sent again."""
        answers: list[AwsError | None] = [None] * len(parcels)
        left = list(range(len(parcels)))
        for _ in range(TRIES):
            told = self._send_batch(url, [parcels[number] for number in left])
            for number, answer in zip(left, told, strict=True):
                answers[number] = answer
            left = [number for number, answer in zip(left, told, strict=True) if _is_passing(answer)]
            if not left:
                break
        return answers

    def _send_batch(self, url: str, parcels: Sequence[Parcel]) -> list[AwsError | None]:
        entries: list[dict[str, Any]] = [
            {"Id": str(number), "MessageBody": parcel.body}
            | ({"DelaySeconds": _whole(min(parcel.delay_s, MAX_DELAY_S))} if parcel.delay_s > 0 else {})
            for number, parcel in enumerate(parcels)
        ]
        what = f"sending to queue {parcels[0].queue}"
        answer = self.service.call("send_message_batch", what, QueueUrl=url, Entries=entries)
        stored = {each.get("Id"): each for each in answer.get("Successful", ())}
        failed = {each.get("Id"): each for each in answer.get("Failed", ())}
        return [
            _sent(what, parcel, stored.get(str(number)), failed.get(str(number)))
            for number, parcel in enumerate(parcels)
        ]

    def _delete_from(self, url: str, copies: Sequence[tuple[str, str]]) -> list[AwsError | None]:
        entries = [{"Id": str(number), "ReceiptHandle": handle} for number, (_, handle) in enumerate(copies)]
        what = f"deleting from queue {copies[0][0]}"
        answer = self.service.call("delete_message_batch", what, QueueUrl=url, Entries=entries)
        return _settled(what, answer, len(copies))

    def _show_in(self, url: str, copies: Sequence[tuple[str, str, float]]) -> list[AwsError | None]:
        entries = [
            {
                "Id": str(number),
                "ReceiptHandle": handle,
                "VisibilityTimeout": _whole(min(after_s, MAX_HIDDEN_S)),
            }
            for number, (_, handle, after_s) in enumerate(copies)
        ]
        what = f"changing visibility in queue {copies[0][0]}"
        answer = self.service.call("change_message_visibility_batch", what, QueueUrl=url, Entries=entries)
        return _settled(what, answer, len(copies))


def _whole(seconds: float) -> int:
    """Whole seconds, never fewer: not visible before its delay (L6)."""
    return math.ceil(seconds - 1e-6)


def _copy(queue: str, message: dict[str, Any]) -> Copy:
    has: dict[str, str] = message.get("Attributes", {})
    first = has.get("ApproximateFirstReceiveTimestamp")
    return Copy(
        queue=queue,
        sqs_id=message["MessageId"],
        handle=message["ReceiptHandle"],
        body=message["Body"],
        receives=int(has.get("ApproximateReceiveCount", 1)),
        sent_at=int(has.get("SentTimestamp", 0)) / 1000,
        first_receive_at=None if first is None else int(first) / 1000,
    )


def _sent(
    what: str, parcel: Parcel, stored: dict[str, Any] | None, failed: dict[str, Any] | None
) -> AwsError | None:
    if failed is not None:
        return _failed(what, failed)
    if stored is None or not stored.get("MessageId"):
        return AwsError(f"{what} failed: SQS said nothing of this message", "NoMessageId", sent=True)
    checksum = hashlib.md5(parcel.body.encode(), usedforsecurity=False).hexdigest()
    if stored.get("MD5OfMessageBody", checksum) != checksum:
        return AwsError(f"{what} failed: SQS has stored another body", "MD5Mismatch", sent=True)
    return None


def _failed(what: str, failed: dict[str, Any]) -> AwsError:
    code = code_of(str(failed.get("Code", "")))
    return AwsError(f"{what} was refused: {code}: {failed.get('Message', '')}", code, sent=False)


_PASSING = frozenset(["InternalError", "InternalFailure", "ServiceUnavailable"])


def _is_passing(answer: AwsError | None) -> bool:
    """SQS could not take this entry now, and may in a moment."""
    from twolane.backends.aws import is_throttling

    return answer is not None and not answer.sent and (answer.code in _PASSING or is_throttling(answer.code))


def _settled(what: str, answer: dict[str, Any], count: int) -> list[AwsError | None]:
    done = {each.get("Id") for each in answer.get("Successful", ())}
    failed = {each.get("Id"): each for each in answer.get("Failed", ())}
    answers: list[AwsError | None] = []
    for number in range(count):
        failure = failed.get(str(number))
        if failure is not None and code_of(str(failure.get("Code", ""))) not in _GONE:
            answers.append(_failed(what, failure))
        elif failure is None and str(number) not in done:
            answers.append(AwsError(f"{what} failed: SQS said nothing of this copy", "NoAnswer", sent=True))
        else:
            answers.append(None)
    return answers
