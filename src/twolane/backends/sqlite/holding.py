"""Keeping hold of a delivery: `Extend` and `SaveCheckpoint`."""

from __future__ import annotations

from twolane.backends.sqlite.rows import to_json
from twolane.backends.sqlite.transaction import Transaction
from twolane.backends.sqlite.transitions import seq_of
from twolane.contracts.queue import Extend, Holding, SaveCheckpoint

_LOST = Holding(held=False)


def extend(tx: Transaction, entry: Extend) -> tuple[Holding, ...]:
    """Lengthen leases; one that has run out but that nobody took over is still held."""
    return tuple([_extend(tx, receipt, entry.lease_s) for receipt in entry.receipts])


def _extend(tx: Transaction, receipt: str, lease_s: float) -> Holding:
    key = (seq_of(receipt), receipt)
    row = tx.connection.execute(
        "SELECT cancel_requested FROM messages WHERE seq = ? AND receipt = ?", key
    ).fetchone()
    if row is None:
        return _LOST
    tx.connection.execute("UPDATE messages SET visible_at = ? WHERE seq = ?", (tx.now + lease_s, key[0]))
    return Holding(held=True, cancel_requested=bool(row[0]))


def save_checkpoint(tx: Transaction, entry: SaveCheckpoint) -> Holding:
    """Save where to go on; progress since the last crash clears a suspect."""
    key = (seq_of(entry.receipt), entry.receipt)
    row = tx.connection.execute(
        "SELECT cancel_requested, suspect, crash_cursor FROM messages WHERE seq = ? AND receipt = ?", key
    ).fetchone()
    if row is None:
        return _LOST
    cancel_requested, suspect, crash_cursor = row
    cursor = to_json(entry.cursor)
    cleared = bool(suspect) and cursor != crash_cursor
    tx.connection.execute(
        """
        UPDATE messages SET cursor = :cursor, done = :done, total = :total, progressed_at = :now,
            suspect = suspect AND NOT :cleared, alone = alone AND NOT :cleared
        WHERE seq = :seq
        """,
        {
            "cursor": cursor,
            "done": entry.done,
            "total": entry.total,
            "now": tx.now,
            "cleared": cleared,
            "seq": key[0],
        },
    )
    return Holding(held=True, cancel_requested=bool(cancel_requested), cleared=cleared)
