"""An event source mapping: polls a queue of SQS and invokes a local function, by the rules that AWS documents.

    with function(Settings("app.handler", folder, environment=...)) as worker:
        with event_source(worker, place.sqs.client, place.urls["default"], max_concurrency=5) as source:
            tasks.send_blocking(job, 1)
            source.until(lambda: not place.copies("default"))
        assert source.invocations[0].failed == (), worker.log

`source.invocations` tells of each one its records, the function's answer and what counted as failed. Leaving the
block stops polling, gives back what was not handed over, and waits for the running invocations.

The rules (docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html, services-sqs-parameters.html):

- A batch is full at `batch_size` messages (10 without a window, 10,000 with one; FIFO: 10, no window), at 6 MB, or when
  its window is over. At most `max_concurrency` batches are under way.
- The function succeeded: the batch is deleted. An exception, a time-out, a throttle: all of it stays, and becomes
  visible when its visibility ends. Nothing shortens that.
- With `reports_failures`: an empty or null answer, an empty or null `batchItemFailures`: all done. An answer that is no
  JSON object, an entry without `itemIdentifier`, an empty, null or unknown one: the whole batch has failed. Else
  exactly those named stay, and the others are deleted.
- When batches fail, fewer are made at a time; with each that does not, one more again.
- FIFO: SQS hands out nothing of a group while some of it is in flight, so one group is in one batch at a time.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.aws.runtime_api import ACCOUNT, PAYLOAD_BYTES, REGION, Answer, Function, Throttled

CALL = 10
"""So many messages take SQS's calls."""
DEADLINE_S = 100.0


@dataclass(frozen=True)
class Invocation:
    """One batch.

    Attributes:
        records: as the function got them.
        answer: the function's; None: it was throttled.
        failed: the SQS ids of what stays in the queue.
    """

    records: tuple[dict[str, Any], ...]
    answer: Answer | None
    failed: tuple[str, ...]

    @property
    def is_whole_failure(self) -> bool:
        return len(self.failed) == len(self.records)


