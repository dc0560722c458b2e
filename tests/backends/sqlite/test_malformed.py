"""Rows that somebody put in by hand: they come out as well as they can, and the others as ever."""

from __future__ import annotations

import pytest

from tests.backends.sqlite.house import House
from twolane.contracts.outbox import RegisterTargets, SaveTarget
from twolane.contracts.upkeep import Reap
from twolane.values.outcome import Reason
from twolane.values.record import State
from twolane.values.telling import TargetState

INSERT = """
    INSERT INTO messages (id, queue, task, digest, sent_at, visible_at, max_attempts)
    VALUES ('odd', 'default', 'app:work', '', 0, 0, 1)
"""


@pytest.mark.parametrize(
    "change",
    [
        "cursor = '{', progressed_at = 1, done = 1e300",
        "cursor = CAST(x'ff' AS TEXT), progressed_at = 1",
        "digest = CAST(x'ff00' AS TEXT)",
        "unique_key = CAST(x'ff00' AS TEXT)",
        "parent = CAST(x'ff00' AS TEXT), public = CAST(x'ff' AS TEXT), result = '}'",
        "worker = CAST(x'ff' AS TEXT), crash_cursor = 'nonsense'",
        "sent_at = -9e999, waits_since = 9e999",
        "attempt = 2",
        "crashes = 1000000, deliveries = 999999999999",
        "id = CAST(x'ff' AS TEXT)",
        "id = ''",
    ],
)
def test_an_odd_row_harms_nobody(house: House, change: str) -> None:
    house.send()
    with house.shell() as shell:
        shell.execute(INSERT)
        shell.execute(f"UPDATE messages SET {change} WHERE id = 'odd'")  # noqa: S608
        (odd,) = shell.execute("SELECT CAST(id AS BLOB) FROM messages WHERE id <> 'm1'").fetchone()

    received = {delivery.id: delivery for delivery in house.receive()}
    house.clock.advance(1000)
    house.do(Reap())
    house.receive()
    house.records.stats()
    house.records.list_dead()
    house.records.owed(0, whole=10)
    house.records.dead_groups()

    odd_id = odd.decode("utf-8", "replace")
    assert "m1" in received
    if odd_id in received:
        assert received[odd_id].body == ""
    else:
        assert house.record(odd_id).state is State.DEAD


def test_an_odd_body_comes_out_as_something_that_no_envelope_is(house: House) -> None:
    house.send()
    with house.shell() as shell:
        shell.execute("UPDATE bodies SET body = CAST(x'7bff00' AS TEXT)")

    assert house.take().body == "{\ufffd\x00"
    assert house.records.body("m1") == "{\ufffd\x00"


def test_an_odd_task_name_waits_among_strangers(house: House) -> None:
    house.send()
    with house.shell() as shell:
        shell.execute("UPDATE messages SET task = CAST(x'ff' AS TEXT)")

    assert house.receive() == ()
    assert house.receive(strangers=True) == ()
    assert house.records.stats().queues["default"].counts[State.WAITING] == 1


def test_an_odd_reason_reads_as_unreadable(house: House) -> None:
    house.send()
    with house.shell() as shell:
        shell.execute("UPDATE messages SET state = 'dead', reason = 'bored', finished_at = 1")

    [letter] = house.records.list_dead()

    assert letter.record.reason is Reason.UNREADABLE


@pytest.mark.parametrize("tasks", ["", "{", "7", "null", '"word"'])
def test_an_odd_worker_is_dead_and_knows_nothing(house: House, tasks: str) -> None:
    message_id = house.send()
    with house.shell() as shell:
        shell.execute("INSERT INTO workers VALUES ('../x', 1, 'process', '[]', ?, 1, 0, 0)", (tasks,))

    [delivery] = house.receive(tasks=("app:other",), strangers=True)

    assert delivery.id == message_id
    assert house.records.stats().workers == ()
    assert house.do(Reap()).dead_workers == ("../x",)


@pytest.mark.parametrize(
    "state", ["", "{", "[]", '{"tries": "many"}', '{"sent": 5}', '{"kinds": {"k": "late"}}', "[" * 100_000]
)
def test_an_odd_state_of_a_target_reads_as_if_nothing_had_ever_gone(house: House, state: str) -> None:
    house.do(RegisterTargets((("t", "T"), ("other", "Other"))))
    assert house.do(SaveTarget("other", 0, TargetState(0, tries=2))) == 1
    with house.shell() as shell:
        shell.execute("UPDATE targets SET state = ?, told_to = 3 WHERE id = 't'", (state,))

    states = {row.id: row.state for row in house.records.telling().targets}

    assert (states["t"], states["other"].tries) == (TargetState(3), 2)
