"""Handing out messages: `Receive`.

One seek in the index `ready` for each queue and task the worker serves, so that any number of waiting
messages of other tasks costs nothing. Suspects (their last process died) come first, alone, and only to a
worker that runs nothing else.
"""

from __future__ import annotations

import json
import secrets
from functools import lru_cache
from typing import Any

from twolane.backends.sqlite.rows import checkpoint_of
from twolane.backends.sqlite.sums import note_begun
from twolane.backends.sqlite.transaction import Transaction
from twolane.backends.sqlite.transitions import bury
from twolane.backends.sqlite.workers import listed_workers
from twolane.contracts.queue import Delivery, Receive
from twolane.values.outcome import Reason

UNKNOWN_TO_ALL = ""
"""The task name of a message without envelope: every worker may take and bury it."""

_FIRST, _FIRST_SUSPECT = (
    f"""
    SELECT visible_at, seq FROM messages
    WHERE state = 'waiting' AND queue = ? AND task = ? AND suspect = {suspect} AND visible_at <= ?
    ORDER BY visible_at LIMIT ?
    """  # noqa: S608  (a constant)
    for suspect in (0, 1)
)
"""Two statements: with `suspect` as a parameter SQLite prepares it anew each time, since an index asks for its value."""

_ANY_SUSPECT = "SELECT 1 FROM messages WHERE state = 'waiting' AND suspect = 1 AND visible_at <= ? LIMIT 1"

_COLUMNS = """
    m.seq, m.id, queue, task, body, attempt, max_attempts, waits_since, crashes, cursor, done, total, progressed_at
"""
_READ = f"""
    SELECT {_COLUMNS}
    FROM json_each(?) AS picked CROSS JOIN messages AS m ON m.seq = picked.value LEFT JOIN bodies USING (seq)
"""  # noqa: S608  (constants)
"""From the picked ones to their rows, which no IN could: for that SQLite makes a table of its own each time."""

_READ_ONE = f"SELECT {_COLUMNS} FROM messages AS m LEFT JOIN bodies USING (seq) WHERE m.seq = ?"  # noqa: S608
"""A worker that waits is handed one, without the table that JSON is: it takes a third of the time."""

WAITING_NAMES = """
    WITH RECURSIVE names (queue, task) AS (
        SELECT q.value, (SELECT min(task) FROM messages WHERE state = 'waiting' AND queue = q.value)
        FROM json_each(:queues) AS q
        UNION ALL
        SELECT queue, (
            SELECT min(task) FROM messages AS m
            WHERE state = 'waiting' AND m.queue = names.queue AND m.task > names.task
        )
        FROM names WHERE task IS NOT NULL
    )
"""
"""Each pair of queue and task name that waits: one seek a name, however many messages."""

_CLAIM_WHERE = """
    UPDATE messages SET state = 'running', deliveries = deliveries + 1, receipt = seq || '.' || :nonce,
        worker = :worker, started_at = :now, visible_at = :lease_until, alone = :alone
    WHERE seq
"""
_CLAIM = f"{_CLAIM_WHERE} IN (SELECT value FROM json_each(:picked))"  # noqa: S608
_CLAIM_ONE = f"{_CLAIM_WHERE} = :picked"


def receive(tx: Transaction, entry: Receive) -> tuple[Delivery, ...]:
    """Hand out what is visible."""
    names = _names(tx, entry)
    if entry.limit < 1 or not names:
        return ()
    if entry.idle and _suspects_wait(tx) and (suspect := _hand_out(tx, entry, names, suspect=True)):
        return suspect
    return _hand_out(tx, entry, names, suspect=False)


def finds_nothing(tx: Transaction, entry: Receive) -> bool:
    """Whether a receive of known tasks would be handed nothing that waits now."""
    if entry.idle and _suspects_wait(tx):
        return False
    return not _pick(tx, entry, _names(tx, entry), suspect=False)


def _suspects_wait(tx: Transaction) -> bool:
    """Whether anybody's suspect is visible: one seek where there is none, as nearly always."""
    return tx.connection.execute(_ANY_SUSPECT, (tx.now,)).fetchone() is not None


def _names(tx: Transaction, entry: Receive) -> tuple[str, ...]:
    if entry.tasks is not None and not entry.strangers:
        return (UNKNOWN_TO_ALL, *entry.tasks)
    waiting = tx.connection.execute(
        f"{WAITING_NAMES} SELECT DISTINCT task FROM names WHERE task IS NOT NULL",  # noqa: S608
        {"queues": _as_json(entry.queues)},
    )
    names = {name for (name,) in waiting}
    if entry.strangers:
        known = [name for worker in listed_workers(tx.connection) for name in worker.tasks]
        names -= {UNKNOWN_TO_ALL, *(entry.tasks or ()), *known}
    return tuple(names)


def _hand_out(
    tx: Transaction, entry: Receive, names: tuple[str, ...], *, suspect: bool
) -> tuple[Delivery, ...]:
    while True:
        picked = _pick(tx, entry, names, suspect=suspect)
        if not picked:
            return ()
        read = _READ_ONE if len(picked) == 1 else _READ
        rows = tx.connection.execute(read, (_one_or_all(picked),)).fetchall()
        used_up = [row[0] for row in rows if row[5] > row[6]]
        for seq in used_up:
            bury(tx, seq, Reason.USED_UP)
        if not used_up:
            return _claim(tx, entry, rows, alone=suspect)


def _pick(tx: Transaction, entry: Receive, names: tuple[str, ...], *, suspect: bool) -> list[int]:
    """The first few of each queue and task, of these the first few.

    A statement each: as a single one over two json_each it takes five times as long.
    """
    limit = 1 if suspect else entry.limit
    statement = _FIRST_SUSPECT if suspect else _FIRST
    first = [
        row
        for queue in entry.queues
        for task in names
        for row in tx.connection.execute(statement, (queue, task, tx.now, limit))
    ]
    return [seq for _, seq in sorted(first)[:limit]]


def _claim(tx: Transaction, entry: Receive, rows: list[Any], *, alone: bool) -> tuple[Delivery, ...]:
    lease_until = tx.now + entry.lease_s
    nonce = secrets.token_hex(8)
    tx.connection.execute(
        _CLAIM_ONE if len(rows) == 1 else _CLAIM,
        {
            "nonce": nonce,
            "worker": entry.worker,
            "now": tx.now,
            "lease_until": lease_until,
            "alone": alone,
            "picked": _one_or_all([row[0] for row in rows]),
        },
    )
    deliveries = tuple(
        [
            Delivery(
                message_id, queue, task, body or "", f"{seq}.{nonce}", attempt, tx.now, lease_until, alone,
                checkpoint_of(cursor, done, total, progressed_at), waits_since, crashes,
            )
            for (
                seq, message_id, queue, task, body, attempt, _, waits_since, crashes,
                cursor, done, total, progressed_at,
            ) in rows
        ]
    )  # fmt: skip
    note_begun(tx, deliveries)
    return deliveries


def _one_or_all(picked: list[int]) -> int | str:
    """What the statements take, which are others for a single one."""
    return picked[0] if len(picked) == 1 else json.dumps(picked)


@lru_cache(maxsize=64)
def _as_json(names: tuple[str, ...]) -> str:
    return json.dumps(names)
