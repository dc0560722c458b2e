"""Every statement that runs often, or over many rows, finds its rows by an index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backends.sqlite.house import FAILURE, House
from twolane.backends.sqlite import connection as opening
from twolane.contracts import queue as q
from twolane.contracts import upkeep as u
from twolane.contracts.outbox import Act, OweNotice, RegisterTargets, SaveTarget
from twolane.contracts.watch import LeadWatch, ObserveConditions, Probe
from twolane.values.condition import Phase, Standing
from twolane.values.letters import Action, Matching
from twolane.values.outcome import Reason
from twolane.values.telling import TargetState

SCAN_OF_MUCH = re.compile(
    r"SCAN (m|messages|bodies|attempts|outbox|daily_sums)\b(?! USING (COVERING )?INDEX running\b)"
)
"""A step that reads every row of a table that grows. The index `running` has a row a slot, never many."""


@pytest.fixture
def statements(house: House, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Collects every statement that any connection runs."""
    seen: set[str] = set()
    first = House(house.path)
    first.do(u.Reap())  # the tables are made before anybody listens
    first.close()
    configure = opening._configure

    def traced(connection: sqlite3.Connection) -> None:
        configure(connection)
        connection.set_trace_callback(seen.add)

    monkeypatch.setattr(opening, "_configure", traced)
    return seen


def run_everything(house: House) -> None:
    """Each verb and each question once, over rows of each state."""
    house.register()
    handed = q.Receive("w", ("default",), ("app:work",), 1, 60.0)
    [_, [delivery]] = house.queue.flush([q.Send((house.outgoing(id="handed"),)), handed])
    house.do(q.AckDelivery(delivery.receipt))
    for number in range(8):
        house.send(unique_key=f"k{number}", blobs=("b",))
    house.send(id="m1")
    house.send(unique_key="k7")
    running = house.receive(limit=6, tasks=None)
    receipts = [delivery.receipt for delivery in running]
    house.queue.flush(
        [
            q.Extend((receipts[0],), 60.0),
            q.SaveCheckpoint(receipts[0], 1),
            q.AckDelivery(receipts[0]),
            q.RetryDelivery(receipts[1], 5.0, FAILURE),
            q.WaitDelivery(receipts[2], 5.0),
            q.ReleaseDelivery(receipts[3]),
            q.DeadLetterDelivery(receipts[4], Reason.GAVE_UP, FAILURE),
            q.CancelDelivery(receipts[5]),
            q.CancelMessage("m7"),
            OweNotice("k", "t", "b"),
            RegisterTargets((("log", "the log"),)),
            SaveTarget("log", 0, TargetState(1)),
            Act(Action("a", "ada", "redrive", "m"), (q.Redrive(running[4].id, body="[]"),)),
        ]
    )
    house.do(q.DeadLetterDelivery(house.receive(limit=1)[0].receipt, Reason.GAVE_UP, FAILURE))
    house.send()
    house.open().flush([q.AckDelivery(house.receive(limit=1)[0].receipt)])  # its begin is looked up
    house.receive(strangers=True)
    house.crash()
    house.register("w2")
    house.receive(worker="w2")
    house.clock.advance(1000)
    house.do(u.Reap())
    [letter, *_] = house.records.list_dead()
    now = house.clock.now()
    which = Matching("app:work", Reason.GAVE_UP, "flight", "kind", now - 1, now)
    house.records.list_dead(which)
    house.records.list_dead(Matching(since=now))
    house.records.dead_ids(which)
    house.records.dead_groups()
    house.records.dead_groups(which)
    house.records.actions()
    house.records.telling()
    house.records.owed(0, whole=5)
    house.records.dead_letter(letter.record.id)
    house.records.get_many([letter.record.id, "m1", "nobody"])
    house.records.attempts(letter.record.id)
    house.do(q.Discard(letter.record.id))
    house.records.body("m1")
    house.records.blobs_in_use()
    house.records.stats()
    house.records.daily_sums(0)
    house.do(LeadWatch("w", 20.0))
    standing = Standing("dead_letters", "", Phase.PENDING, 1.0)
    house.do(ObserveConditions("w", 20.0, 1.0, changed=(standing,), gone=("place",)))
    house.do(Probe())
    house.records.snapshot()
    house.records.watch_state()
    house.queue.next_visible_at(("default",), house.clock.now())
    house._workers["w2"].flush([u.Unregister("w2")])
    house.do(u.Prune(keep_s=10.0))


def test_no_statement_scans_messages(house: House, statements: set[str]) -> None:
    run_everything(house)
    questions = [each for each in statements if re.match(r"\s*(SELECT|WITH|UPDATE|INSERT|DELETE)", each)]
    assert len(questions) > 40

    scans = {
        (step, " ".join(statement.split()))
        for statement, step in _steps(house.path, questions)
        if SCAN_OF_MUCH.match(step)
    }

    assert scans == set()


def test_the_watch_seeks_the_oldest_dead_letter(house: House, statements: set[str]) -> None:
    house.send()
    house.records.snapshot()
    [steps] = [
        [step for _, step in _steps(house.path, [each])] for each in statements if "min(finished_at)" in each
    ]
    assert steps == ["SEARCH messages USING COVERING INDEX ended (state=? AND finished_at>?)"]


def test_a_look_of_the_watch_is_a_constant_number_of_statements(house: House, statements: set[str]) -> None:
    """Whatever is stored: queues, tasks, workers, dead letters, rates."""
    house.send()
    house.records.snapshot()  # opens a connection
    few = statements_of(house.records.snapshot, statements)
    for number in range(50):
        house.send(queue=f"q{number % 7}", task=f"t{number}")
    house.register()
    for delivery in house.receive(queues=("q1", "q2", "default"), tasks=None):
        house.do(q.DeadLetterDelivery(delivery.receipt, Reason.GAVE_UP, FAILURE))

    assert statements_of(house.records.snapshot, statements) == few
    assert few <= 12


def statements_of(ask: Callable[[], object], statements: set[str]) -> int:
    """How many different statements a question takes; each is run once."""
    statements.clear()
    ask()
    return len(statements)


def test_a_sort_is_of_what_is_handed_out_only(house: House, statements: set[str]) -> None:
    run_everything(house)

    sorting = {
        " ".join(statement.split())
        for statement, step in _steps(house.path, statements)
        if "TEMP B-TREE FOR" in step and "ORDER BY" in step
    }

    assert all("json_each" in statement or "FROM workers" in statement for statement in sorting), sorting


def test_each_index_of_messages_is_used_by_something(house: House, statements: set[str]) -> None:
    """An index that nothing reads costs each write its share."""
    run_everything(house)
    with house.shell() as shell:
        names = {
            name
            for (name,) in shell.execute(
                "SELECT name FROM sqlite_master"
                " WHERE type = 'index' AND tbl_name = 'messages' AND sql IS NOT NULL"
            )
        }

    used = {name for _, step in _steps(house.path, statements) for name in names if f"INDEX {name}" in step}

    assert used == names


def _steps(path: Path, statements: set[str] | list[str]) -> Iterator[tuple[str, str]]:
    connection = sqlite3.connect(path)
    connection.create_function("folded", 1, str)  # a plan depends on its name only
    try:
        for statement in statements:
            if re.match(r"\s*(SELECT|WITH|UPDATE|INSERT|DELETE)", statement):
                for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
                    yield statement, step
    finally:
        connection.close()
