"""The changes of state that several verbs make: given back, ended, dead; and what is noted of an attempt.

All are called for a message whose live delivery the caller has proved, or that nobody holds.
"""

from __future__ import annotations

from twolane.backends.sqlite import sums
from twolane.backends.sqlite.transaction import Transaction
from twolane.values.fingerprint import fingerprint, headline
from twolane.values.outcome import Failure, Reason
from twolane.values.policy import SOON_S

_MAX_DIGITS = 18  # of what surely fits a row number

_GIVE_BACK = """
    UPDATE messages SET
        state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'waiting' END,
        finished_at = CASE WHEN cancel_requested THEN :now END,
        receipt = NULL, alone = 0, visible_at = :visible_at,
        attempt = attempt + :charge, suspect = suspect OR :suspect
    WHERE seq = :seq
"""


def held_seq(tx: Transaction, receipt: str) -> int | None:
    """The message that this receipt holds; None: the receipt is stale (L4)."""
    seq = seq_of(receipt)
    found = tx.connection.execute("SELECT seq FROM messages WHERE seq = ? AND receipt = ?", (seq, receipt))
    return seq if found.fetchone() else None


def seq_of(receipt: str) -> int:
    """The row a receipt speaks of; -1: it is none of ours."""
    head = receipt.partition(".")[0]
    return int(head) if head.isascii() and head.isdecimal() and len(head) <= _MAX_DIGITS else -1


def give_back(
    tx: Transaction, seq: int, *, visible_at: float, charge: bool = False, suspect: bool = False
) -> None:
    """Let a running message wait again; one that somebody wants cancelled ends here instead."""
    tx.connection.execute(
        _GIVE_BACK,
        {"seq": seq, "now": tx.now, "visible_at": visible_at, "charge": charge, "suspect": suspect},
    )
    if visible_at < tx.now + SOON_S:
        tx.made_visible = True


def bury(tx: Transaction, seq: int, reason: Reason, public: str | None = None) -> None:
    """Make a message a dead letter, and owe an alert from the same moment."""
    (task,) = tx.connection.execute("SELECT task FROM messages WHERE seq = ?", (seq,)).fetchone()
    last = tx.connection.execute(
        "SELECT error_type, message, traceback FROM attempts WHERE seq = ? ORDER BY entry DESC LIMIT 1",
        (seq,),
    ).fetchone()
    failure = last and Failure(*last)
    kind, error = fingerprint(task, failure), headline(failure)
    tx.connection.execute(
        """
        UPDATE messages SET state = 'dead', reason = ?, public = ?, finished_at = ?, receipt = NULL,
            alone = 0, attempt = min(attempt, max_attempts), fingerprint = ?, error = ?
        WHERE seq = ?
        """,
        (reason.value, None if public is None else storable(public), tx.now, kind, error, seq),
    )
    tx.connection.execute(
        "INSERT INTO outbox (seq, owed_at, fingerprint, title, task, reason) VALUES (?, ?, ?, ?, ?, ?)",
        (seq, tx.now, kind, error, task, reason.value),
    )
    sums.note_dead(tx, task)


def note_attempt(tx: Transaction, seq: int, outcome: str, failure: Failure) -> None:
    """Keep what went wrong in the present attempt, and count it."""
    tx.connection.execute(
        """
        INSERT INTO attempts (seq, number, outcome, error_type, message, traceback, started_at, ended_at)
        SELECT seq, attempt, ?, ?, ?, ?, ?, ? FROM messages WHERE seq = ?
        """,
        (
            outcome,
            storable(failure.error_type),
            storable(failure.message),
            storable(failure.traceback),
            failure.started_at,
            failure.ended_at,
            seq,
        ),
    )
    sums.note_failed(tx, seq, failure.ended_at - failure.started_at)


def storable(text: str) -> str:
    """The text with lone surrogates written out: an exception may carry them, SQLite cannot."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
