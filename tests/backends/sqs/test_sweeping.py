"""What SQS moves to a dead-letter queue by itself becomes a dead letter of record, and somebody is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws.faults import change, fail
from tests.aws.places import Place, TurnedClock
from tests.aws.proxy import Proxy
from tests.aws.servers import Server
from tests.contract.house import FAILURE, LEASE_S, House, InAws
from twolane.backends.sqs import SqsQueue
from twolane.backends.sqs.queue import SWEEP_S
from twolane.contracts.queue import AckDelivery, DeadLetterDelivery, Redrive
from twolane.contracts.upkeep import Reap
from twolane.values.errors import QueueError
from twolane.values.outcome import Reason
from twolane.values.record import State


class Strict(InAws):
    """Queues whose redrive policy takes a message away after two deliveries."""

    def sqs(self, house: House) -> SqsQueue:
        assert isinstance(house.queue, SqsQueue)
        return house.queue


@pytest.fixture
def backend(turned_aws: Server, between: Proxy, clock: TurnedClock) -> Iterator[Strict]:
    made = Strict(Place(turned_aws, max_receives=2, through=between.server), clock)
    yield made
    between.faults.clear()
    made.close()


@pytest.fixture
def house(backend: Strict, clock: TurnedClock) -> House:
    return House(backend, clock)


def moved(house: House) -> str:
    """A message that SQS has moved away: both its deliveries ended without a word."""
    message_id = house.send(body='{"n":1}', max_attempts=5)
    for _ in range(2):
        house.take()
        house.clock.advance(LEASE_S)
    assert house.receive() == ()
    return message_id


def test_what_sqs_moved_away_is_a_dead_letter_with_what_is_on_record_and_an_alert(
    house: House, backend: Strict
) -> None:
    message_id = moved(house)

    backend.need("imports")
    assert backend.sqs(house).sweep(("default", "imports")) == 1

    letter = house.records.dead_letter(message_id)
    assert letter is not None
    assert (letter.record.reason, letter.body, letter.record.deliveries) == (Reason.USED_UP, '{"n":1}', 2)
    assert [attempt.outcome for attempt in letter.attempts] == ["lease_expired", "used_up"]
    assert "2 deliveries are on record" in letter.attempts[-1].failure.message
    assert house.records.stats().owed_alerts == 1
    [copy] = backend.place.dead_letters("default")
    assert copy["dead"]["reason"] == "used_up"
    assert backend.sqs(house).sweep(("default",)) == 0
    assert house.records.stats().owed_alerts == 1


def test_a_message_nobody_knows_is_kept_too(house: House, backend: Strict) -> None:
    url = backend.place.sqs.client.get_queue_url(QueueName=f"{backend.place.name}-default-dead")["QueueUrl"]
    backend.place.sqs.client.send_message(QueueUrl=url, MessageBody="no envelope")

    assert backend.sqs(house).sweep(("default",)) == 1

    [letter] = house.records.list_dead()
    assert (letter.body, letter.record.task) == ("no envelope", "")


def test_one_that_is_done_is_only_cleared_away(house: House, backend: Strict, between: Proxy) -> None:
    message_id = house.send()
    receipt = house.take().receipt
    between.faults["DeleteMessageBatch"] = fail(503, "ServiceUnavailable")
    house.do(AckDelivery(receipt))
    house.clock.advance(LEASE_S)
    house.receive()
    house.clock.advance(LEASE_S)
    house.receive()
    between.faults.clear()

    assert backend.sqs(house).sweep(("default",)) == 0

    assert house.state(message_id) is State.DONE
    assert backend.place.dead_letters("default") == []


def test_a_sweep_that_is_interrupted_is_finished_by_the_next(
    house: House, backend: Strict, between: Proxy
) -> None:
    message_id = moved(house)
    between.faults["SendMessageBatch"] = fail(503, "ServiceUnavailable")
    with pytest.raises(QueueError):
        backend.sqs(house).sweep(("default",))
    between.faults.clear()
    assert house.state(message_id) is State.DEAD
    house.clock.advance(121)

    assert backend.sqs(house).sweep(("default",)) == 0

    [copy] = backend.place.dead_letters("default")
    assert copy["dead"]["id"] == message_id
    assert house.records.stats().owed_alerts == 1


def test_a_worker_sweeps_now_and_then(house: House) -> None:
    message_id = moved(house)
    house.clock.advance(SWEEP_S)

    assert house.do(Reap()).buried == 1

    assert house.state(message_id) is State.DEAD
    assert house.do(Redrive(message_id)) is State.WAITING
    assert house.take().attempt == 1


def test_an_idle_queue_is_asked_nothing_beside_its_polls_but_once_an_hour(
    house: House, backend: Strict, between: Proxy
) -> None:
    house.send()
    house.do(AckDelivery(house.take().receipt))
    asked = len(sqs_operations(between))
    for _ in range(11):
        house.clock.advance(SWEEP_S)
        house.do(Reap())
    assert len(sqs_operations(between)) == asked

    url = backend.place.sqs.client.get_queue_url(QueueName=f"{backend.place.name}-default-dead")["QueueUrl"]
    backend.place.sqs.client.send_message(QueueUrl=url, MessageBody="nobody's")
    house.clock.advance(SWEEP_S)

    assert house.do(Reap()).buried == 1


def sqs_operations(between: Proxy) -> list[str]:
    """What SQS was asked: its operations are about messages and queues."""
    return [name for name in between.operations if "Message" in name or "Queue" in name]


def test_our_own_deaths_stay_where_they_are(house: House, backend: Strict) -> None:
    house.send()
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))

    assert backend.sqs(house).sweep(("default",)) == 0

    assert len(backend.place.dead_letters("default")) == 1


def test_what_waits_and_is_not_in_sqs_is_brought_there_again(house: House, backend: Strict) -> None:
    message_id = house.send(body='{"n":1}')
    backend.place.sqs.client.purge_queue(QueueUrl=backend.place.urls["default"])
    house.clock.advance(3599)
    backend.sqs(house).sweep(("default",))
    assert house.receive() == ()
    house.clock.advance(1)

    backend.sqs(house).sweep(("default",))

    delivery = house.take()
    assert (delivery.id, delivery.body, delivery.attempt) == (message_id, '{"n":1}', 1)


def test_a_backlog_is_not_taken_for_a_loss(house: House, backend: Strict) -> None:
    for _ in range(3):
        house.send()
    house.clock.advance(7200)

    backend.sqs(house).sweep(("default",))

    assert backend.place.visible("default") == 3


def test_half_of_what_sqs_allows_is_warned_of(
    house: House, backend: Strict, between: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    def crowded(answer: dict[str, Any]) -> None:
        answer["Attributes"]["ApproximateNumberOfMessagesNotVisible"] = "60000"

    house.send()
    backend.sqs(house).sweep(("default",))
    [few] = [each.message for each in caplog.records]
    assert "away after 2 receives" in few, "of the policy that these queues have; said once"
    house.clock.advance(2 * 86_400)  # of the four days that SQS keeps a message by default

    between.faults["GetQueueAttributes"] = change(crowded)
    backend.sqs(house).sweep(("default",))

    _, flight, age = [each.message for each in caplog.records if "queue" in each.message]
    assert "60000 messages in flight of the 120000" in flight
    assert "was sent 2.0 d ago, and SQS forgets after 4.0 d" in age
