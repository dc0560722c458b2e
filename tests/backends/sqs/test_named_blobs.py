"""Blobs on AWS: tagged when all tasks that name them have ended, deleted where none ever did, and never too early."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.aws.faults import drop_after, fail
from tests.aws.places import Place, TurnedClock, bucket
from tests.aws.proxy import Proxy
from tests.aws.servers import Server
from tests.contract.house import FAILURE, LEASE_S, House
from twolane.backends.s3 import S3Blobs
from twolane.backends.sqs import SqsQueue
from twolane.backends.sqs.named import CROWD, MOST_BLOBS, Named, blob_key, named_item, read_named
from twolane.backends.sqs.orphans import ORPHAN_S, ROUND_S
from twolane.contracts.blobs import PARTS
from twolane.contracts.queue import (
    AckDelivery,
    CancelDelivery,
    CancelMessage,
    DeadLetterDelivery,
    Discard,
    Redrive,
    RetryDelivery,
    Send,
)
from twolane.contracts.state import Change
from twolane.contracts.sweeping import SweptBlobs
from twolane.values.errors import BlobError, BlobMissing, SendRefused
from twolane.values.outcome import Reason
from twolane.values.record import State

DAY_S = 86_400.0


@dataclass
class Shop:
    """A queue that looks after its blobs, with words for what lies in the bucket."""

    house: House
    blobs: S3Blobs
    place: Place
    clock: TurnedClock

    @property
    def queue(self) -> SqsQueue:
        assert isinstance(self.house.queue, SqsQueue)
        return self.house.queue

    def blob(self, content: bytes = b"rows") -> str:
        return self.blobs.put(io.BytesIO(content)).key

    def tags(self, key: str) -> dict[str, str]:
        """The tags of a blob, when all is told that is to be told."""
        self.queue.settle_blobs()
        found = self.blobs._service.client.get_object_tagging(
            Bucket=self.blobs.bucket.name, Key=f"uploads/{key}"
        )
        return {each["Key"]: each["Value"] for each in found["TagSet"]}

    def is_tagged(self, key: str) -> bool:
        return self.tags(key) == {"twolane": "done"}

    def named(self, key: str) -> Named | None:
        state = self.place.state()
        item = state.read([blob_key(key)]).get(blob_key(key))
        state.close()
        return None if item is None else read_named(item)

    def keys(self) -> set[str]:
        return {key for key, _ in self.blobs.stored()}

    def sweep(self) -> SweptBlobs:
        return self.queue.sweep_blobs(lambda: False)

    def end(self) -> None:
        """What runs next succeeds."""
        self.house.do(AckDelivery(self.house.take().receipt))


class InPlace:
    """Where the house's queue lies."""

    def __init__(self, place: Place, clock: TurnedClock, blobs: S3Blobs) -> None:
        self.place, self.clock, self.blobs = place, clock, blobs
        self.queues: list[SqsQueue] = []
        self._records = place.records(clock)

    def open(self) -> SqsQueue:
        self.queues.append(self.place.queue(self.clock, poll_s=0, blobs=self.blobs))
        return self.queues[-1]

    def records(self) -> Any:
        return self._records

    def need(self, *queues: str) -> None:
        self.place.need(queues)

    def crash(self, queue: Any, worker: str) -> None:
        raise AssertionError("not here")

    def expire(self, keep_s: float) -> None:
        """DynamoDB forgets what has ended."""
        state = self.place.state()
        old = [item for item in state.scan("message/") if item.expires_at is not None]
        state.write([[Change(item.key, item, None)] for item in old])
        state.close()

    def close(self) -> None:
        self._records.close()
        for queue in self.queues:
            queue.close()


@pytest.fixture
def clock(turned_aws: Server) -> TurnedClock:
    """It begins today, since S3 goes by its own."""
    return TurnedClock(turned_aws, time.time() - 60)


@pytest.fixture
def shop(turned_aws: Server, place: Place, clock: TurnedClock) -> Iterator[Shop]:
    blobs = bucket(turned_aws)
    backend = InPlace(place, clock, blobs)
    yield Shop(House(backend, clock), blobs, place, clock)
    backend.close()


def test_a_blob_is_tagged_when_its_task_is_done_and_not_before(shop: Shop) -> None:
    key = shop.blob()
    message_id = shop.house.send(blobs=(key,))
    assert not shop.tags(key)
    receipt = shop.house.take().receipt
    assert not shop.tags(key)
    shop.house.do(AckDelivery(receipt))

    assert shop.is_tagged(key)
    named = shop.named(key)
    assert named is not None
    assert named.told
    assert shop.house.state(message_id) is State.DONE


