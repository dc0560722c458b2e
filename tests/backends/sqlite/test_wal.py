"""The write-ahead log stays short, and nothing is lost where it cannot be made so."""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.backends.sqlite.house import House
from twolane.backends.sqlite import wal
from twolane.contracts.upkeep import Reap

PAGE_BYTES = 4096


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "CHECKPOINT_BYTES", 20 * PAGE_BYTES)
    monkeypatch.setattr(wal, "TRUNCATE_BYTES", 200 * PAGE_BYTES)


def log_bytes(house: House) -> int:
    return Path(f"{house.path}-wal").stat().st_size


def fill(house: House, pages: int) -> None:
    for _ in range(pages):
        house.send(body="x" * PAGE_BYTES)


def test_the_log_starts_anew_again_and_again(house: House) -> None:
    fill(house, 100)
    size = log_bytes(house)

    fill(house, 200)

    assert log_bytes(house) == size < 60 * PAGE_BYTES
    assert house.records.stats().accepted == 300
    assert house.path.stat().st_size > 250 * PAGE_BYTES


def test_every_checkpoint_is_made_under_the_write_lock(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, made = wal.Log._checkpoint, []

    def checked(log: wal.Log, mode: str) -> Any:
        with Path(f"{house.path}-lock").open() as another, pytest.raises(BlockingIOError):
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made.append(mode)
        return checkpoint(log, mode)

    monkeypatch.setattr(wal, "TRUNCATE_BYTES", 20 * PAGE_BYTES)
    monkeypatch.setattr(wal.Log, "_checkpoint", checked)
    fill(house, 30)

    assert set(made) == {"PASSIVE", "TRUNCATE"}


def test_a_reader_in_the_middle_of_something_delays_it_only(house: House) -> None:
    house.send()
    with house.shell() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        fill(house, 100)
        grown = log_bytes(house)
        assert grown > 100 * PAGE_BYTES
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (1,)

    fill(house, 200)

    assert log_bytes(house) <= grown + 60 * PAGE_BYTES
    assert house.records.stats().accepted == 301


def test_a_log_that_grew_long_is_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.send()
    monkeypatch.setattr(wal, "_TRUNCATE_WAIT_MS", 1)
    with house.shell() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM messages").fetchone()
        fill(house, 250)
        assert log_bytes(house) > 250 * PAGE_BYTES

    fill(house, 30)

    assert log_bytes(house) < 60 * PAGE_BYTES
    assert house.queue._writer._connection is not None
    assert house.queue._writer._connection.execute("PRAGMA busy_timeout").fetchone() == (5000,)


class FailingCheckpoint:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        if "wal_checkpoint" in statement:
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(statement, *parameters)


def test_a_checkpoint_that_fails_loses_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.send()
    log: Any = house.queue._writer._log
    log._connection = FailingCheckpoint(log._connection)

    fill(house, 100)

    assert "nothing is lost" in caplog.text
    assert house.records.stats().accepted == 101


def test_reading_never_checkpoints_not_even_as_the_last_to_close(house: House) -> None:
    fill(house, 5)
    house.records.stats()
    writing = house.queue._writer.abandon()
    assert writing is not None
    writing.close()  # the reader is the last one now
    log, file = Path(f"{house.path}-wal").read_bytes(), house.path.read_bytes()

    house.records.stats()
    house.records.close()

    assert Path(f"{house.path}-wal").read_bytes() == log
    assert house.path.read_bytes() == file


def test_the_last_writer_to_close_leaves_one_file(house: House) -> None:
    fill(house, 5)
    assert house.do(Reap()).freed == 0

    house.close()

    assert not Path(f"{house.path}-wal").exists()
    assert house.records.stats().accepted == 5
