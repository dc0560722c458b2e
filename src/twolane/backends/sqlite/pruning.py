"""Forgetting finished records: `Prune`. Never a dead letter, nor a message whose alert has not gone."""

from __future__ import annotations

from twolane.backends.sqlite import rates, sums
from twolane.backends.sqlite.alerts import told_by_all
from twolane.backends.sqlite.transaction import Transaction
from twolane.contracts.upkeep import Prune

PRUNABLE = """
    SELECT seq FROM messages
    WHERE state IN ('done', 'cancelled', 'discarded') AND finished_at <= :until
        AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.seq = messages.seq AND number > :told)
    LIMIT :limit
"""

PRUNE_TOLD = """
    DELETE FROM outbox WHERE owed_at <= :until
        AND number IN (SELECT number FROM outbox WHERE number <= :told ORDER BY number LIMIT :limit)
"""


def prune(tx: Transaction, entry: Prune) -> int:
    """Delete the rows; bodies, blob references and attempts go with them. Alerts that were told are forgotten too."""
    bounds = {
        "until": tx.now - entry.keep_s,
        "told": told_by_all(tx.connection),
        "limit": max(0, entry.limit),
    }
    rows = tx.connection.execute(PRUNABLE, bounds).fetchall()
    tx.connection.executemany("DELETE FROM messages WHERE seq = ?", rows)
    tx.connection.execute(PRUNE_TOLD, bounds)
    rates.forget_old(tx)
    sums.forget(tx)
    return len(rows)
