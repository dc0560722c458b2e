"""Handing a message over as it is stored: one `Send` with a `Receive` behind it, while nothing else waits.

A worker in the process of the app lets a receive go along with each flush. Where it would be given just what is sent,
the row is stored as running at once. Else it would be stored as waiting, found, read and claimed, in two statements and
two pages of the log more.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from twolane.backends.sqlite import receiving, sends
from twolane.backends.sqlite.sums import note_begun, note_sent
from twolane.backends.sqlite.transaction import Transaction
from twolane.contracts.queue import Delivery, Entry, Outgoing, Receive, Send, Sent
from twolane.values.body import check_body

_INSERT = """
    INSERT INTO messages (seq, id, queue, task, digest, sent_at, max_attempts, parent, state, deliveries, receipt, worker,
        started_at, visible_at)
    SELECT next, ?, ?, ?, ?, ?, ?, ?, 'running', 1, next || '.' || ?, ?, ?, ?
    FROM (SELECT coalesce((SELECT max(seq) FROM messages), 0) + 1 AS next) WHERE true
    ON CONFLICT DO NOTHING
"""


def hand_over(tx: Transaction, entries: Sequence[Entry[Any]]) -> list[Any] | None:
    """Carry out both, which leaves behind what each would by itself.

    Returns:
        The answers of both; None: nothing was done, and each is to be carried out by itself.

    Raises:
        SendRefused: the message cannot be stored.
    """
    match entries:
        case [Send(messages=(message,)), Receive() as wanted] if _fits(message, wanted):
            check_body(message.body, tx.max_body_bytes, message.id)
            delivery = _store(tx, message, wanted) if receiving.finds_nothing(tx, wanted) else None
        case _:
            delivery = None
    return None if delivery is None else [(Sent(delivery.id),), (delivery,)]


def _fits(message: Outgoing, wanted: Receive) -> bool:
    return (
        message.delay_s <= 0
        and message.unique_key is None
        and message.queue in wanted.queues
        and message.task in (wanted.tasks or ())
        and not wanted.strangers
        and wanted.limit > 0
    )


def _store(tx: Transaction, message: Outgoing, wanted: Receive) -> Delivery | None:
    nonce, lease_until = secrets.token_hex(8), tx.now + wanted.lease_s
    cursor = tx.connection.execute(
        _INSERT,
        (
            message.id, message.queue, message.task, message.digest, message.sent_at, message.max_attempts,
            message.parent, nonce, wanted.worker, tx.now, lease_until,
        ),
    )  # fmt: skip
    seq = cursor.lastrowid
    if cursor.rowcount == 0 or seq is None:
        return None  # it is stored already
    sends.store_beside(tx, seq, message)
    note_sent(tx, (message,))
    delivery = Delivery(
        message.id, message.queue, message.task, message.body, f"{seq}.{nonce}", 1, tx.now, lease_until
    )
    note_begun(tx, (delivery,))
    return delivery
