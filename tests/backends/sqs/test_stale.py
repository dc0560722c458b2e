"""A stale receipt on both kinds of SQS: one forgets it, the other deletes the message that somebody else holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.places import Place
from tests.aws.servers import Server
from tests.contract.house import answer_of
from tests.worker_process.processes import until
from twolane.backends.sqs import SqsQueue
from twolane.contracts.queue import (
    AckDelivery,
    Delivery,
    Outgoing,
    Receive,
    ReleaseDelivery,
    Send,
    Settled,
)
from twolane.values.record import State
from twolane.wiring.clock import SystemClock


@pytest.fixture(params=["aws", "roto"])
def place(request: pytest.FixtureRequest, aws: Server) -> Iterator[Place]:
    made = Place(request.getfixturevalue(request.param), tables=aws)
    yield made
    made.close()


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
    assert place.visible("default") == place.in_flight("default") == 0
