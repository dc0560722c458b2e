"""How the attempts of each task ended, counted in pieces of time: what tells a jump of its failure rate.

Counted with the flush that ends the attempts, so that reading it never looks at messages; kept for a day.
"""

from __future__ import annotations

import sqlite3

from twolane.backends.sqlite.transaction import Transaction
from twolane.values.snapshot import BUCKET_S, DAY_BUCKETS, RECENT_BUCKETS, Tally

_TALLIES = """
    SELECT task, sum(done * (bucket >= :recent)), sum(failed * (bucket >= :recent)),
        sum(done * (bucket < :recent)), sum(failed * (bucket < :recent))
    FROM rates WHERE bucket BETWEEN :first AND :last GROUP BY task
"""
_ADD = """
    INSERT INTO rates (bucket, task, done, failed) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET done = done + excluded.done, failed = failed + excluded.failed
"""


def add(tx: Transaction) -> None:
    """Add how the attempts ended that the flush has gathered for its daily sums."""
    bucket = _bucket(tx.now)
    rows = [
        (bucket, task, noted.done, noted.failed)
        for task, noted in tx.sums.items()
        if noted.done or noted.failed
    ]
    if rows:
        tx.connection.executemany(_ADD, rows)


def forget_old(tx: Transaction) -> None:
    """Forget what is older than a day, and what a clock that was put back has left in the future."""
    last = _bucket(tx.now)
    tx.connection.execute("DELETE FROM rates WHERE bucket < ?", (_first(last),))
    tx.connection.execute("DELETE FROM rates WHERE bucket > ?", (last,))


def tallies(connection: sqlite3.Connection, now: float) -> dict[str, Tally]:
    """How the attempts of each task ended: now, and in the day before."""
    last = _bucket(now)
    rows = connection.execute(
        _TALLIES, {"first": _first(last), "recent": last - RECENT_BUCKETS, "last": last}
    )
    return {task: Tally(*counts) for task, *counts in rows}


def _bucket(at: float) -> int:
    return int(at // BUCKET_S)


def _first(last: int) -> int:
    return last - RECENT_BUCKETS - DAY_BUCKETS
