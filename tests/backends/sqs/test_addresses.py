"""Which queues an address means."""

from __future__ import annotations

import pytest

from twolane.backends.aws import AwsError
from twolane.backends.sqs import Address, read_address
from twolane.values.errors import SettingsError

URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/imports"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("sqs://imports", Address("imports")),
        ("sqs://My_Queue-1", Address("My_Queue-1")),
        ("sqs://shop-*", Address("shop-*")),
        ("sqs://shop-*.fifo", Address("shop-*.fifo")),
        ("sqs://imports.fifo?dead=lost.fifo", Address("imports.fifo", "lost.fifo")),
        ("sqs://shop-*?dead=shop-*-dead", Address("shop-*", "shop-*-dead")),
        ("sqs://imports?poll_s=5", Address("imports", poll_s=5)),
        ("sqs://imports?lease_s=300&poll_s=1", Address("imports", poll_s=1, lease_s=300)),
        (URL, Address(URL)),
        ("http://localhost:4566/000000000000/q?dead=d", Address("http://localhost:4566/000000000000/q", "d")),
    ],
)
def test_an_address_is_read_and_written(text: str, address: Address) -> None:
    assert read_address(text) == address
    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "sqs://",
        "sqs:imports",
        "sqs://a/b",
        "sqs://two*stars*",
        "sqs://spa ce",
        "sqs://imports?color=red",
        "sqs://imports?dead=",
        "sqs://imports?poll_s=0",
        "sqs://imports?poll_s=21",
        "sqs://imports?lease_s=1",
        "sqs://imports?lease_s=901",
        "sqs://imports?lease_s=-5",
        "sqs://imports?lease_s=1.5",
        "sqs://imports#x",
        "https://example.com",
        "sqs://" + "x" * 81,
    ],
)
def test_what_is_none_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(SettingsError, match=r"TWOLANE_QUEUE takes sqs://NAME"):
        read_address(text)


@pytest.mark.parametrize("text", ["sqs://a.fifo?dead=b", "sqs://a?dead=b.fifo", f"{URL}.fifo?dead=b"])
def test_a_dead_letter_queue_of_the_other_kind_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"the dead-letter queue of a FIFO queue is a FIFO queue too"):
        read_address(text)


def test_named_queues_stand_for_the_star() -> None:
    address = read_address("sqs://shop-*?dead=shop-*-dead")

    assert address.name_of("imports") == "shop-imports"
    assert address.dead_name_of("imports") == "shop-imports-dead"


def test_one_queue_is_called_default_and_has_no_room_for_others() -> None:
    address = read_address("sqs://imports")

    assert address.name_of("default") == "imports"
    with pytest.raises(AwsError, match=r"name them all as TWOLANE_QUEUE=sqs://PREFIX-\*"):
        address.name_of("mails")
