"""The tables: what they forbid, what their triggers count, the way from one version to the next."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.backends.sqlite.house import FAILURE, House
from twolane.backends.sqlite import schema
from twolane.contracts.queue import AckDelivery, DeadLetterDelivery, Discard
from twolane.contracts.upkeep import Prune
from twolane.values.errors import QueueError, SendRefused
from twolane.values.outcome import Reason
from twolane.values.record import State

VERSION_1 = Path(__file__).parent / "schema-1.sql"
"""A queue as the first release wrote it: never changed, whatever the schema becomes."""


@pytest.mark.parametrize(
    "change",
    [
        "state = 'running'",
        "state = 'dead', finished_at = 1",
        "state = 'done'",
        "state = 'somewhere'",
        "reason = 'gave_up'",
        "receipt = '1.x'",
        "finished_at = 1",
        "alone = 1",
        "attempt = 0",
        "attempt = 7",
        "max_attempts = 0",
        "visible_at = 9e999",
        "visible_at = 'soon'",
        "deliveries = 'many'",
        "queue = NULL",
        "suspect = 2",
    ],
)
def test_the_table_states_its_invariants(house: House, change: str) -> None:
    house.send()

    with house.shell() as shell, pytest.raises(sqlite3.IntegrityError):
        shell.execute(f"UPDATE messages SET {change}")  # noqa: S608


def test_counts_hold_whoever_changes_the_rows(house: House) -> None:
    for number in range(6):
        house.send(queue=f"q{number % 2}")
    with house.shell() as shell:
        shell.execute("UPDATE messages SET state = 'done', finished_at = 1 WHERE seq < 4")
        shell.execute("UPDATE messages SET queue = 'q2' WHERE seq = 5")
        shell.execute("DELETE FROM messages WHERE seq IN (1, 6)")
        counted = shell.execute("SELECT queue, state, kept FROM counts WHERE kept > 0").fetchall()
        actual = shell.execute("SELECT queue, state, count(*) FROM messages GROUP BY 1, 2").fetchall()

    assert sorted(counted) == sorted(actual)
    stats = house.records.stats()
    assert stats.accepted == 6
    assert stats.pruned == {State.DONE: 1, State.WAITING: 1}


def test_what_belongs_to_a_message_goes_with_it(house: House) -> None:
    house.send(blobs=("b1", "b2", "b1"))
    house.do(DeadLetterDelivery(house.take().receipt, Reason.GAVE_UP, FAILURE))
    house.send(blobs=("b3",))
    house.do(AckDelivery(house.take().receipt))
    assert house.records.blobs_in_use() == {"b1", "b2", "b3"}
    house.do(Discard("m1"))
    assert house.records.blobs_in_use() == {"b3"}
    house.clock.advance(10)

    assert house.do(Prune(keep_s=10)) == 1  # the other one's alert is owed

    with house.shell() as shell:
        assert shell.execute("SELECT count(*) FROM bodies").fetchone() == (0,)
        assert shell.execute("SELECT count(*) FROM blob_refs").fetchone() == (0,)
        assert shell.execute("SELECT id FROM messages").fetchall() == [("m1",)]
        assert shell.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_queue_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1.read_text())
    connection.close()
    house = House(path)

    waiting = house.take()
    letter = house.records.dead_letter("dead")

    assert (waiting.id, waiting.body, waiting.attempt) == ("waiting", '{"v":1}', 2)
    assert waiting.checkpoint is not None
    assert waiting.checkpoint.cursor == {"line": 7}
    assert letter is not None
    assert letter.attempts[0].failure == FAILURE
    stats = house.records.stats()
    assert (stats.accepted, stats.owed_alerts) == (3, 1)
    assert house.records.blobs_in_use() == {"blob"}
    house.close()


def next_version(*statements: str) -> tuple[tuple[str, ...], ...]:
    return (*map(tuple, schema.MIGRATIONS), statements)


def test_a_migration_runs_once_and_keeps_what_is_there(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = house.send()
    house.close()
    monkeypatch.setattr(schema, "MIGRATIONS", next_version("ALTER TABLE messages ADD COLUMN colour TEXT"))

    with pytest.raises(QueueError, match="start the app or a worker once"):
        house.records.get(message_id)
    for _ in range(2):
        newer = House(house.path)
        assert newer.do(Prune(keep_s=0)) == 0
        assert newer.record(message_id).state is State.WAITING
        newer.close()
    with house.shell() as shell:
        assert shell.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
        assert shell.execute("SELECT colour FROM messages").fetchall() == [(None,)]


def test_a_migration_that_fails_changes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = house.send()
    house.close()
    before = house.path.read_bytes()
    broken = next_version("ALTER TABLE messages ADD COLUMN colour TEXT", "ALTER TABLE nowhere ADD COLUMN x")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", broken)
        newer = House(house.path)
        with pytest.raises(SendRefused, match="no such table"):
            newer.send()
        newer.close()

    assert house.path.read_bytes() == before
    older = House(house.path)
    assert older.record(message_id).state is State.WAITING
    older.close()