class EventSource:
    """Polls a queue and invokes a function; see the module.

    Args:
        function: which.
        client: botocore's for SQS.
        url: the queue's.
        batch_size: how many messages a batch has at most.
        window_s: how long a batch is gathered, in seconds.
        max_concurrency: how many batches are under way at most.
        reports_failures: ReportBatchItemFailures.
        poll_s: how long SQS waits for a message: AWS's own 20 s would make tests wait for the last poll.
    """

    def __init__(
        self,
        function: Function,
        client: Any,
        url: str,
        *,
        batch_size: int = 10,
        window_s: float = 0.0,
        max_concurrency: int = 5,
        reports_failures: bool = True,
        poll_s: int = 1,
    ) -> None:
        is_fifo = url.endswith(".fifo")
        most = 10 if is_fifo or not window_s else 10_000
        if not 1 <= batch_size <= most or (is_fifo and window_s):
            raise ValueError(f"AWS refuses a batch of {batch_size} with a window of {window_s:g} s here")
        self.invocations: list[Invocation] = []
        self._function = function
        self._client = client
        self._url = url
        self._batch_size = batch_size
        self._window_s = window_s
        self._most = max_concurrency
        self._allowed = max_concurrency
        self._reports_failures = reports_failures
        self._poll_s = poll_s
        self._under_way = 0
        self._stopping = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(max_concurrency, thread_name_prefix="event-source")
        self._poller = threading.Thread(target=self._guarded, args=(self._poll,), daemon=True)

    def start(self) -> None:
        self._poller.start()

    def stop(self) -> None:
        """Poll no more, and wait for the running invocations."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._poller.join()
        self._pool.shutdown()
        self._raise()

    def until(self, condition: Callable[[], object], within_s: float = DEADLINE_S) -> None:
        """Wait until a condition holds; it is looked at after each batch and each poll."""
        deadline = time.monotonic() + within_s
        while not condition():
            with self._changed:
                before = len(self.invocations)
                self._changed.wait_for(
                    lambda before=before: len(self.invocations) > before or self._error, timeout=0.2
                )
            self._raise()
            assert time.monotonic() < deadline, f"not within {within_s:g} s\n{self._function.log[-4000:]}"

    def _raise(self) -> None:
        if self._error is not None:
            raise AssertionError("the event source itself failed") from self._error

    def _guarded(self, job: Callable[..., None], *args: Any) -> None:
        try:
            job(*args)
        except BaseException as error:  # noqa: BLE001  (raised where the test waits)
            with self._changed:
                self._error = error
                self._stopping = True
                self._changed.notify_all()

    # Polling

    def _poll(self) -> None:
        while self._take_turn():
            batch = self._gather()
            if batch and not self._stopping:
                self._pool.submit(self._guarded, self._invoke, batch)
                continue
            self._give_back(batch)
            self._end_turn()

    def _take_turn(self) -> bool:
        """Wait until another batch may be made; False: no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._under_way < self._allowed)
            self._under_way += not self._stopping
            return not self._stopping

    def _end_turn(self) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def _gather(self) -> list[dict[str, Any]]:
        """A batch: from its first message on until it is full or its window is over."""
        batch: list[dict[str, Any]] = []
        size, ends_at = 0, None
        while not self._stopping:
            came = self._receive(min(CALL, self._batch_size - len(batch)), ends_at)
            records = [self._record(message) for message in came]
            for number, record in enumerate(records):
                record_bytes = len(json.dumps(record)) + 2
                if batch and size + record_bytes > PAYLOAD_BYTES - 1024:
                    self._give_back(records[number:])
                    return batch
                batch.append(record)
                size += record_bytes
            if batch and ends_at is None:
                ends_at = time.monotonic() + self._window_s
            is_over = ends_at is not None and time.monotonic() >= ends_at
            if not batch or len(batch) == self._batch_size or is_over:
                return batch
        return batch

    def _receive(self, most: int, ends_at: float | None) -> list[dict[str, Any]]:
        left_s = self._poll_s if ends_at is None else min(self._poll_s, ends_at - time.monotonic())
        answer = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=max(1, math.ceil(left_s)),  # whole seconds: a window may be over a little late
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message as it stands in the event."""
        attributes = {"SenderId": "AIDAEXAMPLE", **message.get("Attributes", {})}
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": attributes,
            "messageAttributes": message.get("MessageAttributes", {}),
            "md5OfBody": hashlib.md5(message["Body"].encode()).hexdigest(),  # noqa: S324  (SQS's checksum)
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self._url.rpartition('/')[2]}",
            "awsRegion": REGION,
        }

    # Invoking

    def _invoke(self, batch: list[dict[str, Any]]) -> None:
        try:
            answer = self._function.invoke({"Records": batch})
        except Throttled:
            answer = None
        failed = self._failed(answer, [record["messageId"] for record in batch])
        stays = set(failed)
        self._delete([record for record in batch if record["messageId"] not in stays])
        with self._changed:
            is_whole = len(failed) == len(batch)
            self._allowed = max(1, self._allowed // 2) if is_whole else min(self._most, self._allowed + 1)
            self.invocations.append(Invocation(tuple(batch), answer, tuple(failed)))
            self._under_way -= 1
            self._changed.notify_all()

    def _failed(self, answer: Answer | None, ids: Sequence[str]) -> list[str]:
        """What stays in the queue."""
        if answer is None or answer.error_type is not None:
            return list(ids)
        return failures(answer.payload, ids) if self._reports_failures else []

    def _delete(self, records: Sequence[dict[str, Any]]) -> None:
        for start in range(0, len(records), CALL):
            entries = [
                {"Id": str(number), "ReceiptHandle": record["receiptHandle"]}
                for number, record in enumerate(records[start : start + CALL])
            ]
            self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def _give_back(self, records: Sequence[dict[str, Any]]) -> None:
        for record in records:
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
            )


def failures(payload: bytes, ids: Sequence[str]) -> list[str]:
    """What a function's answer says has failed, of a batch with these ids; see the module."""
    try:
        answer = json.loads(payload or b"null")
    except ValueError:
        return list(ids)
    if answer is None:
        return []
    if not isinstance(answer, dict):
        return list(ids)
    named = answer.get("batchItemFailures") or []
    if not isinstance(named, list):
        return list(ids)
    failed = {each.get("itemIdentifier") if isinstance(each, dict) else None for each in named}
    if not failed <= set(ids):
        return list(ids)
    return [each for each in ids if each in failed]


@contextmanager
def event_source(function: Function, client: Any, url: str, **options: Any) -> Iterator[EventSource]:
    """An event source mapping, deleted at the end; `options` are those of `EventSource`."""
    made = EventSource(function, client, url, **options)
    made.start()
    try:
        yield made
    finally:
        made.stop()
