"""How many calls of SQS's one flush makes: ten entries to a call, and no more than 1 MiB of bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.aws.faults import Exchange
from tests.aws.proxy import Proxy
from tests.contract.house import LEASE_S, House
from twolane.backends.sqs.queue import MAX_BODY_BYTES
from twolane.contracts.queue import AckDelivery, Extend, Send

MIB = 1024 * 1024
SEND, EXTEND, DELETE = "SendMessageBatch", "ChangeMessageVisibilityBatch", "DeleteMessageBatch"


@pytest.fixture
def asked(between: Proxy) -> dict[str, list[list[dict[str, Any]]]]:
    """The entries of each batch call, by its name."""
    calls: dict[str, list[list[dict[str, Any]]]] = {SEND: [], EXTEND: [], DELETE: []}

    def note(exchange: Exchange) -> None:
        calls[exchange.operation].append(json.loads(exchange.body)["Entries"])

    between.faults.update(dict.fromkeys(calls, note))
    return calls


def test_sends_extensions_and_acks_of_one_flush_go_by_tens(
    house: House, asked: dict[str, list[list[dict[str, Any]]]]
) -> None:
    house.try_all(*(Send((house.outgoing(),)) for _ in range(25)))
    assert sorted(map(len, asked[SEND])) == [5, 10, 10]

    receipts = [each.receipt for _ in range(3) for each in house.receive(limit=10)]
    assert len(receipts) == 25
    house.do(Extend(tuple(receipts), LEASE_S))
    assert sorted(map(len, asked[EXTEND])) == [5, 10, 10]

    house.try_all(*map(AckDelivery, receipts))
    assert sorted(map(len, asked[DELETE])) == [5, 10, 10]


def test_large_bodies_share_a_call_up_to_a_mebibyte(
    house: House, asked: dict[str, list[list[dict[str, Any]]]]
) -> None:
    body = "x" * MAX_BODY_BYTES
    sent = house.try_all(*(Send((house.outgoing(body=body),)) for _ in range(6)))

    assert not [each for each in sent if isinstance(each, Exception)]
    sizes = [sum(len(entry["MessageBody"]) for entry in call) for call in asked[SEND]]
    assert len(sizes) == 2
    assert max(sizes) <= MIB
