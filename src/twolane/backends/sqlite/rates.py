"""How the attempts of each task ended, counted in pieces of time: what tells a jump of its failure rate.

Counted with the flush that ends the attempts, so that reading it never looks at messages; kept for a day.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from twolane.backends.sqlite.transaction import Transaction
from twolane.values.snapshot import BUCKET_S, DAY_BUCKETS, RECENT_BUCKETS, Tally

_TALLIES = """
    SELECT task, sum(done * (bucket >= :recent)), sum(failed * (bucket >= :recent)),
        sum(done * (bucket < :recent)), sum(failed * (bucket < :recent))
    FROM rates WHERE bucket BETWEEN :first AND :last GROUP BY task
"""
_NOTE = """
    INSERT INTO rates (bucket, task, {0}) SELECT ?, task, 1 FROM messages WHERE seq = ?
    ON CONFLICT DO UPDATE SET {0} = {0} + 1
"""
_NOTE_ALL_DONE = """
    INSERT INTO rates (bucket, task, done)
    SELECT ?, task, count(*) FROM messages WHERE seq IN (SELECT value FROM json_each(?)) GROUP BY task
    ON CONFLICT DO UPDATE SET done = done + excluded.done
"""


def note_done(tx: Transaction, seqs: Sequence[int]) -> None:
    """Count attempts that ended well: one statement for all of a flush."""
    if len(seqs) == 1:  # a flush of one pays for no list to take apart and group
        tx.connection.execute(_NOTE.format("done"), (_bucket(tx.now), seqs[0]))
    else:
        tx.connection.execute(_NOTE_ALL_DONE, (_bucket(tx.now), json.dumps(seqs)))


def note_failed(tx: Transaction, seq: int) -> None:
    """Count an attempt that ended otherwise."""
    tx.connection.execute(_NOTE.format("failed"), (_bucket(tx.now), seq))


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
