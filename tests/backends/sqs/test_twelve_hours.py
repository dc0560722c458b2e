"""SQS hides a message for 12 hours in all since it was received: nothing longer is asked for, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.faults import TwelveHours
from tests.aws.places import Place, TurnedClock, service
from tests.aws.proxy import Proxy
from tests.aws.servers import Server
from tests.backends.sqs.alone import Alone
from tests.contract.house import FAILURE, House, InAws
from twolane.backends.sqs.hiding import MAX_HIDDEN_S
from twolane.backends.sqs.wires import Wires
from twolane.contracts.queue import (
    AckDelivery,
    Delivery,
    Extend,
    RetryDelivery,
    Settled,
)
from twolane.values.record import State

HOUR_S = 3600.0
LEASE_S = 900.0


@pytest.fixture
def rule(house: House, between: Proxy, clock: TurnedClock) -> TwelveHours:
    made = TwelveHours(clock.now)
    between.faults.update(made.faults())
    return made


def hold_until(house: House, delivery: Delivery, age_s: float) -> float:
    """Extend its lease as a worker does until it is so old; answers how old it is when it is lost, or then."""
    began = house.clock.now()
    while house.clock.now() - began < age_s:
        house.clock.advance(LEASE_S / 3)
        [holding] = house.do(Extend((delivery.receipt,), LEASE_S))
        if not holding.held:
            break
    return house.clock.now() - began


def test_a_lease_is_extended_up_to_twelve_hours_and_its_end_is_said(
    house: House, rule: TwelveHours, caplog: pytest.LogCaptureFixture
) -> None:
    message_id = house.send(max_attempts=2)
    delivery = house.take(lease_s=LEASE_S)

    lost_at_s = hold_until(house, delivery, 13 * HOUR_S)

    assert MAX_HIDDEN_S - LEASE_S < lost_at_s < MAX_HIDDEN_S
    assert rule.refused == []
    said = [each.getMessage() for each in caplog.records if "12 hours" in each.getMessage()]
    assert len(said) == 1
    assert message_id in said[0]
    assert house.receive() == ()  # nobody runs it before its lease has ended
    house.clock.advance(LEASE_S)
    assert house.take().attempt == 2


def test_what_is_done_before_its_lease_ends_is_done(house: House, rule: TwelveHours) -> None:
    message_id = house.send()
    delivery = house.take(lease_s=LEASE_S)
    hold_until(house, delivery, 13 * HOUR_S)

    assert house.do(AckDelivery(delivery.receipt)) == Settled(held=True)

    assert house.state(message_id) is State.DONE
    house.clock.advance(LEASE_S)
    assert house.receive() == ()


def test_a_backoff_gets_what_is_left_and_still_ends_when_it_should(house: House, rule: TwelveHours) -> None:
    message_id = house.send()
    delivery = house.take(lease_s=LEASE_S)
    hold_until(house, delivery, 11 * HOUR_S)

    assert house.do(RetryDelivery(delivery.receipt, 3 * HOUR_S, FAILURE)) == Settled(held=True)

    due = house.record(message_id).visible_at
    assert due == house.clock.now() + 3 * HOUR_S
    while due - house.clock.now() > 600:
        assert house.receive() == ()
        house.clock.advance(600)
    house.clock.advance(600)
    assert house.take().attempt == 2
    assert rule.refused == []
    assert len(rule.received) == 3  # it came early once


def test_a_delay_of_more_than_twelve_hours_takes_one_receive_in_twelve_hours(
    house: House, rule: TwelveHours, clock: TurnedClock
) -> None:
    house.send(delay_s=30 * HOUR_S)
    due = clock.now() + 30 * HOUR_S

    while clock.now() + HOUR_S < due:
        clock.advance(HOUR_S / 2)
        assert house.receive() == ()

    assert rule.refused == []
    assert len(rule.received) <= 3, "each receive brings it nearer to the dead-letter queue"
    clock.advance(HOUR_S)
    house.take()


@pytest.fixture
def place(turned_aws: Server, between: Proxy) -> Iterator[Place]:
    """A queue by the rule."""
    made = Place(turned_aws, through=between.server)
    yield made
    between.faults.clear()
    made.close()


def test_without_a_state_store_a_pause_is_what_is_left_and_says_so(
    alone: Alone, rule: TwelveHours, clock: TurnedClock
) -> None:
    alone.send()
    [delivery] = alone.receive(lease_s=6 * HOUR_S)
    clock.advance(5 * HOUR_S)
    assert alone.do(Extend((delivery.receipt,), 6 * HOUR_S))[0].held
    clock.advance(5 * HOUR_S)
    assert alone.do(Extend((delivery.receipt,), 3 * HOUR_S))[0].held
    clock.advance(HOUR_S)
    assert not alone.do(Extend((delivery.receipt,), 3 * HOUR_S))[0].held

    settled = alone.do(RetryDelivery(delivery.receipt, 3 * HOUR_S, FAILURE))

    assert settled.held
    assert settled.after_s is not None
    assert 0.9 * HOUR_S < settled.after_s < HOUR_S
    assert rule.refused == []
    assert alone.receive(lease_s=6 * HOUR_S) == ()
    clock.advance(HOUR_S)
    assert len(alone.receive(lease_s=6 * HOUR_S)) == 1


def test_a_time_that_sqs_refuses_is_told_from_a_copy_that_is_gone(
    between: Proxy, house: House, rule: TwelveHours
) -> None:
    backend = house.backend
    assert isinstance(backend, InAws)
    wires = Wires(backend.place.address, service("sqs", between.server))
    house.send()
    [copy] = wires.receive("default", 1, 60)

    [refused] = wires.show([("default", copy.handle, MAX_HIDDEN_S)])
    assert wires.delete([("default", copy.handle)]) == [None]
    [gone] = wires.show([("default", copy.handle, 0)])

    wires.service.close()
    assert refused is not None
    assert "beyond the limit" in str(refused)
    assert gone is None