def test_a_retry_and_a_death_leave_it(shop: Shop) -> None:
    key = shop.blob()
    message_id = shop.house.send(blobs=(key,))
    shop.house.do(RetryDelivery(shop.house.take().receipt, 0.0, FAILURE))
    assert not shop.tags(key)
    shop.house.do(DeadLetterDelivery(shop.house.take().receipt, Reason.GAVE_UP, FAILURE))
    assert not shop.tags(key)

    shop.house.do(Redrive(message_id))
    assert not shop.tags(key)
    shop.end()
    assert shop.is_tagged(key)


def test_discarding_and_cancelling_let_it_go(shop: Shop) -> None:
    discarded, waiting, running, lost = (shop.blob() for _ in range(4))
    dead = shop.house.send(blobs=(discarded,))
    shop.house.do(DeadLetterDelivery(shop.house.take().receipt, Reason.GAVE_UP, FAILURE))
    shop.house.do(Discard(dead))
    shop.house.do(CancelMessage(shop.house.send(blobs=(waiting,), delay_s=60)))
    shop.house.send(blobs=(running,))
    shop.house.do(CancelDelivery(shop.house.take().receipt))
    last = shop.house.send(blobs=(lost,))
    shop.house.take()
    shop.house.do(CancelMessage(last))
    shop.clock.advance(LEASE_S + 1)
    assert shop.house.receive() == ()  # its lease is over: this receive ends it

    assert shop.house.state(last) is State.CANCELLED
    assert [shop.is_tagged(key) for key in (discarded, waiting, running, lost)] == [True] * 4


def test_one_that_ended_by_its_lease_stays_counted_when_its_record_is_gone(shop: Shop) -> None:
    message_id = shop.house.send()
    shop.house.take()
    shop.house.do(CancelMessage(message_id))
    shop.clock.advance(LEASE_S + 1)
    shop.house.receive()

    assert shop.house.records.stats().accepted == 1


@pytest.mark.parametrize("other", ["waits", "is dead"])
def test_a_shared_blob_stays_as_long_as_the_other_one(shop: Shop, other: str) -> None:
    key = shop.blob()
    shop.house.send(blobs=(key,))
    second = shop.house.send(blobs=(key,), delay_s=10)
    shop.end()
    assert not shop.tags(key)
    shop.clock.advance(10)
    if other == "is dead":
        shop.house.do(DeadLetterDelivery(shop.house.take().receipt, Reason.GAVE_UP, FAILURE))
        assert not shop.tags(key)
        shop.house.do(Redrive(second))
    shop.end()

    assert shop.is_tagged(key)


def test_what_a_task_sends_with_its_own_blob_keeps_it(shop: Shop) -> None:
    key = shop.blob()
    shop.house.send(blobs=(key,))
    child = shop.house.outgoing(blobs=(key,))
    shop.house.do(AckDelivery(shop.house.take().receipt, sends=(child,)))
    assert not shop.tags(key)

    shop.end()
    assert shop.is_tagged(key)


def test_many_of_one_send_share_a_blob(shop: Shop) -> None:
    key = shop.blob()
    batch = tuple(shop.house.outgoing(blobs=(key,)) for _ in range(120))
    sent = shop.house.do(Send(batch))
    named = shop.named(key)
    assert named is not None
    assert set(named.by) == {each.id for each in sent}

    deliveries = shop.house.receive(limit=10)
    shop.house.try_all(*(AckDelivery(each.receipt) for each in deliveries))
    assert not shop.tags(key)
    named = shop.named(key)
    assert named is not None
    assert len(named.by) == 120 - len(deliveries)


def test_a_blob_of_a_crowd_stays_for_ever(shop: Shop) -> None:
    full = Named(1.0, tuple(f"m{number}" for number in range(CROWD)))
    crowd = full.named_by(["one more"])
    assert (crowd.by, crowd.crowd) == ((), True)
    assert crowd.without(["m1"], 2.0) == crowd
    key = shop.blob()
    state = shop.place.state()
    state.write([[Change(blob_key(key), None, named_item(key, crowd, None))]])
    state.close()
    shop.house.send(blobs=(key,))
    shop.end()

    assert not shop.tags(key)
    assert shop.named(key) == crowd


