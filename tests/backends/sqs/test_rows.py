"""A row keeps below DynamoDB's size whatever its task raises, and comes back as it was."""

from __future__ import annotations

import json

import pytest

from tests.contract.house import FAILURE, House, InAws
from twolane.backends.sqs.rows import (
    INLINE_BYTES,
    MOST_ATTEMPTS,
    TOLD_ATTEMPTS,
    Row,
    body_key,
    from_text,
    item_of,
    key_of,
    noted,
    to_text,
)
from twolane.contracts.queue import DeadLetterDelivery, Discard
from twolane.values.outcome import Failure, Reason
from twolane.values.record import Record, State

ITEM_BYTES = 400 * 1024


def row() -> Row:
    record = Record("m", "t", "default", State.RUNNING, attempt=1, deliveries=1, sent_at=1.5, visible_at=2.0)
    return Row(record, "d", 5, "{}", ("b1",), receipt="r", waits_since=1.25)


def test_a_row_comes_back() -> None:
    changed = row().but(
        record={"cursor": {"a": [1]}, "done": 3, "progressed_at": 1.0, "result": None},
        attempts=noted(row(), "failed", Failure("E", "no", "tb", 1.0, 2.0)),
        unsent=True,
    )

    assert from_text(to_text(changed)) == changed


def test_endless_failures_in_any_script_stay_below_the_size_of_an_item() -> None:
    failure = Failure("E" * 1000, "\U0001f600" * 10_000, "\x00\ud800" * 20_000, 1.0, 2.0)
    now = row().but(record={"cursor": "c" * 65_000, "result": "r" * 16_000})
    for _ in range(MOST_ATTEMPTS + 50):
        now = now.but(attempts=noted(now, "failed", failure))

    text = item_of(now, None, keep_s=1.0).text

    assert len(text) < ITEM_BYTES
    assert text.isascii()
    assert json.loads(text)
    told = [attempt for attempt in now.attempts if attempt.failure.traceback]
    assert len(told) == TOLD_ATTEMPTS - 1
    assert len(now.attempts) == MOST_ATTEMPTS
    assert now.attempts[-1].failure.traceback


def test_a_short_failure_is_kept_to_the_letter() -> None:
    failure = Failure("ValueError", "no such flight: \u00e9", "Traceback ...", 1.0, 2.0)

    assert noted(row(), "failed", failure)[0].failure == failure


@pytest.mark.parametrize("body", ["{}", json.dumps("x" * INLINE_BYTES)], ids=["small", "large"])
def test_nothing_is_left_of_the_body_of_one_that_was_discarded(house: House, body: str) -> None:
    message_id = house.send(body=body)
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
    assert house.records.body(message_id) == body

    assert house.do(Discard(message_id)) is State.DISCARDED

    assert isinstance(house.backend, InAws)
    left = house.backend.place.state().read([key_of(message_id), body_key(message_id)])
    assert from_text(left.pop(key_of(message_id)).text).body == ""
    assert not left
