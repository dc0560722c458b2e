"""From an event to what arrived."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws_lambda.conftest import sqs_event
from twolane.aws_lambda.events import read_event
from twolane.backends.sqs import Address
from twolane.contracts.feeding import Arrived
from twolane.values.errors import UsageError


def one_queue(name: str) -> str | None:
    return "default" if name in ("shop", "shop.fifo") else None


def test_a_record_is_what_sqs_has_told() -> None:
    event = sqs_event(
        '{"v":1}', ApproximateReceiveCount="3", ApproximateFirstReceiveTimestamp="1545082650000"
    )

    [record] = read_event(event, one_queue)

    assert record.id == "00000000-0000-4000-8000-000000000000"
    assert record.line is None
    assert record.arrived == Arrived(
        "default", record.id, "handle-0", '{"v":1}', 3, 1545082649.183, 1545082650.0
    )


def test_a_message_that_came_twice_is_run_once_under_its_later_receipt() -> None:
    event = sqs_event("a", "b")
    event["Records"][1] |= {"messageId": event["Records"][0]["messageId"]}

    [record] = read_event(event, one_queue)

    assert record.arrived.handle == "handle-1"


def test_a_group_is_a_line_on_a_fifo_queue_alone() -> None:
    [fair] = read_event(sqs_event("a", MessageGroupId="g"), one_queue)
    [ordered] = read_event(sqs_event("a", queue="shop.fifo", MessageGroupId="g"), one_queue)

    assert (fair.line, ordered.line) == (None, ("default", "g"))


@pytest.mark.parametrize(
    "event", [{}, {"Records": []}, {"Records": None}, [], None, "text", {"httpMethod": "GET"}]
)
def test_what_is_no_event_of_sqs_is_said(event: Any) -> None:
    with pytest.raises(UsageError, match=r"takes events of SQS, and got .*: nothing was run"):
        read_event(event, one_queue)


def test_an_event_is_told_by_its_shape_alone() -> None:
    with pytest.raises(UsageError, match="an object with body, headers") as told:
        read_event({"headers": {"authorization": "secret"}, "body": "secret"}, one_queue)

    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "record", [{"eventSource": "aws:kinesis", "eventSourceARN": "a"}, {}, "text", {"eventSource": "aws:sqs"}]
)
def test_a_record_of_another_kind_is_said(record: Any) -> None:
    with pytest.raises(UsageError, match="takes records of SQS"):
        read_event({"Records": [record]}, one_queue)


def test_another_queue_is_said_by_its_name() -> None:
    with pytest.raises(UsageError, match=r"of queue other, which is none of this app's"):
        read_event(sqs_event("a", queue="other"), one_queue)


@pytest.mark.parametrize(
    ("pattern", "name", "queue"),
    [
        ("shop", "shop", "default"),
        ("shop", "shop2", None),
        ("shop-*", "shop-mails", "mails"),
        ("shop-*", "shop-", None),
        ("*-prod", "mails-prod", "mails"),
        ("shop-*", "shop-mails.fifo", "mails"),
        ("shop-*.fifo", "shop-mails.fifo", "mails"),
        ("shop-*.fifo", "shop-mails", None),
        ("*-prod", "mails", None),
        ("https://sqs.eu-central-1.amazonaws.com/1/shop-*", "shop-mails", "mails"),
        ("https://sqs.eu-central-1.amazonaws.com/1/shop", "shop", "default"),
    ],
)
def test_a_name_of_sqs_is_a_queue_of_the_app(pattern: str, name: str, queue: str | None) -> None:
    assert Address(pattern).queue_called(name) == queue
