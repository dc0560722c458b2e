"""What people do to a message by its id: cancel, redrive, discard."""

from __future__ import annotations

from twolane.backends.sqlite.transaction import Transaction
from twolane.contracts.queue import CancelMessage, Discard, Redrive
from twolane.values.body import check_body
from twolane.values.errors import SendRefused
from twolane.values.record import State


def cancel_message(tx: Transaction, entry: CancelMessage) -> State | None:
    """Cancel a waiting message at once, ask a running one to end."""
    found = _find(tx, entry.id)
    if found is None:
        return None
    seq, state = found
    if state is State.WAITING:
        tx.connection.execute(
            "UPDATE messages SET state = 'cancelled', finished_at = ? WHERE seq = ?", (tx.now, seq)
        )
        return State.CANCELLED
    if state is State.RUNNING:
        tx.connection.execute("UPDATE messages SET cancel_requested = 1 WHERE seq = ?", (seq,))
    return state


def redrive(tx: Transaction, entry: Redrive) -> State | None:
    """Send a dead letter back: attempts and crashes count anew; its checkpoint holds for the same body only."""
    found = _find(tx, entry.id)
    if found is None or found[1] is not State.DEAD:
        return found[1] if found else None
    seq = found[0]
    _refuse_twin(tx, seq, entry)
    if entry.body is not None:
        check_body(entry.body, tx.max_body_bytes, entry.id)
        tx.connection.execute("UPDATE bodies SET body = ? WHERE seq = ?", (entry.body, seq))
        tx.connection.execute(
            """
            UPDATE messages SET digest = coalesce(?, digest), unique_key = coalesce(?, unique_key),
                cursor = NULL, done = NULL, total = NULL, progressed_at = NULL
            WHERE seq = ?
            """,
            (entry.digest, entry.unique_key, seq),
        )
    tx.connection.execute(
        """
        UPDATE messages SET state = 'waiting', reason = NULL, public = NULL, finished_at = NULL,
            visible_at = ?, attempt = 1, crashes = 0, crash_cursor = NULL, suspect = 0,
            waits_since = NULL, cancel_requested = 0
        WHERE seq = ?
        """,
        (tx.now, seq),
    )
    tx.made_visible = True
    return State.WAITING


def discard(tx: Transaction, entry: Discard) -> State | None:
    """Delete what a dead letter holds; that it was there stays known until it is pruned."""
    found = _find(tx, entry.id)
    if found is None or found[1] is not State.DEAD:
        return found[1] if found else None
    seq = found[0]
    for table in ("bodies", "blob_refs", "attempts"):
        tx.connection.execute(f"DELETE FROM {table} WHERE seq = ?", (seq,))  # noqa: S608
    tx.connection.execute(
        "UPDATE messages SET state = 'discarded', reason = NULL, finished_at = ? WHERE seq = ?", (tx.now, seq)
    )
    return State.DISCARDED


def state_of(tx: Transaction, message_id: str) -> State | None:
    """The state of a message now; None: there is none."""
    found = _find(tx, message_id)
    return None if found is None else found[1]


def _refuse_twin(tx: Transaction, seq: int, entry: Redrive) -> None:
    twin = tx.connection.execute(
        """
        SELECT twin.id FROM messages AS dead JOIN messages AS twin USING (task)
        WHERE dead.seq = ? AND twin.unique_key = coalesce(?, dead.unique_key) AND twin.unique_key IS NOT NULL
            AND twin.state IN ('waiting', 'running')
        """,
        (seq, entry.unique_key),
    ).fetchone()
    if twin is not None:
        raise SendRefused(
            f"message {entry.id} stays dead: {twin[0]} waits or runs under the same unique key; "
            "redrive when that one has ended",
            [entry.id],
        )


def _find(tx: Transaction, message_id: str) -> tuple[int, State] | None:
    row = tx.connection.execute("SELECT seq, state FROM messages WHERE id = ?", (message_id,)).fetchone()
    return None if row is None else (row[0], State(row[1]))
