"""What Lambda's event source has received: handed out by the row, put back, and gone on with in a new message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws.faults import fail
from tests.aws.places import Place, TurnedClock
from tests.aws.proxy import Proxy
from tests.aws.servers import Server
from tests.backends.sqs.alone import Alone
from tests.contract.house import FAILURE, LEASE_S, House, InAws, answer_of
from twolane.contracts.feeding import Arrived, ContinueDelivery, HandOut, NotHandedOut, PutBack
from twolane.contracts.queue import (
    AckDelivery,
    CancelDelivery,
    CancelMessage,
    Checkpoint,
    DeadLetterDelivery,
    Delivery,
    Holding,
    Outgoing,
    Queue,
    ReleaseDelivery,
    RetryDelivery,
    SaveCheckpoint,
    Settled,
    WaitDelivery,
)
from twolane.values.errors import QueueError
from twolane.values.outcome import Reason
from twolane.values.record import State

SHOWN_S = 90.0
"""How long the queues here hide what an event source has received: longer than a lease."""
GONE = NotHandedOut(gone=True)
STAYS = NotHandedOut(gone=False)
STALE = Settled(held=False)
SMALL, LARGE = '{"part": 1}', '{"part": "' + "x" * 5000 + '"}'
KINDS = ["standard", "fifo"]


class Source:
    """An event source: what it receives, it hands over and deletes."""

    def __init__(self, place: Place, queue: Queue) -> None:
        self._place = place
        self._queue = queue
        self._url = place.urls["default"]

    def receive(self, most: int = 10) -> list[Arrived]:
        """What SQS hands out, as it would stand in an event."""
        return self._place.arrive("default", most)

    def hand_out(self, *arrived: Arrived, lease_s: float = LEASE_S) -> tuple[Delivery | NotHandedOut, ...]:
        return answer_of(self._queue, HandOut("function", arrived, lease_s))

    def take(self) -> tuple[Arrived, Delivery]:
        """Receive one message, which is handed out."""
        [arrived] = self.receive(1)
        [delivery] = self.hand_out(arrived)
        assert isinstance(delivery, Delivery)
        return arrived, delivery

    def delete(self, arrived: Arrived) -> None:
        self._place.sqs.client.delete_message(QueueUrl=self._url, ReceiptHandle=arrived.handle)

    @property
    def open(self) -> int:
        """How many copies SQS has."""
        return self._place.copies("default")


@pytest.fixture(params=KINDS)
def house(
    request: pytest.FixtureRequest, turned_aws: Server, between: Proxy, clock: TurnedClock
) -> Iterator[House]:
    place = Place(
        turned_aws,
        queues=("default",),
        through=between.server,
        fifo=request.param == "fifo",
        visibility_s=int(SHOWN_S),
    )
    backend = InAws(place, clock)
    yield House(backend, clock)
    between.faults.clear()
    backend.close()


@pytest.fixture
def place(house: House) -> Place:
    assert isinstance(house.backend, InAws)
    return house.backend.place


@pytest.fixture
def ordered(place: Place) -> bool:
    """Whether its queues are FIFO queues."""
    return place.urls["default"].endswith(".fifo")


@pytest.fixture
def source(house: House, place: Place) -> Source:
    return Source(place, house.queue)


def sqs_calls(between: Proxy) -> list[str]:
    """What was asked of SQS."""
    return [each for each in between.operations if each.endswith(("MessageBatch", "VisibilityBatch"))]


# Handing out


def test_what_arrives_is_handed_out_as_a_delivery_and_sqs_is_asked_nothing(
    house: House, source: Source, between: Proxy
) -> None:
    message_id = house.send(body='{"a": 1}', group="g")
    [arrived] = source.receive()
    between.operations.clear()

    [delivery] = source.hand_out(arrived, lease_s=50)
    assert isinstance(delivery, Delivery)

    assert (delivery.id, delivery.task, delivery.body) == (message_id, "app:work", '{"a": 1}')
    assert (delivery.attempt, delivery.lease_until) == (1, house.clock.now() + 50)
    assert house.state(message_id) is State.RUNNING
    assert house.do(AckDelivery(delivery.receipt)) == Settled(held=True, gone=True)
    assert house.state(message_id) is State.DONE
    assert sqs_calls(between) == []
    source.delete(arrived)
    assert source.open == 0


def test_each_has_its_own_answer_in_their_order(house: House, source: Source) -> None:
    first, second, third = [house.send(group=group) for group in "abc"]
    came = {str(each.group): each for each in source.receive()}
    a, b, c = came["a"], came["b"], came["c"]
    [held] = source.hand_out(b)
    assert isinstance(held, Delivery)
    house.do(AckDelivery(held.receipt))

    one, two, again, three = source.hand_out(a, b, a, c)

    assert (two, again) == (GONE, STAYS), (
        "one that has ended, and a second copy of one that was just handed out"
    )
    assert [each.id for each in (one, three) if isinstance(each, Delivery)] == [first, third]
    assert held.id == second


def test_what_was_cancelled_or_is_dead_is_not_handed_out_and_is_gone(
    house: House, source: Source, place: Place
) -> None:
    house.send(group="a")
    [arrived] = source.receive()
    house.do(CancelMessage("m1"))
    assert source.hand_out(arrived) == (GONE,)
    source.delete(arrived)

    house.send(group="a", max_attempts=1)
    source.take()
    house.clock.advance(SHOWN_S)
    [arrived] = source.receive()
    assert source.hand_out(arrived) == (GONE,), "its last lease has ended"
    assert house.record("m2").reason is Reason.USED_UP
    assert [each["dead"]["id"] for each in place.dead_letters("default")] == ["m2"]


def test_without_the_rows_nothing_is_handed_out_and_each_who_asked_is_told(
    house: House, source: Source, between: Proxy
) -> None:
    message_id = house.send()
    [arrived] = source.receive()
    between.faults["BatchGetItem"] = fail(500, "InternalServerError")

    answers = house.try_all(HandOut("f", (arrived,), LEASE_S), HandOut("f", (arrived,), LEASE_S))

    assert [isinstance(each, QueueError) for each in answers] == [True, True]
    between.faults.clear()
    assert house.state(message_id) is State.WAITING
    [delivery] = source.hand_out(arrived)
    assert isinstance(delivery, Delivery)


def test_nothing_is_handed_out_to_who_has_gone_meanwhile(house: House, source: Source) -> None:
    """A function that stood still in the middle of a call goes on with it in the next invocation."""
    message_id = house.send()
    [arrived] = source.receive()
    now = house.clock.now()

    [gone, there] = house.try_all(
        HandOut("f", (arrived,), LEASE_S, until=now - 1), HandOut("f", (arrived,), LEASE_S, until=now + 1)
    )

    assert gone == (STAYS,)
    assert isinstance(there[0], Delivery)
    assert house.record(message_id).deliveries == 1


@pytest.mark.parametrize(
    ("entry", "state", "attempt"),
    [
        (lambda receipt: RetryDelivery(receipt, 10, FAILURE), State.WAITING, 2),
        (lambda receipt: WaitDelivery(receipt, 10), State.WAITING, 1),
        (ReleaseDelivery, State.WAITING, 1),
    ],
    ids=["retry", "wait", "release"],
)
def test_what_comes_again_stays_in_the_queue_and_comes_when_it_should(
    house: House, source: Source, entry: Any, state: State, attempt: int
) -> None:
    message_id = house.send()
    _, delivery = source.take()

    assert house.do(entry(delivery.receipt)) == Settled(held=True, gone=False)

    assert house.state(message_id) is state
    if not isinstance(entry("r"), ReleaseDelivery):
        house.clock.advance(9.999)
        assert source.receive() == []
        house.clock.advance(0.001)
    _, again = source.take()
    assert (again.id, again.attempt) == (message_id, attempt)


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        (lambda receipt: DeadLetterDelivery(receipt, Reason.GAVE_UP, FAILURE), State.DEAD),
        (CancelDelivery, State.CANCELLED),
    ],
    ids=["dead", "cancelled"],
)
def test_what_has_ended_is_theirs_to_delete(house: House, source: Source, entry: Any, state: State) -> None:
    message_id = house.send()
    arrived, delivery = source.take()

    assert house.do(entry(delivery.receipt)) == Settled(held=True, gone=True)

    assert house.state(message_id) is state
    source.delete(arrived)
    assert source.open == 0


def test_one_whose_dead_letter_queue_is_away_stays_until_its_copy_is_there(
    house: House, source: Source, between: Proxy, place: Place
) -> None:
    house.send()
    _, delivery = source.take()
    between.faults["SendMessageBatch"] = fail(503, "ServiceUnavailable")

    assert house.do(DeadLetterDelivery(delivery.receipt, Reason.GAVE_UP, FAILURE)) == Settled(held=True)

    between.faults.clear()
    house.clock.advance(SHOWN_S)
    assert source.hand_out(*source.receive()) == (GONE,)
    assert [each["dead"]["id"] for each in place.dead_letters("default")] == ["m1"]


def test_an_end_that_cannot_be_written_is_theirs_to_delete_and_written_later(
    house: House, source: Source, between: Proxy
) -> None:
    house.send()
    _, delivery = source.take()
    between.faults["BatchExecuteStatement"] = fail(500, "InternalServerError")

    assert house.do(AckDelivery(delivery.receipt, result=7)) == Settled(held=True, gone=True)

    between.faults.clear()
    assert source.hand_out() == ()
    assert (house.state("m1"), house.record("m1").result) == (State.DONE, 7)


# Stale fences


@pytest.mark.parametrize(
    "entry",
    [
        AckDelivery,
        lambda receipt: RetryDelivery(receipt, 0, FAILURE),
        ReleaseDelivery,
        lambda receipt: DeadLetterDelivery(receipt, Reason.GAVE_UP, FAILURE),
        CancelDelivery,
        lambda receipt: ContinueDelivery(receipt, SMALL),
        lambda receipt: ContinueDelivery(receipt, LARGE),
        lambda receipt: ContinueDelivery(receipt, SMALL, (Outgoing("c", "default", "t", "{}", "d", 0.0),)),
    ],
    ids=["ack", "retry", "release", "dead", "cancel", "continue", "continue, large", "continue and send"],
)
def test_whoever_lost_a_lease_settles_nothing(house: House, source: Source, entry: Any) -> None:
    message_id = house.send()
    _, stale = source.take()
    house.clock.advance(SHOWN_S)
    arrived, live = source.take()
    assert (live.id, live.attempt) == (message_id, 2)
    body = house.records.body(message_id)

    assert house.do(entry(stale.receipt)) == STALE
    assert house.do(SaveCheckpoint(stale.receipt, "theirs")) == Holding(held=False)

    assert source.open == 1, "nothing was sent, nothing was deleted"
    assert source.receive() == [], "nothing was shown"
    record = house.record(message_id)
    assert (record.state, record.attempt, record.cursor) == (State.RUNNING, 2, None)
    assert house.records.body(message_id) == body
    assert house.records.get("c") is None
    assert house.do(AckDelivery(live.receipt)) == Settled(held=True, gone=True)
    source.delete(arrived)
    assert source.open == 0


def test_what_a_process_has_lost_it_forgets_when_sqs_cannot_hide_it_any_more(
    house: House, source: Source
) -> None:
    for _ in range(3):
        house.send()
        source.take()
    held = house.queue._settling.known  # type: ignore[attr-defined]
    assert len(held) == 3

    house.clock.advance(12 * 3600)
    source.hand_out(*source.receive(1))

    assert len(held) == 1


# Putting back


def test_what_was_not_started_is_visible_at_once_or_after_a_while(house: House, source: Source) -> None:
    message_id = house.send()
    [arrived] = source.receive()
    assert house.do(PutBack((arrived,))) is None
    [again] = source.receive()

    assert house.do(PutBack((again,), after_s=5)) is None

    assert source.receive() == []
    house.clock.advance(5)
    _, delivery = source.take()
    assert (delivery.id, delivery.attempt, house.record(message_id).deliveries) == (message_id, 1, 1)


def test_what_cannot_be_put_back_comes_when_its_time_is_over(
    house: House, source: Source, between: Proxy
) -> None:
    house.send()
    [arrived] = source.receive()
    between.faults["ChangeMessageVisibilityBatch"] = fail(503, "ServiceUnavailable")

    assert house.do(PutBack((arrived,))) is None

    between.faults.clear()
    assert source.receive() == []
    house.clock.advance(SHOWN_S)
    assert len(source.receive()) == 1


# Going on


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_it_goes_on_under_its_id_in_its_attempt_from_its_checkpoint(
    house: House, source: Source, body: str, ordered: bool
) -> None:
    message_id = house.send(group="g")
    later = house.send(group="g") if ordered else None
    arrived, delivery = source.take()
    house.do(SaveCheckpoint(delivery.receipt, 7, done=7, total=9))
    child = house.outgoing(group="other")

    settled = house.do(ContinueDelivery(delivery.receipt, body, (child,)))

    assert settled == Settled(held=True, gone=not ordered)
    record = house.record(message_id)
    assert (record.state, record.attempt, record.cursor) == (State.WAITING, 1, 7)
    assert house.records.body(message_id) == body
    if settled.gone:
        source.delete(arrived)
    came = source.receive()
    held = [each for each in source.hand_out(*came) if isinstance(each, Delivery)]
    assert [each.id for each in held if each.id != child.id] == [message_id, *([later] if ordered else [])]
    assert len(held) == len(came) == 2 + ordered
    [again] = [each for each in held if each.id == message_id]
    assert (again.body, again.attempt, again.checkpoint) == (body, 1, Checkpoint(7, 7, 9))
    assert max(each.receives for each in came) == (2 if ordered else 1), "a new message is counted anew"


def test_one_whose_old_message_was_not_deleted_runs_once_all_the_same(house: House, source: Source) -> None:
    """The function dies, or its answer is lost, behind the row and the new message."""
    message_id = house.send()
    _, delivery = source.take()
    house.do(SaveCheckpoint(delivery.receipt, 7))
    house.do(ContinueDelivery(delivery.receipt, SMALL))

    house.clock.advance(SHOWN_S)
    handed = source.hand_out(*source.receive())

    [running] = [each for each in handed if isinstance(each, Delivery)]
    assert [each for each in handed if not isinstance(each, Delivery)] in ([], [STAYS])
    assert (running.id, running.attempt, running.checkpoint) == (message_id, 1, Checkpoint(7, None, None))
    house.do(AckDelivery(running.receipt))
    house.clock.advance(SHOWN_S)
    assert set(source.hand_out(*source.receive())) == {GONE}


def test_one_whose_new_message_sqs_does_not_take_goes_on_in_the_old_one(
    house: House, source: Source, between: Proxy
) -> None:
    message_id = house.send()
    _, delivery = source.take()
    house.do(SaveCheckpoint(delivery.receipt, 7))
    between.faults["SendMessageBatch"] = fail(503, "ServiceUnavailable")

    assert house.do(ContinueDelivery(delivery.receipt, SMALL)) == Settled(held=True, gone=False)

    between.faults.clear()
    _, again = source.take()
    assert (again.id, again.attempt, again.checkpoint) == (message_id, 1, Checkpoint(7, None, None))


def test_one_whose_row_cannot_be_written_is_still_held_and_nothing_was_sent(
    house: House, source: Source, between: Proxy
) -> None:
    house.send()
    _, delivery = source.take()
    between.faults["BatchExecuteStatement"] = fail(500, "InternalServerError")

    [answer] = house.try_all(ContinueDelivery(delivery.receipt, SMALL))

    assert isinstance(answer, QueueError)
    between.faults.clear()
    assert source.open == 1
    assert house.do(ContinueDelivery(delivery.receipt, SMALL)).held


def test_one_whose_cancellation_was_asked_for_does_not_go_on(house: House, source: Source) -> None:
    message_id = house.send()
    _, delivery = source.take()
    house.do(CancelMessage(message_id))

    assert house.do(ContinueDelivery(delivery.receipt, SMALL)) == Settled(held=True, gone=True)

    assert house.state(message_id) is State.CANCELLED
    assert source.open == 1, "the old one alone, which is theirs to delete"


# Without a state store


@pytest.fixture
def feeding(place: Place, alone: Alone) -> Source:
    """An event source before SQS alone."""
    return Source(place, alone.queue)


def test_alone_a_receive_is_an_attempt_and_what_is_used_up_is_a_dead_letter(
    alone: Alone, feeding: Source, place: Place
) -> None:
    alone.send("a", group="g", max_attempts=2)
    for attempt in (1, 2):
        _, delivery = feeding.take()
        assert delivery.attempt == attempt
        assert alone.do(RetryDelivery(delivery.receipt, 5, FAILURE)) == Settled(held=True, gone=False)
        assert feeding.receive() == []
        alone.clock.advance(5)

    assert feeding.hand_out(*feeding.receive()) == (GONE,)

    [letter] = place.dead_letters("default")
    assert (letter["dead"]["id"], letter["dead"]["reason"]) == ("a", "used_up")


def test_alone_what_is_done_or_dead_is_theirs_to_delete(alone: Alone, feeding: Source, place: Place) -> None:
    alone.send("a")
    alone.send("b")
    (one, first), (two, second) = [
        (each, handed)
        for each in feeding.receive()
        if isinstance(handed := feeding.hand_out(each)[0], Delivery)
    ]
    assert alone.do(AckDelivery(first.receipt)) == Settled(held=True, gone=True)
    assert alone.do(DeadLetterDelivery(second.receipt, Reason.GAVE_UP, FAILURE)) == Settled(
        held=True, gone=True
    )
    assert feeding.open == 2
    feeding.delete(one)
    feeding.delete(two)
    assert [each["dead"]["id"] for each in place.dead_letters("default")] == [second.id]


def test_alone_a_group_keeps_its_order_where_one_fails_or_goes_on(
    alone: Alone, feeding: Source, ordered: bool
) -> None:
    body = alone.send("a", group="g").body
    if ordered:
        alone.send("b", group="g")
    arrived, delivery = feeding.take()
    alone.do(RetryDelivery(delivery.receipt, 0, FAILURE))
    arrived, delivery = feeding.take()
    assert (delivery.id, delivery.attempt) == ("a", 2)

    goes_on = body.replace('"v":1', '"v":1,"part":1')
    settled = alone.do(ContinueDelivery(delivery.receipt, goes_on))

    assert settled == Settled(held=True, gone=not ordered)
    if settled.gone:
        feeding.delete(arrived)
    _, again = feeding.take()
    assert (again.id, again.body) == ("a", body if ordered else goes_on), "a FIFO queue begins it anew"
    assert again.attempt == (3 if ordered else 1)


def test_alone_one_whose_new_message_sqs_does_not_take_is_still_held(
    alone: Alone, feeding: Source, between: Proxy, ordered: bool
) -> None:
    body = alone.send("a").body
    _, delivery = feeding.take()
    between.faults["SendMessageBatch"] = fail(503, "ServiceUnavailable")

    if ordered:
        assert alone.do(ContinueDelivery(delivery.receipt, body)) == Settled(held=True), "it needs no new one"
        return
    with pytest.raises(QueueError):
        alone.do(ContinueDelivery(delivery.receipt, body))

    between.faults.clear()
    assert feeding.open == 1
    assert alone.do(ContinueDelivery(delivery.receipt, body)).gone


def test_alone_what_was_lost_is_forgotten_when_sqs_cannot_hide_it_any_more(
    alone: Alone, feeding: Source
) -> None:
    alone.send("a")
    _, lost = feeding.take()
    assert alone.do(SaveCheckpoint(lost.receipt, 1)).held

    alone.clock.advance(12 * 3600)
    feeding.take()

    assert not alone.do(SaveCheckpoint(lost.receipt, 1)).held
    assert alone.do(AckDelivery(lost.receipt)) == STALE
