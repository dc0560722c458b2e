"""Where servers differ: a stale receipt, which one forgets, and by which another deletes what somebody else holds; FIFO.

TWOLANE_OTHER_SQS=http://127.0.0.1:4566 names one more server (fauxqs, say) that must give the same results.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.aws.places import Place
from tests.aws.servers import Server
from tests.contract.house import FAILURE, answer_of
from tests.waiting import until
from twolane.backends.sqs import SqsQueue
from twolane.contracts.queue import (
    AckDelivery,
    DeadLetterDelivery,
    Delivery,
    Outgoing,
    Receive,
    Redrive,
    ReleaseDelivery,
    RetryDelivery,
    Send,
    Settled,
)
from twolane.values.outcome import Reason
from twolane.values.record import State
from twolane.wiring.clock import SystemClock

OTHER = os.environ.get("TWOLANE_OTHER_SQS")


@pytest.fixture(params=["aws", "roto", *["other"] * bool(OTHER)])
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "other":
        return Server(OTHER or "")
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def place(server: Server, aws: Server) -> Iterator[Place]:
    made = Place(server, tables=aws)
    yield made
    made.close()


@pytest.fixture
def fifo(server: Server, aws: Server) -> Iterator[SqsQueue]:
    place = Place(server, tables=aws, fifo=True)
    made = place.queue(SystemClock(), poll_s=0)
    yield made
    made.close()
    place.close()


@pytest.fixture
def queue(place: Place) -> Iterator[SqsQueue]:
    made = place.queue(SystemClock(), poll_s=0)
    yield made
    made.close()


def take(queue: SqsQueue, lease_s: float) -> Delivery:
    found: list[Delivery] = []

    def came() -> bool:
        found.extend(answer_of(queue, Receive("w", ("default",), None, limit=1, lease_s=lease_s)))
        return bool(found)

    until(came, "a delivery")
    return found[0]


@pytest.mark.parametrize("verb", [AckDelivery, ReleaseDelivery])
def test_whoever_comes_too_late_does_not_touch_the_delivery_of_another(
    queue: SqsQueue, place: Place, verb: type[AckDelivery]
) -> None:
    now = SystemClock().now()
    answer_of(queue, Send((Outgoing("m1", "default", "t", "{}", "d", now),)))
    late = take(queue, lease_s=1)
    live = take(queue, lease_s=30)

    assert answer_of(queue, verb(late.receipt)) == Settled(held=False)

    assert (late.attempt, live.attempt) == (1, 2)
    assert place.in_flight("default") == 1
    assert answer_of(queue, AckDelivery(live.receipt)) == Settled(held=True)
    assert place.in_flight("default") == 0
    record = place.records(SystemClock()).get("m1")
    assert record is not None
    assert record.state is State.DONE


def test_many_go_in_and_out_once(queue: SqsQueue, place: Place) -> None:
    now = SystemClock().now()
    ids = [f"m{number}" for number in range(30)]
    queue.flush([Send((Outgoing(each, "default", "t", "{}", "d", now),)) for each in ids])
    found: list[str] = []
    while len(found) < 30:
        came = answer_of(queue, Receive("w", ("default",), None, limit=10, lease_s=30))
        found += [each.id for each in came]
        queue.flush([AckDelivery(each.receipt) for each in came])

    assert sorted(found) == sorted(ids)
    assert place.copies("default") == 0


def test_a_group_keeps_its_order_whatever_becomes_of_its_first(fifo: SqsQueue) -> None:
    now = SystemClock().now()
    sent = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")]
    fifo.flush([Send((Outgoing(each, "default", "t", "{}", "d", now, group=group),)) for each, group in sent])
    two = answer_of(fifo, Receive("w", ("default",), None, limit=10, lease_s=30))
    assert sorted(each.id for each in two) == ["a1", "b1"]
    [first] = [each for each in two if each.id == "a1"]
    answer_of(fifo, RetryDelivery(first.receipt, 1.0, FAILURE))

    came: list[tuple[str, int]] = []
    while len(came) < 3:
        next_one = take(fifo, lease_s=30)
        came.append((next_one.id, next_one.attempt))
        if len(came) == 1:
            answer_of(fifo, DeadLetterDelivery(next_one.receipt, Reason.GAVE_UP, FAILURE))
            assert answer_of(fifo, Redrive("a1")) is State.WAITING
        else:
            answer_of(fifo, AckDelivery(next_one.receipt))

    assert came == [("a1", 2), ("a2", 1), ("a3", 1)]
    assert take(fifo, lease_s=30).id == "a1"
