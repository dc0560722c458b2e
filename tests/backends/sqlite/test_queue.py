"""The flush: what fails alone, what fails together, what is unknown, and who hears of it."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.absent import absent
from tests.backends.sqlite.house import ROOT, SRC, House
from twolane.backends.sqlite import sums
from twolane.contracts.queue import AckDelivery, Entry, Receive, ReleaseDelivery, Send, Settled
from twolane.contracts.upkeep import Reap, Register
from twolane.values.errors import QueueError, SendRefused
from twolane.values.record import State, WorkerInfo


class Odd(Entry[None]):
    """Something no room is for."""


def test_whatever_an_entry_raises_is_its_own_answer(house: House) -> None:
    bad_id: Any = 2**70
    answers = house.queue.flush(
        [
            Send((house.outgoing(),)),
            Odd(),
            Send((house.outgoing(id="\ud800"),)),
            Send((house.outgoing(max_attempts=bad_id),)),
            Send((house.outgoing(max_attempts=0),)),
            Send((house.outgoing(sent_at=float("nan")),)),
            Send((house.outgoing(), house.outgoing(delay_s=float("inf")))),
            AckDelivery("1.x", result=object()),
            Send((house.outgoing(),)),
        ]
    )

    assert [type(answer) for answer in answers] == [
        tuple, QueueError, *[SendRefused] * 5, QueueError, tuple
    ]  # fmt: skip
    assert answers[5].ids == (answers[5].ids[0],)
    assert house.records.stats().accepted == 2


def test_a_worker_that_was_not_listed_is_not_shown_alive(house: House) -> None:
    """What an entry did beside the database is undone with it."""
    bad: Any = object()
    info = WorkerInfo("w", 1, "process", ("default",), (bad,), 10, 0.0)

    [answer] = house.queue.flush([Register(info)])

    assert isinstance(answer, QueueError)
    assert house.records.stats().workers == ()


class FailingCommit:
    """A connection whose next commit fails, before or after it happened."""

    def __init__(self, connection: sqlite3.Connection, *, after: bool) -> None:
        self._connection = connection
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        if statement != "COMMIT":
            return self._connection.execute(statement, *parameters)
        if self._after:
            self._connection.execute(statement)
        raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("after", [False, True])
def test_a_failed_commit_is_unknown_and_the_next_flush_finds_out(house: House, after: bool) -> None:
    house.send()
    writer: Any = house.queue._writer
    writer._connection = FailingCommit(writer._connection, after=after)
    message = house.outgoing()

    with pytest.raises(QueueError, match="disk I/O error"):
        house.queue.flush([Send((message,))])

    assert (house.records.get(message.id) is not None) == after
    [sent] = house.do(Send((message,)))
    assert sent.duplicate == after
    assert house.record(message.id).state is State.WAITING


class GivingUp(FailingCommit):
    """A connection whose database gives up the whole transaction at the third message."""

    def execute(self, statement: str, *parameters: Any) -> Any:
        self._give_up_at(statement, *parameters)
        return self._connection.execute(statement, *parameters)

    def executemany(self, statement: str, rows: Any) -> Any:
        self._give_up_at(statement, *rows)
        return self._connection.executemany(statement, rows)

    def _give_up_at(self, statement: str, *rows: Any) -> None:
        if "INTO messages" in statement and any(row[0] == "third" for row in rows):
            self._connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")


def test_what_makes_sqlite_give_up_the_transaction_does_not_take_the_others_along(house: House) -> None:
    house.send(id="running")
    receipt = house.take().receipt
    writer: Any = house.queue._writer
    writer._connection = GivingUp(writer._connection, after=False)
    first, third, later = (Send((house.outgoing(id=name),)) for name in ("first", "third", "later"))

    answers = house.queue.flush([first, third, AckDelivery(receipt), later])

    assert [type(answer) for answer in answers] == [tuple, SendRefused, Settled, SendRefused]
    assert house.records.stats().accepted == 2
    assert [type(answer) for answer in house.queue.flush([third, later])] == [tuple] * 2


def test_a_flush_that_is_interrupted_leaves_nothing_open(house: House) -> None:
    class Interrupting(tuple):  # noqa: SLOT001
        def __iter__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        house.queue.flush([Send((house.outgoing(),)), Send(Interrupting())])

    assert house.open().flush([Reap()])[0].freed == 0
    house.send()
    assert house.records.stats().accepted == 1


def test_a_listener_that_raises_harms_nobody(house: House, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[int] = []

    def broken() -> None:
        raise RuntimeError("broken listener")

    house.queue.listen(broken)
    house.queue.listen(lambda: heard.append(1))

    house.send()

    assert heard
    assert "broken listener" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


def test_the_closed_queue_opens_again(house: House) -> None:
    house.send()
    house.queue.close()
    house.queue.close()

    assert len(house.receive()) == 1


def test_after_a_commit_that_failed_the_connection_is_not_trusted_any_more(house: House) -> None:
    house.send(id="before")
    connection = house.queue._writer._connection
    assert connection is not None
    connection.set_authorizer(
        lambda action, what, *_: (
            sqlite3.SQLITE_DENY
            if (action, what) == (sqlite3.SQLITE_TRANSACTION, "COMMIT")
            else sqlite3.SQLITE_OK
        )
    )

    with pytest.raises(QueueError):
        house.queue.flush([Send((house.outgoing(id="nobody knows"),))])

    house.send(id="after")
    assert house.queue._writer._connection is not connection
    for message_id in ("before", "after"):
        house.record(message_id)


STORE = """
import os, sys
from tests.backends.sqlite.house import House
from pathlib import Path
house = House(Path(sys.argv[1]))
house.send()
os.write(1, b"opened\\n")
house.send()
os.write(1, b"stored\\n")
"""


def test_the_disk_has_it_before_the_answer(tmp_path: Path) -> None:
    """L1, as the kernel sees it."""
    strace = shutil.which("strace")
    if strace is None:
        absent("strace is not installed")
    import subprocess

    process = subprocess.run(
        [strace, "-f", "-y", "-e", "trace=fdatasync,fsync,pwrite64,write", sys.executable, "-c", STORE,
         str(tmp_path / "queue.db")],
        cwd=ROOT, env={"PYTHONPATH": f"{SRC}:{ROOT}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "ptrace" in process.stderr and process.returncode:
        absent(f"no process may be traced here: {process.stderr}")

    calls = process.stderr
    between = calls[calls.index('"opened\\n"') : calls.index('"stored\\n"')]
    kinds = re.findall(r"(pwrite64|fdatasync|fsync|write)\(\d+<([^>]*)>", between)
    log = str(tmp_path / "queue.db-wal")
    to_log = [kind for kind, path in kinds if path == log]

    assert "pwrite64" in to_log
    assert to_log[-1] in {"fdatasync", "fsync"}
    assert re.search(rf"fsync\(\d+<{tmp_path}>", calls[: calls.index(log)]), (
        "the name of a new file is durable too"
    )


def test_a_receive_of_nothing_writes_nothing(house: House) -> None:
    house.send()
    house.take()
    log = Path(f"{house.path}-wal").read_bytes()

    assert house.do(Receive("w", ("default",), None, 10, 60.0)) == ()

    assert Path(f"{house.path}-wal").read_bytes() == log


@pytest.mark.parametrize("acked_by", ["who received it", "another process"])
def test_an_attempt_is_counted_with_its_time_whoever_acks_it(house: House, acked_by: str) -> None:
    for _ in range(2):
        house.send()
    taken = house.receive()
    house.clock.advance(3)

    queue = house.queue if acked_by == "who received it" else house.open()
    for answer in queue.flush([AckDelivery(delivery.receipt) for delivery in taken]):
        assert answer.held

    [counted] = house.records.daily_sums(0)
    assert (counted.task, counted.done, counted.run_s) == ("app:work", 2, pytest.approx(6.0))


def test_deliveries_that_end_otherwise_are_not_remembered_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "_MOST_BEGUN", 5)
    house.send()
    for _ in range(20):
        house.do(ReleaseDelivery(house.take().receipt))
    assert len(house.queue._begun) <= 6
