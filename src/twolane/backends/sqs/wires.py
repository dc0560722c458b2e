"""The calls to SQS: batches of ten, side by side, each entry with an answer of its own that is looked at.

A batch is a success for SQS when all its entries failed, and for botocore when its answer was cut short. So every
entry must be named in the answer, with a MessageId and the checksum of its body; what is not is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from twolane.backends.aws import AwsError, Service, code_of, is_throttling
from twolane.backends.sqs.addresses import Address
from twolane.backends.sqs.parcels import (
    ATTRIBUTES,
    FIFO,
    Copy,
    Parcel,
    copies_of,
    entry_of,
    is_fifo,
    md5,
    whole,
)

T = TypeVar("T")

BATCH = 10
"""So many entries take SQS's batch calls, and so many messages a receive."""
BATCH_BYTES = 1024 * 1024
POLICY = "RedrivePolicy"
LEAST_RECEIVES = 10
"""Fewer leave no room: five attempts are the default, and each release, lost lease and long delay takes one more."""
TRIES = 3
_MISSING = frozenset(["QueueDoesNotExist", "NonExistentQueue"])
_GONE = frozenset(["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue", "NotFound"])


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

    def is_fifo(self, queue: str) -> bool:
        """Whether a queue keeps the order of a group.

        Raises:
            AwsError: there is no such queue.
        """
        return is_fifo(self.url(queue))

    def dead_url(self, queue: str) -> str | None:
        """The URL of a queue's dead-letter queue: the one that is named, else its redrive policy's; None: it has none.

        Raises:
            AwsError: it cannot be found out.
        """
        if queue not in self._dead_urls:
            self._dead_urls[queue] = self._find_dead(queue)
        return self._dead_urls[queue]

    def send(self, parcels: Sequence[Parcel]) -> list[AwsError | None]:
        """Send messages; an answer for each. None: SQS has it. An error that says not `sent`: SQS has not.

        To a FIFO queue they go in their order, one call after the other.
        """
        return self._by_queue([parcel.queue for parcel in parcels], parcels, self._send_to, in_order=True)

    def bury(self, parcels: Sequence[Parcel]) -> list[AwsError | None]:
        """Send messages to their queues' dead-letter queues; nothing is to be done where there is none."""

        def bury(url: str | None, some: Sequence[Parcel]) -> list[AwsError | None]:
            return [None] * len(some) if url is None else self._send_to(url, some)

        return self._by_queue([parcel.queue for parcel in parcels], parcels, bury, url_of=self.dead_url)

    def delete(self, copies: Sequence[tuple[str, str]]) -> list[AwsError | None]:
        """Delete copies by queue and handle; one that is gone or was handed out again is no error."""
        return self._by_queue([queue for queue, _ in copies], copies, self._delete_from)

    def show(self, copies: Sequence[tuple[str, str, float]]) -> list[AwsError | None]:
        """Hide copies, by queue and handle, for so many seconds from now; 0: visible at once. As `delete`."""
        return self._by_queue([queue for queue, _, _ in copies], copies, self._show_in)

    def receive(self, queue: str, most: int, lease_s: float, *, wait_s: float = 0.0) -> list[Copy]:
        """Receive up to ten messages; of a FIFO queue one, since the others of its group would wait for it here.

        Raises:
            AwsError: nothing is known to have been received; what was becomes visible when its lease ends.
        """
        url = self.url(queue)
        return self.receive_at(url, queue, 1 if is_fifo(url) else most, lease_s, wait_s=wait_s)

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
            VisibilityTimeout=whole(lease_s),
            WaitTimeSeconds=int(wait_s),
            MessageSystemAttributeNames=ATTRIBUTES,
        )
        return copies_of(queue, answer)

    def send_at(self, url: str, parcel: Parcel) -> AwsError | None:
        """Send one message to a URL: a dead-letter queue's."""
        try:
            [answer] = self._send_batch(url, [parcel])
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
        asked = [*names, "QueueArn"]  # each queue has one: an answer without it was cut short
        answer = self.service.call(
            "get_queue_attributes", what, QueueUrl=self.url(queue), AttributeNames=asked
        )
        found = dict(answer.get("Attributes", {}))
        if "QueueArn" not in found:
            raise AwsError(f"{what} failed: SQS's answer was cut short", "NoAnswer", sent=True)
        return found

    def most_receives(self, queue: str, policy: str | None = None) -> int | None:
        """After so many receives SQS moves a message of this queue away by itself; None: it does not.

        Args:
            queue: its name in the app.
            policy: its redrive policy, where that was asked for already.

        Raises:
            AwsError: it cannot be found out.
        """
        text = self.attributes(queue, POLICY).get(POLICY) if policy is None else policy
        return int(json.loads(text)["maxReceiveCount"]) if text else None

    def _url_of(self, name: str) -> str:
        """A name with a place for queues may be that of a standard queue or of a FIFO one: whichever there is."""
        if "://" in name:
            return name
        try:
            return self._look_for(name)
        except AwsError as error:
            if error.code not in _MISSING or name.endswith(FIFO) or not self._address.has_place:
                raise
            with suppress(AwsError):
                return self._look_for(name + FIFO)
            raise

    def _look_for(self, name: str) -> str:
        what = f"looking for queue {name}"
        url = self.service.call("get_queue_url", what, QueueName=name).get("QueueUrl")
        if not url:
            raise AwsError(f"{what} failed: SQS said nothing of it", "NoAnswer", sent=False)
        return str(url)

    def _find_dead(self, queue: str) -> str | None:
        if (named := self._address.dead_name_of(queue)) is not None:
            return self._url_of(named)
        policy = self.attributes(queue, POLICY).get(POLICY)
        if not policy:
            return None
        return self._url_of(str(json.loads(policy)["deadLetterTargetArn"]).rpartition(":")[2])

    def _by_queue(
        self,
        queues: Sequence[str],
        things: Sequence[T],
        call: Callable[[Any, Sequence[T]], list[AwsError | None]],
        *,
        in_order: bool = False,
        url_of: Callable[[str], str | None] | None = None,
    ) -> list[AwsError | None]:
        """Call for the things of each queue, in batches side by side; in their order where that is kept."""
        answers: list[AwsError | None] = [None] * len(things)
        url_of = url_of or self.url

        def carry(batches: list[list[int]]) -> None:
            for batch in batches:
                try:
                    told = call(url_of(queues[batch[0]]), [things[number] for number in batch])
                except AwsError as error:
                    told = [error] * len(batch)
                for number, answer in zip(batch, told, strict=True):
                    answers[number] = answer

        jobs: list[list[list[int]]] = []
        for queue in dict.fromkeys(queues):
            batches = self._batches([number for number, each in enumerate(queues) if each == queue], things)
            jobs += [batches] if in_order and self._keeps_order(queue) else [[batch] for batch in batches]
        self.service.side_by_side([partial(carry, job) for job in jobs])
        return answers

    def _keeps_order(self, queue: str) -> bool:
        with suppress(AwsError):  # which the call itself says, of each of its entries
            return self.is_fifo(queue)
        return False

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
            if is_fifo(url):
                left = [number for number in left if not _overtaken(number, parcels, answers)]
            if not left:
                break
        return answers

    def _send_batch(self, url: str, parcels: Sequence[Parcel]) -> list[AwsError | None]:
        fifo = is_fifo(url)
        entries = [entry_of(parcel, number, fifo=fifo) for number, parcel in enumerate(parcels)]
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
                "VisibilityTimeout": whole(after_s),
            }
            for number, (_, handle, after_s) in enumerate(copies)
        ]
        what = f"changing visibility in queue {copies[0][0]}"
        answer = self.service.call("change_message_visibility_batch", what, QueueUrl=url, Entries=entries)
        return _settled(what, answer, len(copies))


