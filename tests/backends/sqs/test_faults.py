"""Throttling, errors of AWS's, lost and cut answers: what the caller is told, and what is true then."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.aws.faults import Fault, change, drop_after, drop_before, fail
from tests.aws.places import service
from tests.aws.proxy import Proxy
from tests.contract.house import FAILURE, LEASE_S, House, InAws
from twolane.backends.sqs.wires import Wires
from twolane.contracts.queue import (
    AckDelivery,
    DeadLetterDelivery,
    Extend,
    Receive,
    Redrive,
    RetryDelivery,
    SaveCheckpoint,
    Send,
    Sent,
    Settled,
)
from twolane.contracts.upkeep import Reap
from twolane.values.errors import QueueError, SendRefused, SendUnknown
from twolane.values.outcome import Reason
from twolane.values.record import State

SEND, DELETE, RECEIVE = "SendMessageBatch", "DeleteMessageBatch", "ReceiveMessage"
SHOW = "ChangeMessageVisibilityBatch"
WRITE, READ = "BatchExecuteStatement", "BatchGetItem"


def without_message_ids(answer: dict[str, Any]) -> None:
    for each in answer["Successful"]:
        del each["MessageId"]


def with_other_checksums(answer: dict[str, Any]) -> None:
    for each in answer["Successful"]:
        each["MD5OfMessageBody"] = "0" * 32


def cut(answer: dict[str, Any]) -> None:
    answer.clear()


# Sending: stored, refused, unknown


@pytest.mark.parametrize(
    "fault",
    [
        fail(400, "AWS.SimpleQueueService.NonExistentQueue"),
        fail(400, "QueueDoesNotExist"),
        fail(403, "AccessDeniedException"),
        fail(403, "ExpiredTokenException"),
        fail(400, "RequestThrottled"),
    ],
    ids=["missing", "missing in the other spelling", "no permission", "expired credentials", "throttled"],
)
def test_what_sqs_refuses_is_refused_with_the_way_out_and_leaves_no_record(
    house: House, between: Proxy, fault: Fault
) -> None:
    between.faults[SEND] = fault
    message = house.outgoing()

    with pytest.raises(SendRefused, match=r"no such queue|may not do|have expired|in a moment") as refused:
        house.do(Send((message,)))

    assert refused.value.ids == (message.id,)
    assert message.id in str(refused.value)
    assert house.records.get(message.id) is None
    between.faults.clear()
    assert house.do(Send((message,))) == (Sent(message.id),)


@pytest.mark.parametrize(
    "fault",
    [
        drop_after,
        fail(503, "ServiceUnavailable"),
        change(without_message_ids),
        change(with_other_checksums),
        change(cut),
    ],
    ids=["lost answer", "503", "no message id", "another checksum", "cut answer"],
)
def test_what_nobody_knows_is_unknown_and_the_same_id_can_be_sent_again(
    house: House, between: Proxy, fault: Fault
) -> None:
    between.faults[SEND] = fault
    message = house.outgoing()

    with pytest.raises(SendUnknown, match=message.id) as unknown:
        house.do(Send((message,)))

    assert unknown.value.ids == (message.id,)
    between.faults.clear()
    assert house.do(Send((message,))) == (Sent(message.id, duplicate=True),)
    assert [delivery.id for delivery in house.receive()] == [message.id]
    house.clock.advance(LEASE_S - 1)
    assert house.receive() == ()


def test_each_entry_of_a_batch_has_its_own_outcome(house: House, between: Proxy) -> None:
    def refuse_the_second(answer: dict[str, Any]) -> None:
        answer["Successful"] = [each for each in answer["Successful"] if each["Id"] != "1"]
        answer["Failed"] = [
            {"Id": "1", "Code": "InvalidMessageContents", "Message": "no", "SenderFault": True}
        ]

    between.faults[SEND] = change(refuse_the_second)
    messages = [house.outgoing() for _ in range(3)]

    first, second, third = house.try_all(*(Send((message,)) for message in messages))

    assert first == (Sent(messages[0].id),)
    assert isinstance(second, SendRefused)
    assert third == (Sent(messages[2].id),)
    assert house.records.get(messages[1].id) is None


def test_a_batch_that_is_stored_in_part_names_each_id(house: House, between: Proxy) -> None:
    def refuse_the_second(answer: dict[str, Any]) -> None:
        answer["Successful"] = [each for each in answer["Successful"] if each["Id"] != "1"]
        answer["Failed"] = [
            {"Id": "1", "Code": "InvalidMessageContents", "Message": "no", "SenderFault": True}
        ]

    between.faults[SEND] = change(refuse_the_second)

    with pytest.raises(SendUnknown, match=r"stored: m1; not stored: m2") as told:
        house.do(Send((house.outgoing(), house.outgoing())))

    assert told.value.ids == ("m2",)


def test_what_sqs_cannot_take_just_now_is_sent_again(house: House, between: Proxy) -> None:
    times = [2]

    def fail_at_first(answer: dict[str, Any]) -> None:
        if times[0]:
            times[0] -= 1
            code = ("RequestThrottled", "InternalError")[times[0]]
            answer["Failed"] = [
                {"Id": each["Id"], "Code": code, "SenderFault": False} for each in answer["Successful"]
            ]
            answer["Successful"] = []

    between.faults[SEND] = change(fail_at_first)

    assert house.send()
    assert between.count(SEND) == 3


def test_throttling_is_waited_out(house: House, between: Proxy) -> None:
    between.faults[SEND] = fail(400, "RequestThrottled", times=1)
    between.faults[WRITE] = fail(400, "ThrottlingException", times=1)

    message_id = house.send()

    assert house.state(message_id) is State.WAITING


def test_a_state_store_that_is_away_refuses_a_send_before_sqs_hears_of_it(
    house: House, between: Proxy
) -> None:
    between.faults[WRITE] = fail(400, "ResourceNotFoundException")

    with pytest.raises(SendRefused, match="there is no such table"):
        house.send()

    assert between.count(SEND) == 0


def test_a_row_that_was_written_twice_by_a_repeated_call_is_ours(house: House, between: Proxy) -> None:
    """botocore repeats a call whose answer was lost: the second one meets the first one's row."""
    dropped = [1]

    def lose_once(exchange: Any) -> None:
        if dropped[0]:
            dropped[0] -= 1
            drop_after(exchange)

    between.faults[WRITE] = lose_once

    assert house.do(Send((house.outgoing(),))) == (Sent("m1"),)


