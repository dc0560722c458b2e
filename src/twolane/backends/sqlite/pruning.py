"""Forgetting finished records: `Prune`. Never a dead letter, nor a message whose alert has not gone."""

from __future__ import annotations

from twolane.backends.sqlite.sums import forget
from twolane.backends.sqlite.transaction import Transaction
from twolane.contracts.queue import Prune

PRUNABLE = """
    SELECT seq FROM messages
    WHERE state IN ('done', 'cancelled', 'discarded') AND finished_at <= ?
        AND NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.seq = messages.seq AND told_at IS NULL)
    LIMIT ?
"""


def prune(tx: Transaction, entry: Prune) -> int:
    """Delete the rows; bodies, blob references, attempts and told alerts go with them."""
    rows = tx.connection.execute(PRUNABLE, (tx.now - entry.keep_s, max(0, entry.limit))).fetchall()
    forget(tx)
    tx.connection.executemany("DELETE FROM messages WHERE seq = ?", rows)
    return len(rows)
