"""Daily sums: gathered while a flush is carried out, added to the tables once at its end, a row a task.

They tell what tasks cost (`twolane price`), so an attempt and a message are in them exactly when their flush is.
What is gathered here is what the failure rates (`rates`) count too.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from twolane.contracts.queue import Delivery, Outgoing
from twolane.values.record import DAY_S, SUMS_KEPT_DAYS, DailySum

if TYPE_CHECKING:
    from twolane.backends.sqlite.transaction import Transaction

_MOST_BEGUN = 10_000
"""How many deliveries of this process are remembered: far more than run at a time."""


@dataclass(slots=True)
class Sum:
    """What one task did in one flush; as a `DailySum`."""

    sent: int = 0
    sent_bytes: int = 0
    done: int = 0
    failed: int = 0
    dead: int = 0
    run_s: float = 0.0


_ADD = """
    INSERT INTO daily_sums (day, task, sent, sent_bytes, done, failed, dead, run_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (day, task) DO UPDATE SET
        sent = sent + excluded.sent, sent_bytes = sent_bytes + excluded.sent_bytes, done = done + excluded.done,
        failed = failed + excluded.failed, dead = dead + excluded.dead, run_s = run_s + excluded.run_s
"""
_RAN = """
    SELECT task, count(*), sum(max(0, ? - coalesce(started_at, ?))) FROM messages
    WHERE seq IN (SELECT CAST(value AS INTEGER) FROM json_each(?)) GROUP BY task
"""
SINCE = """
    SELECT task, day, sent, sent_bytes, done, failed, dead, run_s FROM daily_sums WHERE day >= ? ORDER BY day, task
"""


def note_sent(tx: Transaction, messages: Iterable[Outgoing]) -> None:
    """These messages were stored."""
    for task, alike in groupby(messages, attrgetter("task")):
        sizes = [message.size_bytes or len(message.body) for message in alike]
        noted = _of(tx, task)
        noted.sent += len(sizes)
        noted.sent_bytes += sum(sizes)


def note_begun(tx: Transaction, deliveries: Iterable[Delivery]) -> None:
    """These deliveries are handed out: what their ends need to know is remembered here, and costs no look-up then."""
    if len(tx.begun) > _MOST_BEGUN:
        tx.begun.clear()  # of deliveries that ended otherwise, or are another process's by now
    for delivery in deliveries:
        tx.begun[delivery.receipt] = (delivery.task, delivery.received_at)


def note_done(tx: Transaction, receipts: Iterable[str]) -> None:
    """The attempts of these deliveries succeeded."""
    unknown: list[str] = []
    for receipt in receipts:
        begun = tx.begun.pop(receipt, None)
        if begun is None:
            unknown.append(receipt)
            continue
        task, started_at = begun
        noted = _of(tx, task)
        noted.done += 1
        noted.run_s += max(0.0, tx.now - started_at)
    if unknown:  # handed out by another process, or by this one before something was carried out twice
        for task, done, run_s in tx.connection.execute(_RAN, (tx.now, tx.now, json.dumps(unknown))):
            noted = _of(tx, task)
            noted.done += done
            noted.run_s += run_s


def note_failed(tx: Transaction, seq: int, run_s: float) -> None:
    """An attempt of this message failed."""
    noted = _of(tx, _task(tx, seq))
    noted.failed += 1
    noted.run_s += max(0.0, run_s)


def note_dead(tx: Transaction, task: str) -> None:
    """A message of this task died."""
    _of(tx, task).dead += 1


def copied(sums: Mapping[str, Sum]) -> dict[str, Sum]:
    """For going back to what it is now."""
    return {task: replace(noted) for task, noted in sums.items()}


def add(tx: Transaction) -> None:
    """Add what was gathered to today's rows."""
    if tx.sums:
        day = int(tx.now // DAY_S)
        rows = [
            (day, task, noted.sent, noted.sent_bytes, noted.done, noted.failed, noted.dead, noted.run_s)
            for task, noted in tx.sums.items()
        ]
        tx.connection.executemany(_ADD, rows)


def forget(tx: Transaction) -> None:
    """Delete the rows of days long gone."""
    tx.connection.execute("DELETE FROM daily_sums WHERE day < ?", (int(tx.now // DAY_S) - SUMS_KEPT_DAYS,))


def since(day: int, connection: sqlite3.Connection) -> list[DailySum]:
    """The rows from a day on."""
    return [DailySum(*row) for row in connection.execute(SINCE, (day,))]


def _of(tx: Transaction, task: str) -> Sum:
    return tx.sums.get(task) or tx.sums.setdefault(task, Sum())


def _task(tx: Transaction, seq: int) -> str:
    (task,) = tx.connection.execute("SELECT task FROM messages WHERE seq = ?", (seq,)).fetchone()
    return str(task)
