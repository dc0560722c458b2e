"""SQS alone, `state="none"`: what it keeps, and what it says it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backends.sqs.alone import Alone
from tests.contract.house import FAILURE, LEASE_S
from twolane.contracts.outbox import Act, OweNotice, RegisterTargets, SaveTarget
from twolane.contracts.queue import (
    AckDelivery,
    DeadLetterDelivery,
    Extend,
    Holding,
    Redrive,
    ReleaseDelivery,
    RetryDelivery,
    SaveCheckpoint,
    Send,
    Sent,
    Settled,
    WaitDelivery,
)
from twolane.contracts.watch import LeadWatch, ObserveConditions, Probe
from twolane.values.condition import WatchState
from twolane.values.errors import QueueError, SendRefused
from twolane.values.letters import Action
from twolane.values.outcome import Reason
from twolane.values.record import State
from twolane.values.telling import TargetState


def test_what_is_sent_is_received_with_its_task_and_acked_for_good(alone: Alone) -> None:
    message = alone.outgoing()
    assert alone.do(Send((message,))) == (Sent("m1"),)

    delivery = alone.take()

    assert (delivery.id, delivery.task, delivery.body, delivery.attempt) == (
        "m1",
        "app:work",
        message.body,
        1,
    )
    assert alone.receive() == ()
    assert alone.do(AckDelivery(delivery.receipt)) == Settled(held=True)
    assert alone.do(AckDelivery(delivery.receipt)) == Settled(held=False)
    alone.clock.advance(10 * LEASE_S)
    assert alone.receive() == ()


def test_each_delivery_is_an_attempt_whatever_ended_the_one_before(alone: Alone) -> None:
    alone.send()
    first = alone.take()
    assert alone.do(RetryDelivery(first.receipt, 10, FAILURE)) == Settled(held=True)
    alone.clock.advance(9.999)
    assert alone.receive() == ()
    alone.clock.advance(0.001)
    second = alone.take()
    alone.do(ReleaseDelivery(second.receipt))
    third = alone.take()
    alone.clock.advance(LEASE_S)

    assert [first.attempt, second.attempt, third.attempt, alone.take().attempt] == [1, 2, 3, 4]


def test_patience_is_counted_from_the_first_delivery(alone: Alone) -> None:
    alone.send()
    first = alone.take()
    began = alone.clock.now()
    assert first.waits_since is None
    alone.do(WaitDelivery(first.receipt, 30))
    alone.clock.advance(30)

    assert alone.take().waits_since == began


def test_a_lease_is_extended(alone: Alone) -> None:
    alone.send()
    delivery = alone.take()
    alone.clock.advance(LEASE_S - 1)

    assert alone.do(Extend((delivery.receipt, "stale"), LEASE_S)) == (Holding(held=True), Holding(held=False))
    assert alone.do(SaveCheckpoint(delivery.receipt, 1)) == Holding(held=True)

    alone.clock.advance(LEASE_S - 1)
    assert alone.receive() == ()


def test_a_dead_letter_lies_in_the_dead_letter_queue_with_its_death_and_an_alert_is_owed(
    alone: Alone,
) -> None:
    message = alone.send()
    delivery = alone.take()

    died = alone.do(DeadLetterDelivery(delivery.receipt, Reason.GAVE_UP, FAILURE, public="no"))

    assert died == Settled(held=True)
    [letter] = alone.place.dead_letters("default")
    assert (letter["dead"]["reason"], letter["body"]) == ("gave_up", message.body)
    assert letter["dead"]["attempts"][0]["error"] == FAILURE.error_type
    [alert] = alone.records.owed(0, whole=10).first
    assert alert.letter is not None
    assert (alert.letter.record.id, alert.letter.body) == ("m1", message.body)
    alone.do(RegisterTargets((("t", "T"),)))
    assert alone.do(SaveTarget("t", 0, TargetState(told_to=1))) == 1
    assert alone.records.telling().told == 1
    assert alone.records.stats().told_alerts == 1
    assert alone.receive() == ()


def test_deliveries_without_an_end_are_buried_when_the_attempts_are_used_up(alone: Alone) -> None:
    alone.send(max_attempts=2)
    for _ in range(2):
        alone.take()
        alone.clock.advance(LEASE_S)

    assert alone.receive() == ()

    [letter] = alone.place.dead_letters("default")
    assert letter["dead"]["reason"] == "used_up"


@pytest.mark.parametrize(
    ("fields", "what"), [({"unique_key": "k"}, "unique key"), ({"delay_s": 901}, "delay of more")]
)
def test_what_needs_a_state_store_is_refused_at_the_send(
    alone: Alone, fields: dict[str, Any], what: str
) -> None:
    with pytest.raises(SendRefused, match=rf"{what}.*TWOLANE_STATE=none"):
        alone.send(**fields)

    assert alone.receive() == ()


def test_a_dead_letter_cannot_be_sent_back_from_here(alone: Alone) -> None:
    with pytest.raises(QueueError, match="Look into the dead-letter queue"):
        alone.do(Redrive("m1"))


def test_nobody_watches_what_cannot_be_looked_at(alone: Alone) -> None:
    assert not alone.do(LeadWatch("a", 20.0))
    assert not alone.do(ObserveConditions("a", 20.0))
    assert alone.records.watch_state() == WatchState()


def test_a_notice_is_told_by_the_process_that_owes_it(alone: Alone) -> None:
    assert alone.do(OweNotice("k", "t", "b")) == 1

    assert alone.records.owed(0).kinds[0].error == "t"


def test_what_a_person_asks_for_is_refused_one_by_one(alone: Alone) -> None:
    [answer] = alone.do(Act(Action("a", "ada", "redrive", "all"), (Redrive("m1"),)))

    assert "Look into the dead-letter queue" in str(answer)
    assert alone.records.actions() == []


def test_a_probe_asks_sqs_where_it_receives(alone: Alone) -> None:
    alone.receive()

    assert alone.do(Probe()) is None


def test_what_a_task_sent_goes_before_its_ack(alone: Alone) -> None:
    alone.send()
    child = alone.outgoing("child")

    assert alone.do(AckDelivery(alone.take().receipt, sends=(child,))) == Settled(held=True)

    assert alone.take().id == "child"


def test_the_statistics_are_what_sqs_counts(alone: Alone) -> None:
    alone.send()
    alone.send("m2")
    alone.send("m3", delay_s=60)
    alone.receive(limit=1)

    counts = alone.records.stats().queues["default"].counts

    assert (counts[State.WAITING], counts[State.RUNNING]) == (2, 1)
    assert "whatever" in alone.records.blobs_in_use()
