"""The outbox of alerts: `TakeAlerts` and `MarkTold`. Entries are made with the death (transitions.bury)."""

from __future__ import annotations

from twolane.backends.sqlite.rows import letter
from twolane.backends.sqlite.transaction import Transaction
from twolane.contracts.queue import MarkTold, TakeAlerts
from twolane.values.record import OwedAlert

OWED = """
    SELECT number, seq, owed_at, tries + 1 FROM alerts
    WHERE told_at IS NULL AND taken_until <= ? ORDER BY number LIMIT ?
"""


def take_alerts(tx: Transaction, entry: TakeAlerts) -> tuple[OwedAlert, ...]:
    """Take the oldest that nobody else is telling now."""
    rows = tx.connection.execute(OWED, (tx.now, max(0, entry.limit))).fetchall()
    tx.connection.executemany(
        "UPDATE alerts SET tries = ?, taken_until = ? WHERE number = ?",
        [(tries, tx.now + entry.lease_s, number) for number, _, _, tries in rows],
    )
    return tuple(
        [
            OwedAlert(number, owed_at, tries, letter(tx.connection, seq))
            for number, seq, owed_at, tries in rows
        ]
    )


def mark_told(tx: Transaction, entry: MarkTold) -> None:
    """These went."""
    tx.connection.executemany(
        "UPDATE alerts SET told_at = ? WHERE number = ? AND told_at IS NULL",
        [(tx.now, number) for number in entry.numbers],
    )