# Receiving and settling


def test_a_receive_that_fails_is_told_and_the_next_one_works(house: House, between: Proxy) -> None:
    message_id = house.send()
    between.faults[RECEIVE] = fail(503, "ServiceUnavailable")

    [answer] = house.try_all(Receive("w", ("default",), None, limit=1, lease_s=LEASE_S))

    assert isinstance(answer, QueueError)
    between.faults.clear()
    assert house.take().id == message_id


def test_a_fence_that_cannot_be_read_hands_nothing_out_and_the_lease_tells(
    house: House, between: Proxy
) -> None:
    message_id = house.send()
    between.faults[READ] = fail(500, "InternalServerError")

    [answer] = house.try_all(Receive("w", ("default",), None, limit=1, lease_s=LEASE_S))

    assert isinstance(answer, QueueError)
    between.faults.clear()
    assert house.receive() == ()
    house.clock.advance(LEASE_S)
    delivery = house.take()
    assert (delivery.id, delivery.attempt) == (message_id, 1)


def test_a_done_whose_status_cannot_be_written_is_done_all_the_same(
    house: House, between: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    message_id = house.send()
    receipt = house.take().receipt
    between.faults[WRITE] = fail(500, "InternalServerError")

    assert house.do(AckDelivery(receipt, result=7)) == Settled(held=True)
    house.do(Reap())

    between.faults.clear()
    assert house.state(message_id) is State.RUNNING
    house.do(Reap())
    record = house.record(message_id)
    assert (record.state, record.result) == (State.DONE, 7)
    assert house.records.stats().late_records == 1
    said = [each.message for each in caplog.records if "done" in each.message]
    assert len(said) == 2
    assert said[0].startswith(f"{message_id} is done; that could not be written (")
    assert said[1].startswith("1 message(s) that are done could not be written down so, and now are; 0 still")
    house.clock.advance(10 * LEASE_S)
    assert house.receive() == ()


@pytest.mark.parametrize(
    "entry",
    [
        lambda receipt: RetryDelivery(receipt, 0, FAILURE),
        lambda receipt: DeadLetterDelivery(receipt, Reason.GAVE_UP, FAILURE),
        lambda receipt: SaveCheckpoint(receipt, 1),
        lambda receipt: Extend((receipt,), LEASE_S),
    ],
)
def test_other_settlements_do_nothing_where_the_fence_cannot_be_written(
    house: House, between: Proxy, entry: Any
) -> None:
    message_id = house.send()
    receipt = house.take().receipt
    between.faults[WRITE] = between.faults["ExecuteTransaction"] = fail(500, "InternalServerError")
    house.clock.advance(1)
    asked = [each for each in between.operations if each.endswith("Batch")]

    [answer] = house.try_all(entry(receipt))

    assert isinstance(answer, QueueError)
    assert [each for each in between.operations if each.endswith("Batch")] == asked, "SQS hears nothing"
    between.faults.clear()
    assert house.state(message_id) is State.RUNNING
    assert house.do(AckDelivery(receipt)) == Settled(held=True)


def test_a_delete_that_does_not_arrive_is_made_when_the_copy_comes_again(
    house: House, between: Proxy
) -> None:
    message_id = house.send()
    receipt = house.take().receipt
    between.faults[DELETE] = drop_before

    assert house.do(AckDelivery(receipt)) == Settled(held=True)

    between.faults.clear()
    house.clock.advance(LEASE_S)
    deleted = between.count(DELETE)
    assert house.receive() == ()
    assert between.count(DELETE) == deleted + 1
    assert house.state(message_id) is State.DONE


def test_a_copy_that_sqs_says_nothing_of_was_neither_hidden_nor_deleted(house: House, between: Proxy) -> None:
    def leave_the_second_out(answer: dict[str, Any]) -> None:
        answer["Successful"] = [each for each in answer["Successful"] if each["Id"] != "1"]

    between.faults[DELETE] = between.faults[SHOW] = change(leave_the_second_out)
    assert isinstance(house.backend, InAws)
    wires = Wires(house.backend.place.address, service("sqs", between.server))
    house.send()
    house.send()
    copies = [("default", each.handle) for each in wires.receive("default", 2, LEASE_S)]

    shown = wires.show([(*copy, LEASE_S) for copy in copies])
    deleted = wires.delete(copies)

    wires.service.close()
    for what, (first, second) in (("changing visibility in", shown), ("deleting from", deleted)):
        assert first is None
        assert str(second) == f"{what} queue default failed: SQS said nothing of this copy"
        assert second is not None
        assert second.sent, "it may have been done"


def test_a_death_whose_dead_letter_queue_is_away_keeps_the_original_until_it_is_there(
    house: House, between: Proxy
) -> None:
    message_id = house.send()
    receipt = house.take().receipt
    between.faults[SEND] = fail(503, "ServiceUnavailable")

    assert house.do(DeadLetterDelivery(receipt, Reason.GAVE_UP, FAILURE)) == Settled(held=True)

    between.faults.clear()
    assert house.state(message_id) is State.DEAD
    assert house.backend.place.dead_letters("default") == []  # type: ignore[attr-defined]
    house.clock.advance(LEASE_S)
    assert house.receive() == ()
    [letter] = house.backend.place.dead_letters("default")  # type: ignore[attr-defined]
    assert letter["dead"]["id"] == message_id
    assert house.records.stats().owed_alerts == 1


def test_a_redrive_that_does_not_reach_sqs_is_brought_there_by_whoever_looks(
    house: House, between: Proxy
) -> None:
    message_id = house.send()
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
    between.faults[SEND] = fail(503, "ServiceUnavailable")

    with pytest.raises(SendUnknown, match="waits again"):
        house.do(Redrive(message_id))

    between.faults.clear()
    assert house.state(message_id) is State.WAITING
    assert house.receive() == ()
    house.clock.advance(31)
    house.do(Reap())
    assert house.take().id == message_id


@pytest.mark.parametrize("size", [10, 5000], ids=["small", "large"])
def test_an_old_copy_of_one_that_was_sent_back_with_other_arguments_runs_with_those(
    house: House, between: Proxy, size: int
) -> None:
    first, edited = "1" * size, "2" * size
    message_id = house.send(body=first)
    receipt = house.take().receipt
    between.faults[DELETE] = drop_before
    house.do(DeadLetterDelivery(receipt, Reason.GAVE_UP, FAILURE))
    between.faults.clear()
    house.do(Redrive(message_id, edited))
    new = house.take()
    assert new.body == edited
    house.do(RetryDelivery(new.receipt, LEASE_S * 2, FAILURE))
    house.clock.advance(LEASE_S)
    assert house.receive() == (), "the old copy comes too early and is hidden"
    house.clock.advance(LEASE_S)

    bodies = [each.body for each in house.receive()]

    assert bodies == [edited], "whichever copy came first"


def test_an_outage_is_one_line_a_minute(
    house: House, between: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    between.faults["Query"] = fail(500, "InternalServerError")

    with caplog.at_level(logging.INFO):
        for _ in range(3):
            house.do(Reap())
        between.faults.clear()
        house.do(Reap())

    said = [each.message for each in caplog.records if each.name.startswith("twolane")]
    assert len(said) == 2
    assert "does not work" in said[0]
    assert "works again" in said[1]


def test_an_answer_about_a_queue_that_is_cut_short_does_not_say_that_it_has_no_dead_letter_queue(
    house: House, between: Proxy
) -> None:
    between.faults["GetQueueAttributes"] = change(lambda answer: answer.clear())
    message_id = house.send()
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
    assert house.state(message_id) is State.DEAD

    between.faults.clear()
    house.clock.advance(LEASE_S)
    assert house.receive() == ()

    assert isinstance(house.backend, InAws)
    [copy] = house.backend.place.dead_letters("default")
    assert copy["dead"]["id"] == message_id
