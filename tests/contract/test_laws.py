"""The laws of DESIGN.md section 7 that one process can show. L1, L10, L13 and L15 also have files of their own."""

from __future__ import annotations

import threading

import pytest

from tests.contract.house import FAILURE, LEASE_S, House, assert_sum_holds
from twolane.contracts.queue import (
    AckDelivery,
    CancelDelivery,
    DeadLetterDelivery,
    Entry,
    Extend,
    Holding,
    Redrive,
    ReleaseDelivery,
    RetryDelivery,
    SaveCheckpoint,
    Send,
    Settled,
    WaitDelivery,
)
from twolane.contracts.upkeep import Reap, Reaped
from twolane.values.errors import SendRefused
from twolane.values.outcome import Reason
from twolane.values.policy import MAX_PAUSE_S
from twolane.values.record import State

ALPHABET = "".join(chr(code) for code in range(ord(" "), ord("~") + 1)) + "\t\r\n"


def settlements(receipt: str) -> list[Entry[Settled]]:
    return [
        AckDelivery(receipt),
        RetryDelivery(receipt, 0, FAILURE),
        WaitDelivery(receipt, 0),
        ReleaseDelivery(receipt),
        DeadLetterDelivery(receipt, Reason.GAVE_UP, FAILURE),
        CancelDelivery(receipt),
    ]


def test_l1_what_was_answered_is_there_for_every_other_process(house: House) -> None:
    message_id = house.send(body='{"v":1}')

    assert house.records.body(message_id) == '{"v":1}'
    [delivery] = House(house.backend, house.clock).receive()
    assert delivery.id == message_id


def test_l2_receive_hides_and_never_deletes(house: House) -> None:
    message_id = house.send()

    delivery = house.take()

    assert house.receive() == ()
    assert house.state(message_id) is State.RUNNING
    assert house.records.body(message_id) == delivery.body
    house.clock.advance(LEASE_S - 0.001)
    assert house.do(Reap()) == Reaped()
    assert house.receive() == ()


def test_l3_an_expired_lease_makes_it_visible_with_a_new_receipt_and_one_more_attempt(house: House) -> None:
    message_id = house.send()
    first = house.take()
    house.clock.advance(LEASE_S)

    assert house.do(Reap()) == Reaped(freed=1)
    second = house.take()

    assert (first.attempt, second.attempt) == (1, 2)
    assert second.receipt != first.receipt
    assert second.lease_until == house.clock.now() + LEASE_S
    assert house.record(message_id).deliveries == 2


@pytest.mark.parametrize("verb", range(6))
def test_l4_a_stale_receipt_settles_nothing(house: House, verb: int) -> None:
    message_id = house.send()
    stale = house.take()
    house.clock.advance(LEASE_S)
    house.do(Reap())
    live = house.take()
    before = house.record(message_id)

    assert house.do(settlements(stale.receipt)[verb]) == Settled(held=False)
    assert house.do(Extend((stale.receipt,), LEASE_S)) == (Holding(held=False),)
    assert house.do(SaveCheckpoint(stale.receipt, 7)) == Holding(held=False)

    assert house.record(message_id) == before
    assert house.do(AckDelivery(live.receipt)) == Settled(held=True)


@pytest.mark.parametrize("receipt", ["", "nonsense", "1.0", "-1.x", "9" * 40])
def test_l4_a_receipt_that_never_was_settles_nothing(house: House, receipt: str) -> None:
    house.send()
    house.take()

    assert house.try_all(*settlements(receipt)) == [Settled(held=False)] * 6


def test_l4_a_lease_that_ran_out_unseen_is_still_held(house: House) -> None:
    message_id = house.send()
    delivery = house.take()
    house.clock.advance(LEASE_S + 1)

    assert house.do(AckDelivery(delivery.receipt)) == Settled(held=True)
    assert house.do(Reap()) == Reaped()
    assert house.state(message_id) is State.DONE


