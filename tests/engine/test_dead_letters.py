"""A dead letter that is sent back with other arguments."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twolane.engine.dead_letters import redrive, redrive_edited
from twolane.engine.task import Task
from twolane.values.message import Message, MessagePolicy, decode, encode
from twolane.values.record import DeadLetter, Record, State
from twolane.values.ticket import Lane


def apply(customer_id: int, change: str) -> None: ...


def letter() -> DeadLetter:
    body = encode(
        Message("m", "apply", "default", {"customer_id": 1, "change": "x"}, 1.0, MessagePolicy(5, 300, 3600))
    )
    record = Record("m", "apply", "default", State.DEAD, attempt=5, deliveries=5, sent_at=1.0, visible_at=1.0)
    return DeadLetter(record, body, ())


@pytest.mark.parametrize(
    ("sent_with", "template", "becomes"),
    [
        ("customer-1", "customer-{customer_id}", "customer-7"),
        ("what the send said", "customer-{customer_id}", None),
        ("customer-1", None, None),
        (None, "customer-{customer_id}", None),
        ("customer-1", "customer-{change}{customer_id}", None),
    ],
    ids=["by the arguments", "named by the send", "of another version", "none", "of another template"],
)
def test_other_arguments_have_the_unique_key_that_they_say_unless_the_send_named_it(
    sent_with: str | None, template: str | None, becomes: str | None
) -> None:
    task = Task(apply, name="apply", lane=Lane.QUEUE, unique_key=template)
    dead = letter()
    dead = replace(dead, record=replace(dead.record, unique_key=sent_with))

    assert redrive_edited(dead, task, {"customer_id": 7, "change": "y"}).unique_key == becomes
    assert redrive(dead, 2.0).unique_key is None  # it stays


def test_arguments_of_other_names_than_now_say_their_unique_key() -> None:
    def renamed(client_id: int) -> None: ...

    task = Task(renamed, name="apply", lane=Lane.QUEUE, unique_key="customer-{client_id}")
    dead = letter()
    dead = replace(dead, record=replace(dead.record, unique_key="customer-1"))

    assert redrive_edited(dead, task, {"client_id": 7}).unique_key == "customer-7"


def test_other_arguments_belong_to_the_group_that_they_say() -> None:
    task = Task(apply, name="apply", lane=Lane.QUEUE, group_by="customer-{customer_id}")

    entry = redrive_edited(letter(), task, {"customer_id": 7, "change": "y"})

    assert entry.group == "customer-7"
    assert entry.body is not None
    assert decode(entry.body).args == {"customer_id": 7, "change": "y"}
    assert redrive(letter(), 2.0).group is None  # it stays in the one it was sent with