def test_a_blob_that_is_free_takes_no_message_and_the_error_says_what_to_do(shop: Shop) -> None:
    key = shop.blob()
    shop.house.send(blobs=(key,))
    shop.end()
    assert shop.is_tagged(key)

    for fields in ({}, {"unique_key": "k"}):
        with pytest.raises(SendRefused, match="store its bytes again; nothing was stored"):
            shop.house.send(id="late", blobs=(key,), **fields)
    assert shop.house.records.get("late") is None


def test_a_second_send_of_an_id_that_has_ended_is_the_same_message(shop: Shop) -> None:
    key = shop.blob()
    message = shop.house.outgoing(blobs=(key,))
    [first] = shop.house.do(Send((message,)))
    shop.end()
    assert shop.is_tagged(key)

    [again] = shop.house.do(Send((message,)))
    assert (again.id, again.duplicate) == (first.id, True)
    [met, refused] = shop.house.try_all(
        Send((message,)), Send((message._replace(id="new"), message._replace(id="newer")))
    )
    assert met[0].duplicate
    assert isinstance(refused, SendRefused)


def test_a_blob_under_a_unique_key_goes_the_same_way(shop: Shop) -> None:
    key, twin = shop.blob(), shop.blob()
    shop.house.send(blobs=(key,), unique_key="k")
    shop.house.send(blobs=(twin,), unique_key="k")  # the first one waits: this one names nothing
    assert shop.named(twin) is None
    shop.end()

    assert shop.is_tagged(key)


def test_a_message_names_so_many_blobs_and_no_more(shop: Shop) -> None:
    with pytest.raises(SendRefused, match=f"names {MOST_BLOBS} at most"):
        shop.house.send(id="m", blobs=tuple(f"{number}" for number in range(MOST_BLOBS + 1)))
    keys = tuple(f"{number}" for number in range(MOST_BLOBS))
    shop.house.send(id="m", blobs=keys)

    assert shop.named(keys[-1]) is not None


def test_a_blob_that_was_stored_long_before_its_end_is_new_when_it_is_tagged(shop: Shop) -> None:
    key = shop.blob(b"kept as it is")
    where = {"Bucket": shop.blobs.bucket.name, "Key": f"uploads/{key}"}
    client = shop.blobs._service.client
    stored_at = client.head_object(**where)["LastModified"]
    shop.house.send(blobs=(key,), delay_s=2 * DAY_S)
    for _ in range(5):  # SQS delays by 15 minutes at most, and hides for 12 hours
        shop.clock.advance(DAY_S / 2)
        if deliveries := shop.house.receive():
            shop.house.do(AckDelivery(deliveries[0].receipt))

    assert shop.is_tagged(key)
    found = client.head_object(**where)
    assert found["LastModified"] >= stored_at
    assert client.get_object(**where)["Body"].read() == b"kept as it is"


# The sweep


def test_what_no_message_names_is_deleted_after_a_day(shop: Shop) -> None:
    assert shop.sweep().parts == PARTS  # this table's time begins
    orphan, waiting = shop.blob(), shop.blob()
    shop.house.send(blobs=(waiting,), delay_s=9 * DAY_S)
    shop.clock.advance(ORPHAN_S - 60)
    assert shop.sweep().deleted == 0
    shop.clock.advance(ROUND_S)
    assert shop.sweep() == SweptBlobs(PARTS, deleted=1)

    assert shop.keys() == {waiting}
    with pytest.raises(SendRefused, match="store its bytes again"):
        shop.house.send(blobs=(orphan,))


def test_a_round_is_due_twice_a_day_and_goes_on_where_it_was(shop: Shop) -> None:
    asked = iter([False] * 10 + [True])
    assert shop.queue.sweep_blobs(lambda: next(asked)).parts == 10
    assert shop.sweep().parts == PARTS - 10
    assert shop.sweep().parts == 0
    shop.clock.advance(ROUND_S)
    assert shop.sweep().parts == PARTS


def test_what_was_there_before_the_table_is_left_alone(shop: Shop) -> None:
    older = shop.blob()
    shop.clock.advance(120)
    shop.sweep()
    shop.clock.advance(9 * DAY_S)

    assert shop.sweep().deleted == 0
    assert shop.keys() == {older}


def test_a_place_that_belongs_to_another_table_is_left_alone(
    shop: Shop, turned_aws: Server, caplog: pytest.LogCaptureFixture
) -> None:
    shop.sweep()
    other = Place(turned_aws)
    queue = other.queue(shop.clock, poll_s=0, blobs=shop.blobs)
    mine = shop.blob()
    shop.house.send(blobs=(mine,), delay_s=9 * DAY_S)
    assert queue.sweep_blobs(lambda: False).parts == 0
    shop.clock.advance(2 * DAY_S)
    assert queue.sweep_blobs(lambda: False) == SweptBlobs()
    queue.close()
    other.close()

    assert shop.keys() == {mine}
    told = [record.getMessage() for record in caplog.records if "belongs to another" in record.getMessage()]
    assert len(told) == 1
    assert "Give each its own prefix" in told[0]


