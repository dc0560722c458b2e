"""A message that is handed over as it is stored: as if it had been stored and then received, in fewer statements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.backends.sqlite.house import LEASE_S, House
from twolane.contracts.queue import AckDelivery, Delivery, Outgoing, Receive, Send, Sent
from twolane.values.errors import SendRefused
from twolane.values.record import State

TABLES = ("messages", "bodies", "blob_refs", "counts", "daily_sums")
WANTED = Receive("w", queues=("default",), tasks=("app:work",), limit=2, lease_s=LEASE_S)


@pytest.fixture
def statements(house: House) -> list[str]:
    """What the queue's writer carries out from now on."""
    house.do(WANTED)
    connection: Any = house.queue._writer._connection  # type: ignore[attr-defined]
    found: list[str] = []
    connection.set_trace_callback(found.append)
    return found


def sent_beside(house: House, message: Outgoing, wanted: Receive = WANTED) -> tuple[Any, Any]:
    sent, received = house.queue.flush([Send((message,)), wanted])
    return sent, received


def claims(statements: list[str]) -> int:
    return sum("UPDATE messages" in each for each in statements)


def tables(house: House) -> dict[str, list[dict[str, Any]]]:
    """All that is stored, but for the random part of a receipt, and counts of nothing."""
    with house.shell() as connection:
        found: dict[str, list[dict[str, Any]]] = {}
        for table in TABLES:
            cursor = connection.execute(f"SELECT * FROM {table}")  # noqa: S608  (constants)
            names = [name for name, *_ in cursor.description]
            found[table] = [dict(zip(names, row, strict=True)) for row in cursor]
    found["counts"] = [row for row in found["counts"] if row["kept"] or row["pruned"]]
    for row in found["messages"]:
        row["receipt"] = row["receipt"] and row["receipt"].partition(".")[0]
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"blobs": ("one", "two"), "size_bytes": 900},
        {"parent": "p", "max_attempts": 1, "digest": "other", "body": '{"v":1}'},
        {"delay_s": -3.0, "sent_at": 7.0},
    ],
)
def test_it_leaves_behind_what_both_would_by_themselves(
    house: House, statements: list[str], tmp_path: Path, fields: dict[str, Any]
) -> None:
    other = House(tmp_path / "other.db")
    house.send(task="app:other")  # a row before it, which nobody here knows
    other.send(task="app:other")
    message = house.outgoing(**fields)

    [sent], [delivery] = sent_beside(house, message)

    assert claims(statements) == 0
    assert sent == other.do(Send((message,)))[0]
    [plain] = other.do(WANTED)
    assert delivery._replace(receipt="") == plain._replace(receipt="")
    assert tables(house) == tables(other)
    house.clock.advance(5.0)
    other.clock.advance(5.0)
    house.do(AckDelivery(delivery.receipt))
    other.do(AckDelivery(plain.receipt))
    assert tables(house) == tables(other)
    other.close()


def test_it_is_a_new_receipt_each_time(house: House) -> None:
    receipts = {sent_beside(house, house.outgoing())[1][0].receipt for _ in range(3)}

    assert len({receipt.partition(".")[2] for receipt in receipts}) == 3


def test_what_waits_goes_first(house: House) -> None:
    older = house.send()

    _, received = sent_beside(house, house.outgoing(), replace(WANTED, limit=1))

    assert [delivery.id for delivery in received] == [older]
    assert house.take().id == "m2"


def test_a_suspect_goes_first_and_alone(house: House) -> None:
    house.register("dies")
    suspect = house.send()
    house.take(worker="dies")
    house.crash("dies")

    _, received = sent_beside(house, house.outgoing())

    assert [(delivery.id, delivery.alone) for delivery in received] == [(suspect, True)]
    _, received = sent_beside(house, house.outgoing(), replace(WANTED, idle=False))
    assert [delivery.alone for delivery in received] == [False, False]


@pytest.mark.parametrize(
    ("fields", "wants"),
    [
        ({"delay_s": 0.5}, {}),
        ({"task": "app:other"}, {}),
        ({"queue": "imports"}, {}),
        ({}, {"tasks": ()}),
        ({}, {"limit": 0}),
        ({}, {"strangers": True}),
    ],
)
def test_what_the_worker_may_not_have_waits(
    house: House, fields: dict[str, Any], wants: dict[str, Any]
) -> None:
    house.register("w")
    message = house.outgoing(**fields)

    sent, received = sent_beside(house, message, replace(WANTED, **wants))

    assert sent == (Sent(message.id),)
    assert received == ()
    assert house.record(message.id).state is State.WAITING


@pytest.mark.parametrize("fields", [{}, {"unique_key": "k"}])
def test_what_is_stored_already_is_no_second_message(house: House, fields: dict[str, Any]) -> None:
    [first], _ = sent_beside(house, house.outgoing(id="same", **fields))

    assert sent_beside(house, house.outgoing(id="same", **fields)) == ((Sent("same", duplicate=True),), ())
    refused, received = sent_beside(house, house.outgoing(id="same", digest="another", **fields))
    assert isinstance(refused, SendRefused)
    assert received == ()
    assert first == Sent("same")
    assert house.records.stats().accepted == 1


def test_a_unique_key_holds_beside_a_receive_too(house: House) -> None:
    first, other = (house.outgoing(unique_key="k") for _ in range(2))

    assert [delivery.id for delivery in sent_beside(house, first)[1]] == [first.id]
    assert sent_beside(house, other) == ((Sent(first.id, duplicate=True),), ())
    assert sent_beside(house, other) == ((Sent(first.id, duplicate=True),), ())


@pytest.mark.parametrize("fields", [{"body": "é"}, {"max_attempts": 0}, {"id": "\ud800"}])
def test_what_is_refused_leaves_the_receive_alone(house: House, fields: dict[str, Any]) -> None:
    refused, received = sent_beside(house, house.outgoing(**fields))

    assert isinstance(refused, SendRefused)
    assert received == ()
    assert house.records.stats().accepted == 0


def test_nobody_else_is_woken_for_it(house: House) -> None:
    woken: list[str] = []
    house.queue.listen(lambda: woken.append("here"))

    sent_beside(house, house.outgoing())
    assert woken == []
    sent_beside(house, house.outgoing(task="app:other"))
    assert woken == ["here"]


def test_one_that_was_handed_over_is_freed_by_the_death_of_its_worker(house: House) -> None:
    house.register("w")
    message = house.outgoing()
    [delivery] = sent_beside(house, message)[1]
    assert isinstance(delivery, Delivery)

    house.crash("w")

    assert house.record(message.id).crashes == 1
    assert house.take(worker="v").id == message.id
