"""Storing messages: `Send`, and what a task sent with its settlement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from twolane.backends.sqlite.sums import note_sent
from twolane.backends.sqlite.transaction import Transaction
from twolane.contracts.queue import Outgoing, Send, Sent
from twolane.values.body import check_body
from twolane.values.errors import SendRefused
from twolane.values.policy import SOON_S

_TOGETHER = 10
"""Rows of one statement: ten take 40 % less time than one each, and more gain nothing."""


def _insert_messages(rows: int) -> str:
    row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    return f"""
        INSERT INTO messages (id, queue, task, digest, sent_at, visible_at, max_attempts, unique_key, parent, seq)
        VALUES {", ".join([row] * rows)} ON CONFLICT DO NOTHING
    """  # noqa: S608  (constants)


def _insert_bodies(rows: int) -> str:
    return f"INSERT INTO bodies (seq, body) VALUES {', '.join(['(?, ?)'] * rows)}"  # noqa: S608  (constants)


_INSERT, _INSERT_BODY = _insert_messages(1), _insert_bodies(1)
_INSERT_TEN, _INSERT_TEN_BODIES = _insert_messages(_TOGETHER), _insert_bodies(_TOGETHER)


def send(tx: Transaction, entry: Send) -> tuple[Sent, ...]:
    """Store all messages of the entry, or raise."""
    return store(tx, entry.messages)


def send_all(tx: Transaction, entries: Sequence[Send]) -> list[tuple[Sent, ...]]:
    """As `send`, for many at once.

    Raises:
        SendRefused: one cannot be stored.
        LookupError: one is stored already; which one, `send` tells of each.
    """
    messages = [message for entry in entries for message in entry.messages]
    if len(messages) == 1 or any(message.unique_key is not None for message in messages):
        return [send(tx, entry) for entry in entries]
    for message in messages:
        check_body(message.body, tx.max_body_bytes, message.id)
    (last,) = tx.connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    numbered = list(enumerate(messages, last + 1))
    rows = [_row(tx, message, seq) for seq, message in numbered]
    if _insert_all(tx, _INSERT, _INSERT_TEN, rows) < len(rows):
        raise LookupError("a message is stored already")
    _insert_all(tx, _INSERT_BODY, _INSERT_TEN_BODIES, [(seq, message.body) for seq, message in numbered])
    _store_refs(tx, numbered)
    _note_visible(tx, messages)
    note_sent(tx, messages)
    return [tuple([Sent(message.id) for message in entry.messages]) for entry in entries]


def _insert_all(tx: Transaction, one: str, ten: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Insert rows, by tens as far as they go; answers how many were."""
    whole = len(rows) // _TOGETHER * _TOGETHER
    tens = [list(chain.from_iterable(rows[at : at + _TOGETHER])) for at in range(0, whole, _TOGETHER)]
    execute = tx.connection.executemany
    return execute(ten, tens).rowcount + execute(one, rows[whole:]).rowcount


def store(tx: Transaction, messages: tuple[Outgoing, ...]) -> tuple[Sent, ...]:
    """Store messages; those that are stored already are answered as duplicates.

    Raises:
        SendRefused: one cannot be stored; the caller rolls back the others of its entry.
    """
    return tuple([_store(tx, message) for message in messages])


def _store(tx: Transaction, message: Outgoing) -> Sent:
    if message.unique_key is not None and (stored := _named(tx, message.id)) is not None:
        return stored
    check_body(message.body, tx.max_body_bytes, message.id)
    cursor = tx.connection.execute(_INSERT, _row(tx, message, None))
    seq = cursor.lastrowid
    if cursor.rowcount == 0 or seq is None:
        return _stored_before(tx, message)
    store_beside(tx, seq, message)
    _note_visible(tx, (message,))
    note_sent(tx, (message,))
    return Sent(message.id)


def store_beside(tx: Transaction, seq: int, message: Outgoing) -> None:
    """What a message has beside its row."""
    tx.connection.execute(_INSERT_BODY, (seq, message.body))
    if message.blobs:
        _store_refs(tx, [(seq, message)])


def _row(tx: Transaction, message: Outgoing, seq: int | None) -> tuple[object, ...]:
    return (
        message.id,
        message.queue,
        message.task,
        message.digest,
        message.sent_at,
        tx.now + message.delay_s,
        message.max_attempts,
        message.unique_key,
        message.parent,
        seq,
    )


def _store_refs(tx: Transaction, numbered: Sequence[tuple[int, Outgoing]]) -> None:
    refs = [(seq, key) for seq, message in numbered for key in message.blobs]
    if refs:
        tx.connection.executemany("INSERT OR IGNORE INTO blob_refs (seq, key) VALUES (?, ?)", refs)


def _note_visible(tx: Transaction, messages: Sequence[Outgoing]) -> None:
    if any(message.delay_s < SOON_S for message in messages):
        tx.made_visible = True


def _stored_before(tx: Transaction, message: Outgoing) -> Sent:
    row = tx.connection.execute("SELECT digest FROM messages WHERE id = ?", (message.id,)).fetchone()
    if row is not None:
        if row[0] != message.digest:
            raise SendRefused(
                f"message {message.id} is stored already with another task or other arguments: "
                "nothing was stored; send under a new id",
                [message.id],
            )
        return Sent(message.id, duplicate=True)
    seq, other = tx.connection.execute(
        """
        SELECT seq, id FROM messages
        WHERE task = ? AND unique_key = ? AND unique_key IS NOT NULL AND state IN ('waiting', 'running')
        """,
        (message.task, message.unique_key),
    ).fetchone()
    tx.connection.execute("INSERT INTO aliases (id, seq) VALUES (?, ?)", (message.id, seq))
    return Sent(other, duplicate=True)


def _named(tx: Transaction, alias: str) -> Sent | None:
    """The message an earlier send under a unique key became, whose ticket said this id."""
    row = tx.connection.execute(
        "SELECT messages.id FROM aliases JOIN messages USING (seq) WHERE aliases.id = ?", (alias,)
    ).fetchone()
    return None if row is None else Sent(row[0], duplicate=True)
