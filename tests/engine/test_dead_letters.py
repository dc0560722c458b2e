"""A dead letter that is sent back with other arguments."""

from __future__ import annotations

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


def test_other_arguments_belong_to_the_group_that_they_say() -> None:
    task = Task(apply, name="apply", lane=Lane.QUEUE, group_by="customer-{customer_id}")

    entry = redrive_edited(letter(), task, {"customer_id": 7, "change": "y"})

    assert entry.group == "customer-7"
    assert entry.body is not None
    assert decode(entry.body).args == {"customer_id": 7, "change": "y"}
    assert redrive(letter(), 2.0).group is None  # it stays in the one it was sent with
