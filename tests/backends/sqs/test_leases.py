"""What a lease that ends costs: an attempt, unless the delivery got on. SQS cannot tell a crash from a lost lease."""

from __future__ import annotations

import pytest

from twolane.backends.sqs.rows import Row, from_text, to_text
from twolane.backends.sqs.turns import handed_out, lease_ended, redrive, save_checkpoint
from twolane.contracts.queue import Receive, Redrive, SaveCheckpoint
from twolane.values.outcome import Reason
from twolane.values.policy import MAX_CRASHES
from twolane.values.record import Record, State

TAKE = Receive("w", ("default",), None, limit=1, lease_s=60.0)


def waiting(max_attempts: int = 2) -> Row:
    record = Record("m", "t", "default", State.WAITING, attempt=1, deliveries=0, sent_at=1.0, visible_at=1.0)
    return Row(record, "d", max_attempts, "{}")


def killed(row: Row, at: float, *cursors: object) -> Row:
    """A delivery that comes so far and is never settled; read back, as the next worker does."""
    running = handed_out(row, TAKE, f"f{at}", at)
    for cursor in cursors:
        running = save_checkpoint(running, SaveCheckpoint("r", cursor), at + 1).row
    return from_text(to_text(lease_ended(running, at + 60.0).row))


def test_a_delivery_that_got_on_costs_no_attempt() -> None:
    row = waiting()
    for number in range(10):
        row = killed(row, 100.0 * number, number)
        assert (row.record.state, row.record.attempt, row.record.cursor) == (State.WAITING, 1, number)
    assert [each.outcome for each in row.attempts] == ["lease_expired"] * 10


@pytest.mark.parametrize("cursors", [(), (5,)], ids=["no-checkpoint", "the-same-place-again"])
def test_one_that_did_not_costs_one(cursors: tuple[object, ...]) -> None:
    row = killed(waiting(), 100.0, 5)
    row = killed(row, 200.0, *cursors)
    assert (row.record.state, row.record.attempt) == (State.WAITING, 2)

    row = killed(row, 300.0, *cursors)

    assert (row.record.state, row.record.reason, row.record.attempt) == (State.DEAD, Reason.USED_UP, 2)


def test_a_hundred_of_them_are_the_end_whatever_their_progress() -> None:
    row = waiting()
    for number in range(MAX_CRASHES - 1):
        row = killed(row, 100.0 * number, number)
    assert row.record.state is State.WAITING

    row = killed(row, 100_000.0, MAX_CRASHES)

    assert (row.record.state, row.record.reason) == (State.DEAD, Reason.USED_UP)


def test_a_cancellation_that_was_asked_for_is_not_forgotten_when_the_lease_ends() -> None:
    running = handed_out(waiting(max_attempts=1), TAKE, "f", 100.0).but(record={"cancel_requested": True})
    assert lease_ended(running, 160.0).row.record.state is State.CANCELLED


def test_one_that_is_sent_back_begins_anew() -> None:
    row = killed(killed(waiting(max_attempts=1), 100.0, 5), 200.0)
    assert row.record.state is State.DEAD

    again = redrive(row, Redrive("m"), 300.0).row

    assert killed(again, 400.0, 5).record.state is State.WAITING