def test_l5_ack_twice_is_harmless(house: House) -> None:
    message_id = house.send()
    delivery = house.take()

    assert house.do(AckDelivery(delivery.receipt, result={"rows": 3})) == Settled(held=True)
    assert house.do(AckDelivery(delivery.receipt)) == Settled(held=False)

    record = house.record(message_id)
    assert (record.state, record.result, record.attempt) == (State.DONE, {"rows": 3}, 1)
    house.clock.advance(10 * LEASE_S)
    house.do(Reap())
    assert house.receive() == ()


def test_l6_a_retry_is_not_visible_before_its_delay(house: House) -> None:
    house.send()
    first = house.take()

    assert house.do(RetryDelivery(first.receipt, 10, FAILURE)) == Settled(held=True)

    assert house.next_visible_at() == house.clock.now() + 10
    house.clock.advance(9.999)
    assert house.receive() == ()
    house.clock.advance(0.001)
    assert house.take().attempt == 2


def test_l6_a_capped_delay_is_reported(house: House) -> None:
    house.send()
    first = house.take()

    settled = house.do(RetryDelivery(first.receipt, 12 * 3600, FAILURE))

    assert settled == Settled(held=True, after_s=MAX_PAUSE_S)
    assert house.next_visible_at() == house.clock.now() + MAX_PAUSE_S


def test_l7_a_release_is_visible_at_once(house: House) -> None:
    house.send(max_attempts=1)
    first = house.take()

    assert house.do(ReleaseDelivery(first.receipt)) == Settled(held=True)

    second = house.take()
    assert second.receipt != first.receipt
    assert second.attempt == (1 if house.queue.capabilities.release_is_free else 2)


def test_l8_leases_that_expire_for_ever_end_as_a_dead_letter(house: House) -> None:
    message_id = house.send(max_attempts=2)
    for freed, buried in ((1, 0), (0, 1)):
        house.take()
        house.clock.advance(LEASE_S)
        assert house.do(Reap()) == Reaped(freed=freed, buried=buried)

    letter = house.records.dead_letter(message_id)

    assert letter is not None
    assert letter.record.reason is Reason.USED_UP
    assert [attempt.number for attempt in letter.attempts] == [1, 2]
    assert {attempt.failure.error_type for attempt in letter.attempts} == {"LeaseExpired"}
    assert house.receive() == ()
    assert house.records.stats().owed_alerts == 1


def test_l8_a_retry_beyond_the_attempts_ends_as_a_dead_letter(house: House) -> None:
    """Where the code allows more attempts than the message says, the queue has the last word."""
    message_id = house.send(max_attempts=1)
    house.do(RetryDelivery(house.take().receipt, 0, FAILURE))

    assert house.receive() == ()

    record = house.record(message_id)
    assert (record.state, record.reason, record.attempt) == (State.DEAD, Reason.USED_UP, 1)


def test_l9_a_dead_letter_keeps_body_reason_attempts_and_times(house: House) -> None:
    sent_at = house.clock.now()
    message_id = house.send(body='{"n":1}')
    house.do(RetryDelivery(house.take().receipt, 0, FAILURE, outcome="timed_out"))
    house.clock.advance(5)
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE, public="no such file"))

    letter = house.records.dead_letter(message_id)

    assert letter is not None
    assert letter.body == '{"n":1}'
    assert [(attempt.number, attempt.outcome, attempt.failure) for attempt in letter.attempts] == [
        (1, "timed_out", FAILURE),
        (2, "failed", FAILURE),
    ]
    record = letter.record
    assert (record.state, record.reason, record.public) == (State.DEAD, Reason.GAVE_UP, "no such file")
    assert (record.sent_at, record.finished_at) == (sent_at, sent_at + 5)
    assert (record.attempt, record.deliveries) == (2, 2)
    assert house.records.list_dead() == [letter]


