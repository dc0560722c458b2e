"""How the attempts of each task ended, counted in pieces of time: what tells a jump of its failure rate.

Counted with the flush that ends the attempts, so that reading it never looks at messages; kept for a day.
"""

from __future__ import annotations

import sqlite3

from twolane.backends.sqlite.transaction import Transaction
from twolane.values.snapshot import BUCKET_S, DAY_BUCKETS, RECENT_BUCKETS, Tally

_SUMS = "SELECT task, sum(done), sum(failed) FROM rates WHERE bucket BETWEEN ? AND ? GROUP BY task"
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


class Rates:
    """How the attempts of each task ended, read again and again.

    What ended before "now" begins does not change while the piece of time lasts, and it is a row for each task
    and piece of a day: it is summed once a piece, and each other look reads only what is "now".
    """

    def __init__(self) -> None:
        self._before: tuple[int, dict[str, tuple[int, int]]] | None = None

    def tallies(self, connection: sqlite3.Connection, now: float) -> dict[str, Tally]:
        """How the attempts of each task ended: now, and in the day before."""
        last = _bucket(now)
        recent = last - RECENT_BUCKETS
        kept = self._before
        if kept is None or kept[0] != last:
            self._before = kept = last, _sums(connection, _first(last), recent - 1)
        before, lately = kept[1], _sums(connection, recent, last)
        return {
            task: Tally(*lately.get(task, (0, 0)), *before.get(task, (0, 0)))
            for task in before.keys() | lately.keys()
        }


def _sums(connection: sqlite3.Connection, first: int, last: int) -> dict[str, tuple[int, int]]:
    return {task: (done, failed) for task, done, failed in connection.execute(_SUMS, (first, last))}


def _bucket(at: float) -> int:
    return int(at // BUCKET_S)


def _first(last: int) -> int:
    return last - RECENT_BUCKETS - DAY_BUCKETS
