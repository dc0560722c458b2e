"""What holds of every entry beside the laws with a number: by which rules messages, workers and alerts go on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contract.house import FAILURE, LEASE_S, House, assert_sum_holds
from twolane.contracts.queue import (
    AckDelivery,
    CancelDelivery,
    CancelMessage,
    Checkpoint,
    DeadLetterDelivery,
    Discard,
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
from twolane.contracts.upkeep import Prune, Reap, Reaped
from twolane.values.errors import SendRefused, TwolaneError
from twolane.values.letters import Matching
from twolane.values.outcome import Reason
from twolane.values.policy import MAX_PAUSE_S
from twolane.values.record import State


def bury(house: House, **fields: object) -> str:
    """Send a message and let it die."""
    message_id = house.send(**fields)
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
    return message_id


# Send


def test_a_batch_is_stored_whole_or_not_at_all(house: House) -> None:
    good, bad = house.outgoing(), house.outgoing(body="é")

    with pytest.raises(SendRefused):
        house.do(Send((good, bad)))

    assert house.records.get(good.id) is None
    assert house.do(Send((good,))) == (Sent(good.id),)


def test_the_same_id_and_digest_is_the_same_message(house: House) -> None:
    message = house.outgoing()

    assert house.do(Send((message, message))) == (Sent(message.id), Sent(message.id, duplicate=True))
    assert house.do(Send((message,))) == (Sent(message.id, duplicate=True),)
    assert len(house.receive()) == 1


@pytest.mark.parametrize("end", [AckDelivery, CancelDelivery])
def test_an_id_is_remembered_as_long_as_its_record(house: House, end: type[AckDelivery]) -> None:
    message = house.outgoing()
    house.do(Send((message,)))
    house.do(end(house.take().receipt))

    assert house.do(Send((message,))) == (Sent(message.id, duplicate=True),)
    assert house.receive() == ()
    house.forget(keep_s=0)
    assert house.do(Send((message,))) == (Sent(message.id),)


def test_the_same_id_with_another_digest_is_refused(house: House) -> None:
    message = house.outgoing(body='{"n":1}')
    house.do(Send((message,)))

    with pytest.raises(SendRefused, match=message.id) as refused:
        house.do(Send((message._replace(digest="other", body='{"n":2}'),)))

    assert refused.value.ids == (message.id,)
    assert house.records.body(message.id) == '{"n":1}'


@pytest.mark.parametrize("number", [9, 10, 11, 25])
def test_of_many_that_go_together_each_is_stored(house: House, number: int) -> None:
    sends = [Send((house.outgoing(body=f'{{"n":{n}}}'),)) for n in range(number)]

    assert house.queue.flush(sends) == [(Sent(send.messages[0].id),) for send in sends]
    found = {delivery.id: delivery.body for delivery in house.receive(limit=100)}
    assert found == {send.messages[0].id: send.messages[0].body for send in sends}


def test_of_many_that_go_together_one_is_refused_alone(house: House) -> None:
    sends = [Send((house.outgoing(),)) for _ in range(25)]
    twin = Send((sends[3].messages[0]._replace(digest="other"),))

    *others, refused, last = house.queue.flush([*sends, twin, sends[4]])

    assert others == [(Sent(send.messages[0].id),) for send in sends]
    assert isinstance(refused, SendRefused)
    assert last == (Sent(sends[4].messages[0].id, duplicate=True),)
    assert house.records.stats().accepted == 25


def test_a_unique_key_holds_while_its_message_waits_or_runs(house: House) -> None:
    first = house.send(unique_key="k")

    assert house.send(unique_key="k") == first
    delivery = house.take()
    assert house.do(Send((house.outgoing(unique_key="k"),))) == (Sent(first, duplicate=True),)
    assert house.send(unique_key="k", task="app:other") != first
    assert house.send(unique_key="other") != first
    house.do(AckDelivery(delivery.receipt))

    assert house.send(unique_key="k") != first


def test_a_send_of_nothing_is_answered_beside_one_of_a_message(house: House) -> None:
    message, nothing = house.outgoing(), Send(())

    answers = house.queue.flush([nothing, Send((message,)), nothing])

    assert answers == [(), (Sent(message.id),), ()]


def test_the_id_of_a_send_that_met_its_unique_key_names_the_stored_message(house: House) -> None:
    stored = house.send(unique_key="k")
    met = house.outgoing(unique_key="k")
    assert house.do(Send((met,))) == (Sent(stored, duplicate=True),)

    assert house.record(met.id).id == stored
    house.do(AckDelivery(house.take().receipt))
    assert house.do(Send((met,))) == (Sent(stored, duplicate=True),), (
        "ids are remembered as long as the record"
    )
    assert house.record(met.id).state is State.DONE

    house.clock.advance(8)
    house.forget(keep_s=7)
    assert house.records.get(met.id) is None


@pytest.mark.needs("knows_crashes")
def test_a_suspect_that_fails_without_a_crash_is_one_no_more(house: House) -> None:
    house.register("w")
    house.send()
    house.take(worker="w")
    house.crash("w")
    house.do(Reap())
    alone = house.take(worker="v")
    assert alone.alone

    house.do(RetryDelivery(alone.receipt, 0, FAILURE))

    assert not house.take(worker="v", idle=False).alone


def test_a_unique_key_holds_within_one_batch(house: House) -> None:
    first, second = house.outgoing(unique_key="k"), house.outgoing(unique_key="k")

    assert house.do(Send((first, second))) == (Sent(first.id), Sent(first.id, duplicate=True))


def test_a_delayed_message_is_not_visible_before_its_delay(house: House) -> None:
    house.send(delay_s=30)

    assert house.receive() == ()
    assert house.next_visible_at() == house.clock.now() + 30
    house.clock.advance(30)
    assert house.next_visible_at() is None
    assert house.take().attempt == 1


def test_a_fresh_record_says_what_was_sent(house: House) -> None:
    message_id = house.send(parent="p", unique_key="k", queue="imports", delay_s=5)

    record = house.record(message_id)

    now = house.clock.now()
    assert (record.task, record.queue, record.state) == ("app:work", "imports", State.WAITING)
    assert (record.attempt, record.deliveries, record.crashes) == (1, 0, 0)
    assert (record.sent_at, record.visible_at) == (now, now + 5)
    assert (record.parent, record.unique_key) == ("p", "k")
    assert record.started_at is record.finished_at is record.reason is record.worker is None


# Receive


def test_a_worker_gets_its_queues_only(house: House) -> None:
    house.send(queue="imports")

    assert house.receive(queues=("default", "mails")) == ()
    assert house.next_visible_at() is None
    assert house.take(queues=("default", "imports")).queue == "imports"


@pytest.mark.needs("selects_tasks")
def test_a_worker_gets_the_tasks_it_knows_and_what_is_no_envelope(house: House) -> None:
    known, nameless = house.send(), house.send(task="")
    stranger = house.send(task="app:other")

    received = {delivery.id for delivery in house.receive(tasks=("app:work",))}

    assert received == {known, nameless}
    assert house.state(stranger) is State.WAITING


@pytest.mark.needs("selects_tasks")
def test_strangers_are_messages_whose_task_no_worker_knows(house: House) -> None:
    house.register("w", tasks=("app:work",))
    house.register("v", tasks=("app:other",))
    house.send()
    house.send(task="app:other")
    house.send(task="")
    stranger = house.send(task="app:gone")

    assert house.take(tasks=("app:work",), strangers=True).id == stranger
    assert house.receive(tasks=("app:work",), strangers=True) == ()


@pytest.mark.needs("selects_tasks")
def test_a_worker_that_stops_leaves_its_tasks_to_strangers(house: House) -> None:
    house.register("w", tasks=("app:work",))
    message_id = house.send()
    assert house.receive(worker="v", tasks=(), strangers=True) == ()

    house.unregister("w")

    assert house.take(worker="v", tasks=(), strangers=True).id == message_id


def test_a_limit_of_none_receives_nothing(house: House) -> None:
    house.send()

    assert house.receive(limit=0) == ()


def test_a_delivery_says_all_that_a_worker_needs(house: House) -> None:
    message_id = house.send(body='{"v":1}')

    delivery = house.take(worker="w7")

    now = house.clock.now()
    assert (delivery.id, delivery.queue, delivery.task) == (message_id, "default", "app:work")
    assert (delivery.body, delivery.attempt, delivery.crashes) == ('{"v":1}', 1, 0)
    assert (delivery.received_at, delivery.lease_until) == (now, now + LEASE_S)
    assert not delivery.alone
    assert delivery.checkpoint is delivery.waits_since is None
    record = house.record(message_id)
    assert (record.state, record.worker, record.deliveries) == (State.RUNNING, "w7", 1)
    assert (record.started_at, record.visible_at) == (now, now + LEASE_S)


# Extend and SaveCheckpoint


def test_an_extended_lease_hides_for_longer(house: House) -> None:
    first, second = house.send(), house.send()
    one, two = sorted(house.receive(), key=lambda delivery: delivery.id)
    house.clock.advance(LEASE_S - 1)

    assert house.do(Extend(("stale", one.receipt), LEASE_S)) == (Holding(held=False), Holding(held=True))

    house.clock.advance(LEASE_S - 1)
    assert house.do(Reap()) == Reaped(freed=1)
    assert [house.state(message_id) for message_id in (first, second)] == [State.RUNNING, State.WAITING]
    assert house.do(AckDelivery(two.receipt)) == Settled(held=False)
    assert house.do(AckDelivery(one.receipt)) == Settled(held=True)


@pytest.mark.parametrize("cursor", [0, 17, "row 5", {"offset": 10, "path": ["a", None]}, [1, 2.5], None])
def test_the_next_delivery_gets_the_checkpoint(house: House, cursor: object) -> None:
    message_id = house.send()
    first = house.take()

    assert house.do(SaveCheckpoint(first.receipt, cursor, done=3, total=10)) == Holding(held=True)
    record = house.record(message_id)
    assert (record.cursor, record.done, record.total) == (cursor, 3, 10)
    assert record.progressed_at == house.clock.now()
    house.do(RetryDelivery(first.receipt, 0, FAILURE))

    assert house.take().checkpoint == Checkpoint(cursor, 3, 10)


@pytest.mark.parametrize("cursor", [float("nan"), object(), {1, 2}])
def test_a_cursor_that_is_no_json_is_refused_and_the_delivery_goes_on(house: House, cursor: object) -> None:
    house.send()
    delivery = house.take()

    [answer] = house.try_all(SaveCheckpoint(delivery.receipt, cursor))

    assert isinstance(answer, Exception)
    assert house.do(Extend((delivery.receipt,), LEASE_S)) == (Holding(held=True),)


# Settling


def test_what_a_task_sent_is_stored_with_its_ack(house: House) -> None:
    house.send()
    child = house.outgoing(parent="m1")

    assert house.do(AckDelivery(house.take().receipt, sends=(child,))) == Settled(held=True)

    assert house.take().id == child.id


def test_a_stale_ack_stores_nothing(house: House) -> None:
    house.send()
    child = house.outgoing()

    assert house.do(AckDelivery("stale", sends=(child,))) == Settled(held=False)
    assert house.records.get(child.id) is None


def test_an_ack_fails_with_what_it_sends(house: House) -> None:
    message_id = house.send()
    delivery = house.take()
    before = house.record(message_id)
    good, bad = house.outgoing(), house.outgoing(body="é")

    with pytest.raises(SendRefused):
        house.do(AckDelivery(delivery.receipt, sends=(good, bad)))

    assert house.record(message_id) == before
    assert house.records.get(good.id) is None
    assert house.do(AckDelivery(delivery.receipt)) == Settled(held=True)


def test_a_task_may_send_its_own_successor_under_its_own_key(house: House) -> None:
    house.send(unique_key="nightly")
    successor = house.outgoing(unique_key="nightly")

    house.do(AckDelivery(house.take().receipt, sends=(successor,)))

    assert house.take().id == successor.id


def test_an_ack_stores_nothing_twice_that_is_stored_already(house: House) -> None:
    """An equal message of the same id, and a twin under a unique key, are what the task asked for."""
    first, waits = house.outgoing(), house.outgoing(unique_key="nightly")
    house.do(Send((first, waits)))
    message_id = house.send(task="parent")
    delivery = next(each for each in house.receive() if each.id == message_id)
    twin = house.outgoing(unique_key="nightly")

    assert house.do(AckDelivery(delivery.receipt, sends=(first, twin))) == Settled(held=True)

    assert house.record(message_id).state is State.DONE
    assert house.records.stats().accepted == 3
    assert house.record(twin.id).id == waits.id


def test_an_ack_that_sends_an_id_of_another_message_fails_alone(house: House) -> None:
    stored = house.outgoing()
    house.do(Send((stored,)))
    first, second = house.send(task="parent"), house.send(task="parent")
    receipts = {each.id: each.receipt for each in house.receive() if each.id in (first, second)}
    other = stored._replace(digest="other arguments")
    good = house.outgoing()

    refused, settled = house.try_all(
        AckDelivery(receipts[first], sends=(good, other)), AckDelivery(receipts[second])
    )

    assert isinstance(refused, SendRefused)
    assert refused.ids == (stored.id,)
    assert settled == Settled(held=True)
    assert house.record(first).state is State.RUNNING
    assert house.records.get(good.id) is None


def test_an_ack_stores_a_thousand_messages(house: House) -> None:
    house.send()
    sends = tuple(house.outgoing(parent="m1") for _ in range(1000))

    assert house.do(AckDelivery(house.take().receipt, sends=sends)) == Settled(held=True)

    assert house.records.stats().queues["default"].counts[State.WAITING] == 1000


def test_a_result_that_is_no_json_leaves_the_delivery_held(house: House) -> None:
    house.send()
    delivery = house.take()

    [answer] = house.try_all(AckDelivery(delivery.receipt, result=float("nan")))

    assert isinstance(answer, Exception)
    assert house.do(AckDelivery(delivery.receipt)) == Settled(held=True)


def test_waiting_under_patience_uses_up_no_attempt_and_keeps_its_beginning(house: House) -> None:
    message_id = house.send(max_attempts=1)
    began = house.clock.now()
    for turn in range(3):
        delivery = house.take()
        assert (delivery.attempt, delivery.waits_since) == (1, began if turn else None)
        assert house.do(WaitDelivery(delivery.receipt, 30)) == Settled(held=True)
        assert house.records.stats().queues["default"].not_understood == 1
        house.clock.advance(29.999)
        assert house.receive() == ()
        house.clock.advance(0.001)
    house.do(AckDelivery(house.take().receipt))

    assert house.records.stats().queues["default"].not_understood == 0
    assert house.state(message_id) is State.DONE


def test_a_retry_ends_the_waiting_and_a_release_does_not(house: House) -> None:
    house.send()
    began = house.clock.now()
    house.do(WaitDelivery(house.take().receipt, 0))
    house.do(ReleaseDelivery(house.take().receipt))
    delivery = house.take()
    assert delivery.waits_since == began

    house.do(RetryDelivery(delivery.receipt, 0, FAILURE))

    assert house.take().waits_since is None


def test_a_wait_is_capped_like_a_retry(house: House) -> None:
    house.send()

    settled = house.do(WaitDelivery(house.take().receipt, MAX_PAUSE_S + 1))

    assert settled == Settled(held=True, after_s=MAX_PAUSE_S)


# Cancel, redrive, discard


def test_a_waiting_message_is_cancelled_at_once(house: House) -> None:
    message_id = house.send()

    assert house.do(CancelMessage(message_id)) is State.CANCELLED

    assert house.receive() == ()
    record = house.record(message_id)
    assert (record.state, record.finished_at) == (State.CANCELLED, house.clock.now())


def test_a_running_message_hears_of_its_cancellation(house: House) -> None:
    message_id = house.send()
    receipt = house.take().receipt

    assert house.do(CancelMessage(message_id)) is State.RUNNING

    assert house.record(message_id).cancel_requested
    asked = Holding(held=True, cancel_requested=True)
    assert house.do(SaveCheckpoint(receipt, 1)) == asked
    assert house.do(Extend((receipt,), LEASE_S)) == (asked,)
    assert house.do(CancelDelivery(receipt)) == Settled(held=True)
    assert house.state(message_id) is State.CANCELLED


@pytest.mark.parametrize("end", ["retry", "wait", "release", "expiry", "unregister"])
def test_a_message_that_somebody_wants_cancelled_does_not_run_again(house: House, end: str) -> None:
    house.register("w")
    message_id = house.send()
    receipt = house.take(worker="w").receipt
    house.do(CancelMessage(message_id))

    match end:
        case "retry":
            house.do(RetryDelivery(receipt, 0, FAILURE))
        case "wait":
            house.do(WaitDelivery(receipt, 0))
        case "release":
            house.do(ReleaseDelivery(receipt))
        case "unregister":
            house.unregister("w")
        case _:
            house.clock.advance(LEASE_S)
    house.do(Reap())

    record = house.record(message_id)
    assert (record.state, record.finished_at) == (State.CANCELLED, house.clock.now())
    assert house.receive() == ()


@pytest.mark.needs("knows_crashes")
def test_a_message_that_somebody_wants_cancelled_does_not_run_again_after_a_crash(house: House) -> None:
    house.register("w")
    message_id = house.send()
    house.take(worker="w")
    house.do(CancelMessage(message_id))

    house.crash("w")
    house.do(Reap())

    assert house.state(message_id) is State.CANCELLED
    assert house.receive() == ()


def test_cancelled_in_time_or_done_before_is_told_apart(house: House) -> None:
    message_id = house.send()
    receipt = house.take().receipt
    house.do(CancelMessage(message_id))
    house.do(AckDelivery(receipt))

    assert house.do(CancelMessage(message_id)) is State.DONE
    assert house.do(CancelMessage("nobody")) is None


def test_a_redriven_letter_has_all_attempts_and_its_checkpoint(house: House) -> None:
    message_id = house.send(max_attempts=2)
    house.do(RetryDelivery(house.take().receipt, 0, FAILURE))
    last = house.take()
    house.do(SaveCheckpoint(last.receipt, 41))
    house.do(DeadLetterDelivery(last.receipt, Reason.ATTEMPTS_EXHAUSTED, FAILURE))

    assert house.do(Redrive(message_id)) is State.WAITING

    record = house.record(message_id)
    assert (record.attempt, record.reason, record.finished_at) == (1, None, None)
    again = house.take()
    assert (again.attempt, again.checkpoint) == (1, Checkpoint(41))


def test_a_redrive_with_another_body_starts_from_the_beginning(house: House) -> None:
    message_id = house.send(body='{"n":1}', digest="one")
    first = house.take()
    house.do(SaveCheckpoint(first.receipt, 41))
    house.do(DeadLetterDelivery(first.receipt, Reason.GAVE_UP, FAILURE))

    house.do(Redrive(message_id, body='{"n":2}', digest="two"))

    delivery = house.take()
    assert (delivery.body, delivery.checkpoint) == ('{"n":2}', None)
    assert house.send(id=message_id, digest="two") == message_id
    with pytest.raises(SendRefused):
        house.send(id=message_id, digest="one")


def test_a_redrive_with_a_bad_body_leaves_the_letter_dead(house: House) -> None:
    message_id = bury(house, body='{"n":1}')

    with pytest.raises(SendRefused):
        house.do(Redrive(message_id, body="é"))

    letter = house.records.dead_letter(message_id)
    assert letter is not None
    assert letter.body == '{"n":1}'


def test_a_redrive_with_other_arguments_takes_their_unique_key_and_frees_the_one_before(
    house: House,
) -> None:
    message_id = bury(house, unique_key="customer 1")
    held = house.send(unique_key="customer 2")
    with pytest.raises(SendRefused, match="waits or runs under"):
        house.do(Redrive(message_id, body="{}", unique_key="customer 2"))
    assert house.record(message_id).unique_key == "customer 1"

    assert house.do(Redrive(message_id, body="{}", unique_key="customer 3")) is State.WAITING

    assert house.record(message_id).unique_key == "customer 3"
    assert house.send(unique_key="customer 3") == message_id
    assert house.send(unique_key="customer 1") not in (message_id, held)


def test_a_redrive_against_a_unique_key_leaves_the_letter_dead(house: House) -> None:
    message_id = bury(house, unique_key="k")
    house.send(unique_key="k")

    with pytest.raises(TwolaneError):
        house.do(Redrive(message_id))

    assert house.state(message_id) is State.DEAD


def test_a_discarded_letter_is_gone_but_for_its_record(house: House) -> None:
    message_id = bury(house, blobs=("b1",))

    assert house.do(Discard(message_id)) is State.DISCARDED

    assert house.records.body(message_id) is None
    assert house.records.dead_letter(message_id) is None
    assert house.records.list_dead() == []
    assert house.records.blobs_in_use() == frozenset()
    assert house.do(Discard(message_id)) is State.DISCARDED
    assert house.do(Redrive(message_id)) is State.DISCARDED


def test_only_a_dead_letter_is_redriven_or_discarded(house: House) -> None:
    message_id = house.send()

    assert house.do(Redrive(message_id)) is State.WAITING
    assert house.do(Discard(message_id)) is State.WAITING
    assert house.do(Redrive("nobody")) is None
    assert house.do(Discard("nobody")) is None
    assert house.take().id == message_id


# Workers and crashes


def test_a_worker_is_listed_until_it_stops(house: House) -> None:
    info = house.register("w")
    assert house.records.stats().workers == (info,)
    assert house.register("w", stopping=True) == replace(info, stopping=True)
    assert house.records.stats().workers == (replace(info, stopping=True),)

    house.unregister("w")

    assert house.records.stats().workers == ()
    assert house.do(Reap()) == Reaped()


def test_what_a_stopping_worker_holds_is_visible_at_once_and_free(house: House) -> None:
    house.register("w")
    house.send(max_attempts=1)
    house.take(worker="w")

    house.unregister("w")

    delivery = house.take()
    assert (delivery.attempt, delivery.alone, delivery.crashes) == (1, False, 0)


@pytest.mark.needs("knows_crashes")
def test_a_crash_makes_its_deliveries_suspects_that_run_alone_and_first(house: House) -> None:
    house.register("w")
    suspects = {house.send(), house.send()}
    house.receive(worker="w")
    fresh = house.send()
    house.clock.advance(1)
    house.crash("w")

    assert house.do(Reap()) == Reaped(dead_workers=("w",), freed=2, suspects=2)

    busy = house.take(worker="v", idle=False)
    assert (busy.id, busy.alone) == (fresh, False)
    one = house.take(worker="v")
    two = house.take(worker="u")
    assert {one.id, two.id} == suspects
    assert [(each.alone, each.attempt, each.crashes) for each in (one, two)] == [(True, 1, 1)] * 2
    assert house.do(Reap()).suspects == 0
    assert house.receive() == ()


@pytest.mark.needs("knows_crashes")
def test_crashes_while_alone_use_up_the_attempts(house: House) -> None:
    message_id = house.send(max_attempts=2)
    seen: list[tuple[int, bool]] = []
    for turn in range(3):
        house.register(f"w{turn}")
        delivery = house.take(worker=f"w{turn}")
        seen.append((delivery.attempt, delivery.alone))
        house.crash(f"w{turn}")
        reaped = house.do(Reap())

    assert seen == [(1, False), (1, True), (2, True)]
    assert reaped == Reaped(dead_workers=("w2",), buried=1)
    letter = house.records.dead_letter(message_id)
    assert letter is not None
    assert (letter.record.reason, letter.record.crashes) == (Reason.CRASHED, 3)
    assert {attempt.failure.error_type for attempt in letter.attempts} == {"ProcessDied"}
    assert house.records.stats().owed_alerts == 1


@pytest.mark.needs("knows_crashes")
def test_progress_clears_a_suspect_and_its_next_crash_is_free(house: House) -> None:
    house.send(max_attempts=1)
    for turn in range(5):
        house.register(f"w{turn}")
        delivery = house.take(worker=f"w{turn}")
        assert (delivery.attempt, delivery.alone, delivery.crashes) == (1, turn > 0, turn)
        holding = house.do(SaveCheckpoint(delivery.receipt, cursor=turn))
        assert holding == Holding(held=True, cleared=turn > 0)
        assert house.do(SaveCheckpoint(delivery.receipt, cursor=turn)) == Holding(held=True)
        house.crash(f"w{turn}")
        house.do(Reap())

    assert house.take().checkpoint == Checkpoint(4)


@pytest.mark.needs("knows_crashes")
def test_the_same_cursor_again_is_no_progress(house: House) -> None:
    house.send(max_attempts=1)
    for turn, holding in ((0, Holding(held=True)), (1, Holding(held=True, cleared=False))):
        house.register(f"w{turn}")
        delivery = house.take(worker=f"w{turn}")
        assert house.do(SaveCheckpoint(delivery.receipt, cursor=7)) == holding
        house.crash(f"w{turn}")
        reaped = house.do(Reap())

    assert reaped == Reaped(dead_workers=("w1",), buried=1)


@pytest.mark.needs("knows_crashes")
def test_a_hundred_crashes_are_the_end_whatever_their_progress(house: House) -> None:
    message_id = house.send()
    for turn in range(100):
        assert house.state(message_id) is State.WAITING
        house.register(f"w{turn}")
        delivery = house.take(worker=f"w{turn}")
        house.do(SaveCheckpoint(delivery.receipt, cursor=turn))
        house.crash(f"w{turn}")
        house.do(Reap())

    record = house.record(message_id)
    assert (record.state, record.reason, record.crashes) == (State.DEAD, Reason.CRASHED, 100)


@pytest.mark.needs("knows_crashes")
def test_a_shutdown_or_a_wait_does_not_clear_a_suspect(house: House) -> None:
    house.register("w")
    house.send()
    house.take(worker="w")
    house.crash("w")
    house.do(Reap())

    house.do(ReleaseDelivery(house.take().receipt))
    house.do(WaitDelivery(house.take().receipt, 0))

    assert house.take().alone


@pytest.mark.needs("knows_crashes")
def test_the_receipt_of_a_dead_worker_is_stale(house: House) -> None:
    house.register("w")
    house.send()
    delivery = house.take(worker="w")
    house.crash("w")
    house.do(Reap())

    assert house.do(AckDelivery(delivery.receipt)) == Settled(held=False)


# Prune


@pytest.mark.needs("prunes")
def test_finished_records_are_forgotten_after_their_time_and_stay_counted(house: House) -> None:
    done, cancelled, waiting = house.send(), house.send(), house.send(delay_s=9999)
    for delivery in house.receive():
        house.do((AckDelivery if delivery.id == done else CancelDelivery)(delivery.receipt))
    dead = bury(house)
    discarded = bury(house)
    house.do(Discard(discarded))
    house.tell("t")

    house.clock.advance(99)
    assert house.do(Prune(keep_s=100)) == 0
    house.clock.advance(1)
    assert [house.do(Prune(keep_s=100, limit=2)) for _ in range(3)] == [2, 1, 0]

    assert [house.records.get(each) for each in (done, cancelled, discarded)] == [None] * 3
    assert [house.state(each) for each in (dead, waiting)] == [State.DEAD, State.WAITING]
    stats = house.records.stats()
    assert stats.accepted == 5
    assert {state: count for state, count in stats.pruned.items() if count} == {
        State.DONE: 1,
        State.CANCELLED: 1,
        State.DISCARDED: 1,
    }
    assert_sum_holds(stats)


@pytest.mark.needs("prunes")
def test_a_record_whose_alert_is_owed_is_kept(house: House) -> None:
    message_id = bury(house)
    house.do(Discard(message_id))
    house.clock.advance(1)

    house.tell("told already")
    house.tell("slow", to=0)
    assert house.do(Prune(keep_s=0)) == 0

    house.tell("slow")
    assert house.do(Prune(keep_s=0)) == 1


# Reading


def test_dead_letters_are_listed_the_newest_first(house: House) -> None:
    old = bury(house)
    house.clock.advance(1)
    other = bury(house, task="app:other")
    house.clock.advance(1)
    new = bury(house)

    assert [letter.record.id for letter in house.records.list_dead()] == [new, other, old]
    assert [letter.record.id for letter in house.records.list_dead(Matching(task="app:work"))] == [new, old]
    assert [letter.record.id for letter in house.records.list_dead(limit=1)] == [new]
    assert sorted(house.records.dead_ids()) == sorted([new, other, old])
    assert sorted(house.records.dead_ids(Matching(task="app:work"))) == sorted([new, old])


def test_nothing_is_known_of_a_message_that_never_was(house: House) -> None:
    house.send()

    assert house.records.get("nobody") is house.records.body("nobody") is None
    assert house.records.dead_letter("nobody") is None


def test_the_statistics_count_each_queue(house: House) -> None:
    house.send()
    house.clock.advance(30)
    house.send(queue="imports", delay_s=1)
    house.send(queue="imports")
    house.take(queues=("imports",))

    stats = house.records.stats()

    assert stats.accepted == 3
    assert stats.queues["default"].oldest_age_s == 30
    assert stats.queues["imports"].oldest_age_s is None
    counts = stats.queues["imports"].counts
    assert {state: count for state, count in counts.items() if count} == {State.WAITING: 1, State.RUNNING: 1}
    assert set(counts) == set(State)


def test_blobs_are_in_use_as_long_as_a_kept_message_names_them(house: House) -> None:
    house.send(blobs=("b1", "b2"))
    house.send(blobs=("b2", "b3"), delay_s=9999)
    assert house.records.blobs_in_use() == {"b1", "b2", "b3"}

    house.do(AckDelivery(house.take().receipt))
    assert house.records.blobs_in_use() == {"b1", "b2", "b3"}
    house.forget(keep_s=0)

    assert house.records.blobs_in_use() == {"b2", "b3"}


# Listening


def test_a_listener_hears_of_what_became_visible(house: House) -> None:
    heard: list[int] = []
    end = house.queue.listen(lambda: heard.append(1))

    house.send()
    after_send = len(heard)
    delivery = house.take()
    house.do(ReleaseDelivery(delivery.receipt))

    assert after_send >= 1
    assert len(heard) > after_send
    end()
    end()
    count = len(heard)
    house.send()
    assert len(heard) == count


def test_receiving_and_finishing_wakes_nobody(house: House) -> None:
    house.send()
    heard: list[int] = []
    end = house.queue.listen(lambda: heard.append(1))

    house.do(AckDelivery(house.take().receipt))
    house.do(Reap())

    assert heard == []
    end()


def test_many_records_in_one_question(house: House) -> None:
    one, two = house.send(), house.send(unique_key="k")
    met = house.outgoing(unique_key="k")
    house.do(Send((met,)))
    found = house.records.get_many([one, two, met.id, "nobody"])
    assert found == {one: house.record(one), two: house.record(two)}
    assert house.records.get_many([]) == {}


def test_the_attempts_of_a_message_that_goes_on(house: House) -> None:
    message_id = house.send()
    assert house.records.attempts(message_id) == house.records.attempts("nobody") == ()
    for _ in range(2):
        (delivery,) = house.receive()
        house.do(RetryDelivery(delivery.receipt, 0.0, FAILURE))
    attempts = house.records.attempts(message_id)
    assert [(each.number, each.outcome, each.failure) for each in attempts] == [
        (1, "failed", FAILURE),
        (2, "failed", FAILURE),
    ]
