"""What the rounds on AWS take for the cause of an attempt that was used up, and what not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.aws.runtime_api import Invoked
from tests.kill.aws_attempts import End, check_attempts, cut_short, lost
from twolane.backends.sqs.rows import Row
from twolane.backends.sqs.turns import lease_ended, settle
from twolane.contracts.queue import RetryDelivery
from twolane.values.outcome import Failure, Reason
from twolane.values.record import Record, State

ID = "01a22dbb-4571-7070-8d4a-f4bc8c3869c8"
LEASE_S = 4.0
PID = 7


def running(row: Row, at: float) -> Row:
    """Handed out."""
    return row.but(record={"state": State.RUNNING, "started_at": at, "visible_at": at + LEASE_S}, receipt="r")


SENT = Row(Record(ID, "always_raises", "default", State.WAITING, 1, 0, 0.0, 0.0), "", max_attempts=2)
FAILED = settle(
    running(SENT, 0.0), RetryDelivery("r", 0.0, Failure("ValueError", "", started_at=0.0, ended_at=1.0)), 1.0
).row
DEAD = lease_ended(running(FAILED, 10.0), 14.0).row
KILLED = End(PID, 0.0, 11.0, 11.5)
FINE: dict[str, Any] = {"ends": [KILLED], "held": {(ID, 10.0): PID}, "lost": set[str](), "raised": 1}


def check(row: Row = DEAD, **changes: Any) -> None:
    check_attempts(row, lease_s=LEASE_S, **{**FINE, **changes})


def test_a_kill_of_who_held_it_is_a_cause_and_so_is_a_lease_of_which_its_worker_says_that_it_is_lost() -> (
    None
):
    assert DEAD.record.reason is Reason.USED_UP
    check()
    check(held={})  # killed between the row and the first step
    check(ends=[End(PID, 0.0, 16.0, 17.0)])  # too slow, and killed before it could say so
    check(ends=[], lost={ID})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ends": []}, "nothing had happened to process 7"),
        ({"ends": [replace(KILLED, pid=8)]}, "nothing had happened to process 7"),
        ({"ends": [End(PID, 0.0, 5.0, 9.0)], "held": {}}, "nothing had happened"),  # before it was handed out
        ({"ends": [End(PID, 0.0, 15.0, 16.0)], "held": {}}, "nothing had happened"),  # after its lease
        ({"ends": [End(PID, 0.0, 30.0, 31.0)]}, "nothing had happened"),  # long after it
        ({"ends": [End(PID, 10.5, 11.0, 11.0)]}, "nothing had happened"),  # an invocation that began later
        ({"row": lease_ended(running(FAILED, 10.0), 11.0).row}, "its lease was not over"),
        ({"row": DEAD.but(record={"visible_at": 20.0})}, "its lease was not over"),
        ({"row": DEAD.but(attempts=DEAD.attempts[:1])}, "used up by nothing"),
        ({"row": DEAD.but(attempts=DEAD.attempts[1:])}, "not its attempts, one after another"),
        ({"raised": 0}, "1 attempts that raised, and 0 that did"),
    ],
)  # fmt: skip
def test_nothing_else_is(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        check(**changes)


def test_an_invocation_ends_with_what_it_holds_if_it_is_killed_or_its_time_is_over() -> None:
    done, killed, late = (
        Invoked(PID, 0.0, 4.0, failed=False),
        Invoked(PID, 0.0, 1.0, failed=True),
        Invoked(PID, 0.0, 4.7, failed=False),
    )
    assert cut_short([done, killed, late], timeout_s=5.0) == [
        End(PID, 0.0, 1.0, 1.0),
        End(PID, 0.0, 4.7, 4.7),
    ]


def test_what_is_lost_is_read_from_the_lines_of_workers_and_of_functions() -> None:
    assert lost(f"7 WARNING:twolane.keeper:the lease of note {ID} is lost: another worker may run it") == {ID}
    assert lost(f'{{"message": "{ID} is not handed out: no; it comes again when its lease ends"}}') == {ID}
    assert lost(f"note {ID} attempt 1 (queue default, 1.0 s) is done") == set()