def test_a_send_that_is_quicker_than_the_sweep_keeps_its_blob(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sweep()
    key = shop.blob()
    shop.clock.advance(2 * DAY_S)
    orphans: Any = shop.queue._orphans
    look = orphans._delete

    def send_first(keys: list[str]) -> int:
        shop.house.send(blobs=(key,))
        return int(look(keys))

    monkeypatch.setattr(orphans, "_delete", lambda keys: send_first(keys) if keys else 0)
    assert shop.sweep().deleted == 0
    assert shop.keys() == {key}


def test_a_send_that_is_too_late_is_refused_and_not_lost(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.sweep()
    key = shop.blob()
    shop.clock.advance(2 * DAY_S)
    answers: list[Any] = []
    delete = shop.blobs.delete

    def send_meanwhile(gone: str) -> None:
        answers.extend(shop.house.try_all(Send((shop.house.outgoing(blobs=(key,)),))))
        delete(gone)

    monkeypatch.setattr(shop.blobs, "delete", send_meanwhile)
    assert shop.sweep().deleted == 1
    assert isinstance(answers[0], SendRefused)


def test_the_sweep_puts_right_what_a_kill_has_left(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the row's end and the name's, between the name and the tag, and after the row has expired."""
    shop.sweep()
    before_name, before_tag, expired = shop.blob(), shop.blob(), shop.blob()
    naming: Any = shop.queue._naming
    with monkeypatch.context() as killed:
        killed.setattr(naming, "let_go", lambda _: None)
        shop.house.send(blobs=(expired,))
        shop.end()
        shop.house.backend.expire(0)
        shop.house.send(blobs=(before_name,))
        shop.end()
    with monkeypatch.context() as killed:
        killed.setattr(naming, "tell", lambda _: None)
        shop.house.send(blobs=(before_tag,))
        shop.end()
        shop.queue.settle_blobs()
    assert not any(shop.tags(key) for key in (before_name, before_tag, expired))

    shop.clock.advance(2 * DAY_S)
    assert shop.sweep() == SweptBlobs(PARTS, deleted=0, put_right=3)
    assert all(shop.is_tagged(key) for key in (before_name, before_tag, expired))


# Faults


def test_a_store_that_is_away_holds_up_nobody_and_is_told_later(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = shop.blob()
    shop.house.send(blobs=(key,))

    def away(*_: Any, **__: Any) -> None:
        raise BlobError("S3 is away")

    monkeypatch.setattr(shop.blobs, "release", away)
    shop.end()
    shop.queue.settle_blobs()
    assert "S3 is away" in caplog.text
    monkeypatch.undo()
    shop.queue._naming.again()

    assert shop.is_tagged(key)
    assert "works again" in caplog.text


def test_a_blob_that_is_gone_needs_no_tag(shop: Shop) -> None:
    key = shop.blob()
    shop.house.send(blobs=(key,))
    shop.blobs.delete(key)
    shop.end()
    shop.queue.settle_blobs()

    named = shop.named(key)
    assert named is not None
    assert named.told
    with pytest.raises(BlobMissing):
        shop.blobs.release("../../other", afresh=False)


def test_a_lost_answer_of_the_transaction_is_recognised(
    turned_aws: Server, between: Proxy, clock: TurnedClock
) -> None:
    blobs = bucket(turned_aws)
    place = Place(turned_aws, through=between.server)
    backend = InPlace(place, clock, blobs)
    house = House(backend, clock)
    once = iter([drop_after])

    def lose_the_first(exchange: Any) -> None:
        for fault in once:
            fault(exchange)

    between.faults["ExecuteTransaction"] = lose_the_first
    key = blobs.put(io.BytesIO(b"x")).key
    message_id = house.send(blobs=(key,))
    assert house.state(message_id) is State.WAITING

    between.faults["ExecuteTransaction"] = fail(400, "AccessDeniedException")
    with pytest.raises(SendRefused):
        house.send(blobs=(blobs.put(io.BytesIO(b"y")).key,))
    between.faults.clear()
    assert house.records.stats().accepted == 1
    backend.close()
    place.close()
