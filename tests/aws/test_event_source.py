"""The local event source mapping keeps AWS's documented rules."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.aws.event_source import EventSource, event_source, failures
from tests.aws.places import service
from tests.aws.runtime_api import Function, Settings, function
from tests.aws.servers import Server

CODE = """
import json, threading

def handler(event, context):
    failed = []
    for record in event["Records"]:
        do = record["body"]
        if do == "raise":
            raise ValueError("no")
        if do == "hang":
            threading.Event().wait()
        if do == "once" and record["attributes"]["ApproximateReceiveCount"] == "1":
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""

IDS = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("payload", "stays"),
    [
        ("", []),
        ("null", []),
        ("{}", []),
        ('{"batchItemFailures": null}', []),
        ('{"batchItemFailures": []}', []),
        ('{"batchItemFailures": [{"itemIdentifier": "b"}]}', ["b"]),
        ('{"batchItemFailures": [{"itemIdentifier": "c"}, {"itemIdentifier": "a"}]}', ["a", "c"]),
        ('{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "z"}]}', IDS),
        ('{"batchItemFailures": [{"itemIdentifier": ""}]}', IDS),
        ('{"batchItemFailures": [{"itemIdentifier": null}]}', IDS),
        ('{"batchItemFailures": [{"id": "b"}]}', IDS),
        ('{"batchItemFailures": ["b"]}', IDS),
        ('{"batchItemFailures": {"itemIdentifier": "b"}}', IDS),
        ("[]", IDS),
        ("{", IDS),
    ],
)
def test_what_an_answer_says(payload: str, stays: list[str]) -> None:
    assert failures(payload.encode(), IDS) == stays


class Queue:
    """A queue of one test."""

    def __init__(self, client: Any, *, fifo: bool = False, visibility_s: int = 60) -> None:
        self.client = client
        name = f"t{secrets.token_hex(6)}{'.fifo' if fifo else ''}"
        attributes = {"VisibilityTimeout": str(visibility_s)}
        if fifo:
            attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        self.url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def send(self, *bodies: str, group: str | None = None) -> None:
        more = {} if group is None else {"MessageGroupId": group}
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(n), "MessageBody": body, **more}
                for n, body in enumerate(bodies[start : start + 10])
            ]
            self.client.send_message_batch(QueueUrl=self.url, Entries=entries)

    @property
    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)


@pytest.fixture
def sqs(aws: Server) -> Any:
    return service("sqs", aws).client


@pytest.fixture
def work(sqs: Any, tmp_path: Path) -> Iterator[Callable[..., tuple[EventSource, Function]]]:
    (tmp_path / "plain.py").write_text(CODE)
    with ExitStack() as stack:

        def started(queue: Queue, timeout_s: float = 30.0, **options: Any) -> tuple[EventSource, Function]:
            worker = stack.enter_context(function(Settings("plain.handler", tmp_path, timeout_s=timeout_s)))
            return stack.enter_context(event_source(worker, sqs, queue.url, **options)), worker

        yield started


def test_what_is_done_is_deleted(sqs: Any, work: Callable[..., Any]) -> None:
    queue = Queue(sqs)
    queue.send(*(str(n) for n in range(25)))

    source, _ = work(queue)
    source.until(lambda: not queue.left)

    records = [record for each in source.invocations for record in each.records]
    assert sorted(int(record["body"]) for record in records) == list(range(25))
    assert {record["attributes"]["ApproximateReceiveCount"] for record in records} == {"1"}
    assert records[0]["eventSourceARN"].endswith(queue.url.rpartition("/")[2])
    assert max(len(each.records) for each in source.invocations) <= 10


def test_what_failed_comes_back_when_its_visibility_ends_and_the_rest_is_gone(
    sqs: Any, work: Callable[..., Any]
) -> None:
    queue = Queue(sqs, visibility_s=8)  # longer than a cold start takes on a busy machine
    queue.send("once", "fine")

    source, _ = work(queue, window_s=1.0)
    source.until(lambda: not queue.left)

    seen = [record["body"] for each in source.invocations for record in each.records]
    assert seen.count("fine") == 1
    assert seen.count("once") == 2


def test_without_reports_one_that_failed_is_deleted_too(sqs: Any, work: Callable[..., Any]) -> None:
    queue = Queue(sqs)
    queue.send("once")

    source, _ = work(queue, reports_failures=False)
    source.until(lambda: source.invocations)

    assert source.invocations[0].failed == ()
    assert not queue.left


@pytest.mark.parametrize("how", ["raise", "hang"])
def test_an_exception_or_a_time_out_keeps_the_whole_batch(
    sqs: Any, work: Callable[..., Any], how: str
) -> None:
    queue = Queue(sqs, visibility_s=30)
    queue.send("fine", how)

    source, _ = work(queue, timeout_s=1.0, window_s=1.0, batch_size=2)
    source.until(lambda: source.invocations)

    [invocation] = source.invocations
    assert len(invocation.failed) == 2
    assert invocation.is_whole_failure
    assert queue.left == 2


def test_a_window_gathers_a_large_batch_and_six_megabytes_end_it(sqs: Any, work: Callable[..., Any]) -> None:
    queue, large = Queue(sqs), Queue(sqs)
    queue.send(*(str(n) for n in range(50)))
    for _ in range(8):
        large.send("x" * 1_000_000)

    source, _ = work(queue, batch_size=50, window_s=60.0)
    source.until(lambda: source.invocations)
    source_of_large, _ = work(large, batch_size=100, window_s=60.0)
    source_of_large.until(lambda: source_of_large.invocations)

    assert len(source.invocations[0].records) == 50
    assert len(source_of_large.invocations[0].records) == 6


def test_a_group_is_in_one_batch_at_a_time_and_in_order(sqs: Any, work: Callable[..., Any]) -> None:
    queue = Queue(sqs, fifo=True)
    for n in range(12):
        queue.send(f"a{n}", group="a")
        queue.send(f"b{n}", group="b")

    source, _ = work(queue)
    source.until(lambda: not queue.left)

    seen = [record["body"] for each in source.invocations for record in each.records]
    for group in "ab":
        assert [body for body in seen if body[0] == group] == [f"{group}{n}" for n in range(12)]


def test_what_aws_would_not_take_is_refused(sqs: Any, work: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="AWS refuses a batch of 100"):
        work(Queue(sqs), batch_size=100)
    with pytest.raises(ValueError, match="with a window of 5 s"):
        work(Queue(sqs, fifo=True), window_s=5.0)


def test_the_function_gets_what_sqs_has(sqs: Any, work: Callable[..., Any]) -> None:
    queue = Queue(sqs)
    queue.send(json.dumps({"v": 1}))

    source, _ = work(queue)
    source.until(lambda: source.invocations)

    [record] = source.invocations[0].records
    assert json.loads(record["body"]) == {"v": 1}
    assert record["eventSource"] == "aws:sqs"
    assert {"SentTimestamp", "ApproximateFirstReceiveTimestamp", "SenderId"} <= record["attributes"].keys()
