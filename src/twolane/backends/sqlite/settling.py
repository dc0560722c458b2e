"""The ends of a delivery: ack, retry, wait, release, dead letter, cancel. Each is fenced by its receipt (L4)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from twolane.backends.sqlite import sums
from twolane.backends.sqlite.rows import to_json
from twolane.backends.sqlite.sends import store
from twolane.backends.sqlite.transaction import Transaction
from twolane.backends.sqlite.transitions import bury, give_back, held_seq, note_attempt, seq_of
from twolane.contracts.queue import (
    AckDelivery,
    CancelDelivery,
    DeadLetterDelivery,
    ReleaseDelivery,
    RetryDelivery,
    Settled,
    WaitDelivery,
)
from twolane.values.policy import MAX_PAUSE_S

_HELD = Settled(held=True)
_STALE = Settled(held=False)


def ack(tx: Transaction, entry: AckDelivery) -> Settled:
    """Done; what the task sent is stored with it."""
    cursor = tx.connection.execute(
        """
        UPDATE messages SET state = 'done', receipt = NULL, alone = 0, finished_at = ?, result = ?
        WHERE seq = ? AND receipt = ?
        """,
        (tx.now, to_json(entry.result), seq_of(entry.receipt), entry.receipt),
    )
    if cursor.rowcount == 0:
        return _STALE
    sums.note_done(tx, [entry.receipt])
    store(tx, entry.sends)
    return _HELD


def ack_all(tx: Transaction, entries: Sequence[AckDelivery]) -> list[Settled]:
    """As `ack`, for many at once.

    Raises:
        LookupError: a receipt is stale; which one, `ack` tells of each.
    """
    receipts = [entry.receipt for entry in entries]
    seqs = [seq_of(receipt) for receipt in receipts]
    acked = tx.connection.execute(
        """
        UPDATE messages SET state = 'done', receipt = NULL, alone = 0, finished_at = ?, result = NULL
        WHERE seq IN (SELECT value FROM json_each(?)) AND receipt IN (SELECT value FROM json_each(?))
        """,
        (tx.now, json.dumps(seqs), json.dumps(receipts)),
    )
    if acked.rowcount < len(entries):
        raise LookupError("a receipt is stale")
    sums.note_done(tx, receipts)
    for entry, seq in zip(entries, seqs, strict=True):
        if entry.result is not None:
            tx.connection.execute(
                "UPDATE messages SET result = ? WHERE seq = ?", (to_json(entry.result), seq)
            )
        store(tx, entry.sends)
    return [_HELD] * len(entries)


def retry(tx: Transaction, entry: RetryDelivery) -> Settled:
    """Visible again after a pause, one attempt later. Its process has survived it: it is no suspect any more."""
    seq = held_seq(tx, entry.receipt)
    if seq is None:
        return _STALE
    after_s = _capped(entry.after_s)
    note_attempt(tx, seq, entry.outcome, entry.failure)
    tx.connection.execute(
        "UPDATE messages SET waits_since = NULL, suspect = 0, alone = 0 WHERE seq = ?", (seq,)
    )
    give_back(tx, seq, visible_at=tx.now + after_s, charge=True)
    return _with_cap(after_s, entry.after_s)


def wait(tx: Transaction, entry: WaitDelivery) -> Settled:
    """Visible again after a pause, under patience."""
    seq = held_seq(tx, entry.receipt)
    if seq is None:
        return _STALE
    after_s = _capped(entry.after_s)
    tx.connection.execute(
        "UPDATE messages SET waits_since = coalesce(waits_since, ?) WHERE seq = ?", (tx.now, seq)
    )
    give_back(tx, seq, visible_at=tx.now + after_s)
    return _with_cap(after_s, entry.after_s)


def release(tx: Transaction, entry: ReleaseDelivery) -> Settled:
    """Visible at once."""
    seq = held_seq(tx, entry.receipt)
    if seq is None:
        return _STALE
    give_back(tx, seq, visible_at=tx.now)
    return _HELD


def die(tx: Transaction, entry: DeadLetterDelivery) -> Settled:
    """Kept with what went wrong, and an alert owed."""
    seq = held_seq(tx, entry.receipt)
    if seq is None:
        return _STALE
    note_attempt(tx, seq, entry.outcome, entry.failure)
    bury(tx, seq, entry.reason, entry.public)
    return _HELD


def cancel(tx: Transaction, entry: CancelDelivery) -> Settled:
    """The running delivery ends as cancelled."""
    cursor = tx.connection.execute(
        """
        UPDATE messages SET state = 'cancelled', receipt = NULL, alone = 0, finished_at = ?
        WHERE seq = ? AND receipt = ?
        """,
        (tx.now, seq_of(entry.receipt), entry.receipt),
    )
    return _HELD if cursor.rowcount else _STALE


def _capped(after_s: float) -> float:
    return min(max(after_s, 0.0), MAX_PAUSE_S)


def _with_cap(set_s: float, asked_s: float) -> Settled:
    return Settled(held=True, after_s=set_s if set_s < asked_s else None)