def _sent(
    what: str, parcel: Parcel, stored: dict[str, Any] | None, failed: dict[str, Any] | None
) -> AwsError | None:
    if failed is not None:
        return _failed(what, failed)
    if stored is None or not stored.get("MessageId"):
        return AwsError(f"{what} failed: SQS said nothing of this message", "NoMessageId", sent=True)
    if stored.get("MD5OfMessageBody") != md5(parcel.body):
        return AwsError(f"{what} failed: SQS has stored another body", "MD5Mismatch", sent=True)
    return None


def _failed(what: str, failed: dict[str, Any]) -> AwsError:
    code = code_of(str(failed.get("Code", "")))
    return AwsError(f"{what} was refused: {code}: {failed.get('Message', '')}", code, sent=False)


_PASSING = frozenset(["InternalError", "InternalFailure", "ServiceUnavailable"])


def _is_passing(answer: AwsError | None) -> bool:
    """SQS could not take this entry now, and may in a moment."""
    return answer is not None and not answer.sent and (answer.code in _PASSING or is_throttling(answer.code))


def _overtaken(number: int, parcels: Sequence[Parcel], answers: Sequence[AwsError | None]) -> bool:
    """Whether one of its group that was sent after it is stored: sent again now it would be out of its order."""
    turn = parcels[number].turn
    return any(
        parcels[later].turn == turn and answers[later] is None for later in range(number + 1, len(parcels))
    )


def _is_gone(failure: dict[str, Any]) -> bool:
    """It was handed out again or is deleted; a time that SQS does not take has the same code."""
    return code_of(str(failure.get("Code", ""))) in _GONE and "VisibilityTimeout" not in str(
        failure.get("Message", "")
    )


def _settled(what: str, answer: dict[str, Any], count: int) -> list[AwsError | None]:
    done = {each.get("Id") for each in answer.get("Successful", ())}
    failed = {each.get("Id"): each for each in answer.get("Failed", ())}
    answers: list[AwsError | None] = []
    for number in range(count):
        failure = failed.get(str(number))
        if failure is not None and not _is_gone(failure):
            answers.append(_failed(what, failure))
        elif failure is None and str(number) not in done:
            answers.append(AwsError(f"{what} failed: SQS said nothing of this copy", "NoAnswer", sent=True))
        else:
            answers.append(None)
    return answers
