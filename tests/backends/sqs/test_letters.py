"""What lies in SQS: an envelope as it is; anything else in a wrapper that says whose it is."""

from __future__ import annotations

import json

import pytest

from tests.aws.places import Place, TurnedClock
from tests.contract.house import answer_of
from twolane.backends.sqs.letters import death, is_death, packed, unpacked
from twolane.backends.sqs.parcels import Copy
from twolane.backends.sqs.rows import Row
from twolane.contracts.queue import Delivery, Outgoing, Receive, Send
from twolane.values.message import Continuation, Message, MessagePolicy, encode
from twolane.values.outcome import Failure
from twolane.values.record import Attempt, Record, State

MESSAGE = Message("m1", "app:work", "default", {"text": "x"}, 1.0, MessagePolicy(5, 300, 3600))


@pytest.mark.parametrize(
    "message",
    [
        MESSAGE,
        MESSAGE._replace(task='od"d\\ \u00e9 }', id='m"1'),
        MESSAGE._replace(continuation=Continuation(1, {"row": 7}, 2.0), parent="m0", expires_at=9.0),
        MESSAGE._replace(extra={"secrets": ["text"]}, trace={"traceparent": "00-1"}),
    ],
)
def test_an_envelope_goes_as_it_is(message: Message) -> None:
    body = encode(message)

    assert packed(message.id, message.task, body) == body
    assert unpacked(Copy("default", "s", "h", body, 1, 0.0)) == (message.id, body)


@pytest.mark.parametrize(
    "body",
    [
        encode(MESSAGE._replace(id="m2")),
        encode(MESSAGE._replace(task="app:other")),
        '{"v":1,"id":"m1","task":"app:work","queue":"default"}',
        f" {encode(MESSAGE)}",
        '{"id":"m1"}',
        "no JSON \u00e9",
        "",
    ],
    ids=[
        "of-another-id",
        "of-another-task",
        "in-another-order",
        "not-at-its-begin",
        "no-envelope",
        "no-json",
        "empty",
    ],
)
def test_what_does_not_say_whose_it_is_is_wrapped(body: str) -> None:
    lies = packed("m1", "app:work", body)

    assert lies.isascii()
    assert json.loads(lies) == {"twolane": {"id": "m1", "task": "app:work"}, "body": body}
    assert unpacked(Copy("default", "s", "h", lies, 1, 0.0)) == ("m1", body)


def test_a_death_is_ascii_whatever_its_task_raised() -> None:
    record = Record(
        "m1", "app:work", "default", State.DEAD, attempt=1, deliveries=1, sent_at=1.0, visible_at=1.0
    )
    failure = Failure("ValueError", "no such caf\u00e9", "", 1.0, 2.0)

    lies = death(Row(record, "d", 5, attempts=(Attempt(1, "failed", failure),)), "{}")

    assert is_death(lies)
    assert lies.isascii()
    assert json.loads(lies)["dead"]["attempts"][0]["message"] == failure.message


def test_a_message_that_was_sent_lies_in_sqs_unwrapped(place: Place, clock: TurnedClock) -> None:
    queue, body = place.queue(clock), encode(MESSAGE)

    answer_of(queue, Send((Outgoing("m1", "default", "app:work", body, "d", 1.0),)))

    [lies] = place.sqs.client.receive_message(QueueUrl=place.urls["default"])["Messages"]
    assert lies["Body"] == body
    queue.close()


def test_an_envelope_that_was_wrapped_is_handed_out_as_it_was(place: Place, clock: TurnedClock) -> None:
    """Versions before wrapped each: such messages lie in queues."""
    queue, body = place.queue(clock), encode(MESSAGE)
    wrapped = json.dumps({"twolane": {"id": "m1", "task": "app:work"}, "body": body})
    place.sqs.client.send_message(QueueUrl=place.urls["default"], MessageBody=wrapped)

    delivery: Delivery
    [delivery] = answer_of(queue, Receive("w", ("default",), None, 1, 60.0))

    assert (delivery.id, delivery.body) == ("m1", body)
    queue.close()