def test_l10_a_redrive_leaves_exactly_one_copy(house: House) -> None:
    message_id = house.send()
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))

    assert house.do(Redrive(message_id)) is State.WAITING
    assert house.do(Redrive(message_id)) is State.WAITING

    stats = house.records.stats()
    assert stats.accepted == 1
    assert stats.queues["default"].counts[State.WAITING] == 1
    assert house.records.list_dead() == []


def test_l11_all_come_in_whatever_order(house: House) -> None:
    sent = {house.send(task=f"app:t{number % 3}") for number in range(30)}

    received: set[str] = set()
    while deliveries := house.receive(limit=7):
        assert len(deliveries) <= 7
        received |= {delivery.id for delivery in deliveries}

    assert received == sent


def test_l12_nothing_is_lost_whatever_becomes_of_its_deliveries(house: House) -> None:
    sent = [house.send(max_attempts=3) for _ in range(12)]
    stale: list[str] = []
    for turn in range(20):
        house.try_all(*(AckDelivery(receipt) for receipt in stale))
        for number, delivery in enumerate(house.receive()):
            stale.append(delivery.receipt)
            if number % 4 < 3:  # the fourth's lease runs out
                house.do(settlements(delivery.receipt)[(number + turn) % 4])
        house.clock.advance(LEASE_S)
        house.do(Reap())

    assert {house.state(message_id) for message_id in sent} <= {State.DONE, State.DEAD}
    stats = house.records.stats()
    assert stats.accepted == 12
    assert_sum_holds(stats)
    assert stats.owed_alerts == stats.queues["default"].counts[State.DEAD]


def test_l13_receivers_in_many_threads_never_hold_the_same_message(house: House) -> None:
    sent = [house.send() for _ in range(60)]
    received: list[str] = []

    def receive() -> None:
        mine = House(house.backend, house.clock)
        while deliveries := mine.receive(limit=3):
            received.extend(delivery.id for delivery in deliveries)

    threads = [threading.Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(received) == sorted(sent)


def test_l14_the_largest_body_returns_unchanged(house: House) -> None:
    size = house.queue.max_body_bytes
    body = (ALPHABET * (size // len(ALPHABET) + 1))[:size]
    message_id = house.send(body=body)

    assert house.take().body == body
    assert house.records.body(message_id) == body


@pytest.mark.parametrize("body", ["", " ", "\r\n", "\n\r\t", '"', "'; DROP TABLE messages; --"])
def test_l14_an_odd_body_returns_unchanged(house: House, body: str) -> None:
    house.send(body=body)

    assert house.take().body == body


def test_l14_one_byte_more_is_refused_with_both_numbers(house: House) -> None:
    limit = house.queue.max_body_bytes
    message = house.outgoing(body="x" * (limit + 1))

    with pytest.raises(SendRefused, match=rf"{limit + 1}.*{limit}") as refused:
        house.do(Send((message,)))

    assert refused.value.ids == (message.id,)
    assert house.records.stats().accepted == 0


@pytest.mark.parametrize("char", ["\x00", "\x0b", "\x1b", "\x7f", "\x85", "é", "\u2028", "\ud800", "😀"])
def test_l14_other_characters_are_refused(house: House, char: str) -> None:
    message = house.outgoing(body=f"a{char}b")

    with pytest.raises(SendRefused) as refused:
        house.do(Send((message,)))

    assert refused.value.ids == (message.id,)


def test_l15_each_entry_of_a_flush_gets_its_own_answer(house: House) -> None:
    house.send(id="stored", digest="one")

    answers = house.try_all(
        *(Send((house.outgoing(id=f"n{number}"),)) for number in range(50)),
        Send((house.outgoing(id="stored", digest="two"),)),
        Send((house.outgoing(id="last"),)),
    )

    assert [answer[0].id for answer in answers[:50]] == [f"n{number}" for number in range(50)]
    assert isinstance(answers[50], SendRefused)
    assert answers[51][0].id == "last"
    assert house.records.stats().accepted == 52
