"""FIFO queues and message groups: the order of a group whatever becomes of its deliveries; fair queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws.faults import change, delay, drop_after, refuse_some
from tests.aws.places import Place, TurnedClock
from tests.aws.proxy import Proxy
from tests.aws.servers import Server
from tests.backends.sqs.alone import Alone
from tests.contract.house import FAILURE, LEASE_S, House, InAws, answer_of
from twolane.backends.sqs import Address, SqsQueue
from twolane.backends.sqs.parcels import word
from twolane.backends.sqs.wires import Wires
from twolane.contracts.queue import (
    AckDelivery,
    DeadLetterDelivery,
    Outgoing,
    Redrive,
    ReleaseDelivery,
    RetryDelivery,
    Send,
    Sent,
    WaitDelivery,
)
from twolane.values.errors import SendRefused, SendUnknown
from twolane.values.outcome import Reason
from twolane.values.record import State

SEND = "SendMessageBatch"


@pytest.fixture
def fifo(turned_aws: Server, between: Proxy) -> Place:
    return Place(turned_aws, through=between.server, fifo=True, max_receives=3)


@pytest.fixture
def house(fifo: Place, between: Proxy, clock: TurnedClock) -> Iterator[House]:
    """FIFO queues whose every call goes through the proxy."""
    backend = InAws(fifo, clock)
    yield House(backend, clock)
    between.faults.clear()
    backend.close()


def send(house: House, *groups: str | None) -> list[str]:
    """Send one message for each of these groups, in one flush."""
    messages = [house.outgoing(group=group) for group in groups]
    assert not [a for a in house.try_all(*(Send((m,)) for m in messages)) if isinstance(a, Exception)]
    return [message.id for message in messages]


def ids(house: House) -> list[str]:
    """What could run now side by side."""
    return [each.id for each in house.receive()]


def test_of_a_group_one_runs_at_a_time_in_the_order_of_the_sends(house: House) -> None:
    a1, a2, b1, a3 = send(house, "a", "a", "b", "a")

    first, other = house.receive()
    assert [first.id, other.id] == [a1, b1]
    assert house.receive() == ()
    for following in (a2, a3):
        house.do(AckDelivery(first.receipt))
        first = house.take()
        assert first.id == following


def test_many_in_one_flush_keep_their_order_over_batches(house: House, between: Proxy) -> None:
    between.faults[SEND] = once(delay(0.2))  # a batch beside it would overtake the first one
    sent = send(house, *["a"] * 25)

    came = []
    while deliveries := house.receive():
        came += [each.id for each in deliveries]
        house.do(AckDelivery(deliveries[0].receipt))

    assert came == sent


def test_a_message_in_backoff_holds_its_group_and_no_other(house: House) -> None:
    a1, a2, b1 = send(house, "a", "a", "b")
    first, _ = house.receive()
    house.do(RetryDelivery(first.receipt, 10, FAILURE))

    house.clock.advance(9.999)
    assert house.receive() == ()
    assert house.state(b1) is State.RUNNING
    house.clock.advance(0.001)
    again = house.take()
    assert (again.id, again.attempt) == (a1, 2)
    house.do(AckDelivery(again.receipt))
    assert ids(house) == [a2]


@pytest.mark.parametrize("verb", [ReleaseDelivery, lambda receipt: WaitDelivery(receipt, 0)])
def test_what_is_given_back_is_the_next_of_its_group_again(house: House, verb: Any) -> None:
    a1, _ = send(house, "a", "a")
    house.do(verb(house.take().receipt))

    again = house.take()
    assert (again.id, again.attempt) == (a1, 1)


def test_a_lease_that_ends_leaves_the_order_as_it_was(house: House) -> None:
    a1, a2 = send(house, "a", "a")
    house.take()
    house.clock.advance(LEASE_S)

    again = house.take()
    assert (again.id, again.attempt) == (a1, 2)
    house.do(AckDelivery(again.receipt))
    assert ids(house) == [a2]


def test_a_dead_one_lets_its_group_go_on_and_comes_back_behind_it(house: House, fifo: Place) -> None:
    a1, a2, a3 = send(house, "a", "a", "a")
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
    [letter] = fifo.dead_letters("default")
    assert letter["dead"]["id"] == a1

    assert house.do(Redrive(a1)) is State.WAITING  # within the five minutes that SQS remembers its id

    came = []
    while deliveries := house.receive():
        came += [each.id for each in deliveries]
        house.do(AckDelivery(deliveries[0].receipt))
    assert came == [a2, a3, a1]


def test_one_that_comes_back_with_other_arguments_is_in_their_group(house: House) -> None:
    a1, a2 = send(house, "a", "b")
    [dead, waiting] = house.receive()
    house.do(DeadLetterDelivery(dead.receipt, Reason.GAVE_UP, FAILURE))

    assert house.do(Redrive(a1, "{}", group="b")) is State.WAITING

    assert (dead.id, waiting.id) == (a1, a2)
    assert house.receive() == ()  # behind the one of its new group that runs
    house.do(AckDelivery(waiting.receipt))
    assert ids(house) == [a1]


def test_a_message_that_dies_twice_lies_there_twice(house: House, fifo: Place) -> None:
    [a1] = send(house, "a")
    for _ in range(2):
        house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
        house.do(Redrive(a1))

    assert len(fifo.dead_letters("default")) == 2


def test_a_delay_is_refused_with_the_way_out_and_stores_nothing(house: House) -> None:
    late, other = house.outgoing(group="a", delay_s=1), house.outgoing(group="a")

    with pytest.raises(
        SendRefused, match=r"queue default is FIFO, .*without delay_s, .*not FIFO, or set Delay"
    ):
        house.do(Send((other, late)))

    assert house.records.stats().accepted == 0
    assert house.receive() == ()


def test_a_send_whose_answer_was_lost_is_in_sqs_once_when_it_is_sent_again(
    house: House, between: Proxy, fifo: Place
) -> None:
    between.faults[SEND] = drop_after
    message = house.outgoing(group="a")
    with pytest.raises(SendUnknown):
        house.do(Send((message,)))
    between.faults.clear()

    assert house.do(Send((message,))) == (Sent(message.id, duplicate=True),)

    assert fifo.visible("default") == 1


def test_what_sqs_could_not_take_is_sent_again_only_where_nothing_has_overtaken_it(
    house: House, between: Proxy
) -> None:
    between.faults[SEND] = once(refuse_some(lambda number: number in (0, 3)))
    messages = [house.outgoing(group=group) for group in ("a", "a", "b", "b")]

    answers = house.try_all(*(Send((message,)) for message in messages))

    assert [isinstance(answer, SendRefused) for answer in answers] == [True, False, False, False]
    assert house.records.get(messages[0].id) is None
    assert ids(house) == [messages[1].id, messages[2].id]


def once(fault: Any) -> Any:
    """A fault that befalls the first request only."""
    left = [1]

    def fate(exchange: Any) -> None:
        if left[0]:
            left[0] -= 1
            fault(exchange)

    return fate


def test_without_a_group_each_message_is_one_of_its_own(house: House) -> None:
    sent = send(house, None, None, None)

    assert ids(house) == sent


def test_our_deaths_hide_nothing_that_sqs_has_moved_away(house: House) -> None:
    """A group is held up by what is looked at: a dead-letter queue may be full of dead ones of the same group."""
    *_, last = send(house, *["a"] * 12)
    for _ in range(11):
        house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
    for _ in range(3):
        house.take()
        house.clock.advance(LEASE_S)
    assert house.receive() == ()

    assert isinstance(house.queue, SqsQueue)
    assert house.queue.sweep(("default",)) == 1

    record = house.record(last)
    assert (record.state, record.reason) == (State.DEAD, Reason.USED_UP)


def test_the_order_is_kept_without_a_state_store_and_waiting_uses_up_no_attempt(
    fifo: Place, clock: TurnedClock
) -> None:
    alone = Alone(fifo, clock)
    alone.queue.flush([Send((alone.outgoing(f"m{number}", group="a"),)) for number in range(8)])
    with pytest.raises(SendRefused, match="is FIFO"):
        alone.send("late", group="a", delay_s=1)

    came: list[tuple[str, int]] = []
    while held := alone.receive():
        [delivery] = held
        came.append((delivery.id, delivery.attempt))
        if delivery.id == "m3" and delivery.attempt == 1:
            alone.do(RetryDelivery(delivery.receipt, 5, FAILURE))
            clock.advance(5)
        else:
            alone.do(AckDelivery(delivery.receipt))

    assert came == [
        ("m0", 1),
        ("m1", 1),
        ("m2", 1),
        ("m3", 1),
        ("m3", 2),
        *((f"m{n}", 1) for n in range(4, 8)),
    ]
    alone.queue.close()
    fifo.close()


def test_on_a_standard_queue_a_group_makes_it_fair_and_promises_no_order(
    place: Place, clock: TurnedClock
) -> None:
    queue = place.queue(clock, poll_s=0)
    for number, group in enumerate(["a", "b c", None]):
        answer_of(queue, Send((Outgoing(f"m{number}", "default", "t", "{}", "d", 0.0, group=group),)))

    found = place.sqs.client.receive_message(
        QueueUrl=place.urls["default"], MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
    )["Messages"]

    groups = {json.loads(each["Body"])["twolane"]["id"]: each.get("Attributes", {}) for each in found}
    assert groups == {"m0": {"MessageGroupId": "a"}, "m1": {"MessageGroupId": word("b c")}, "m2": {}}
    queue.close()


@pytest.mark.parametrize("text", ["", "a b", "é", "x" * 129, "\ud800"])
def test_what_sqs_takes_for_no_group_has_a_word_of_its_own(text: str) -> None:
    assert word(text) == word(text) != word(text + "!")
    assert len(word(text)) <= 128
    assert word(text).isascii()
    assert word("customer/7") == "customer/7"


def test_a_prefix_stands_for_queues_of_both_kinds(fifo: Place, place: Place) -> None:
    mixed = Wires(Address(f"{fifo.name}-*", f"{fifo.name}-*-dead"), fifo.sqs)
    plain = Wires(place.address, place.sqs)

    fifo.need(["mails"])
    place.need(["mails"])
    assert mixed.is_fifo("mails")
    assert str(mixed.dead_url("mails")).endswith("-mails-dead.fifo")
    assert not plain.is_fifo("mails")


def test_a_body_that_another_checksum_came_with_is_not_run(
    house: House, between: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(answer: dict[str, Any]) -> None:
        answer["Messages"][0]["Body"] += " "

    [sent] = send(house, "a")
    between.faults["ReceiveMessage"] = once(change(spoil))

    assert house.receive() == ()

    assert "came damaged" in caplog.text
    house.clock.advance(LEASE_S)
    assert house.take().id == sent
