"""The outbox and its targets: what is owed, and how far each target has been told.

A death's entry is made with the death (transitions.bury).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from twolane.backends.sqlite.rows import letter, reason_of
from twolane.backends.sqlite.transaction import Transaction
from twolane.backends.sqlite.transitions import storable
from twolane.contracts.outbox import OweNotice, RegisterTargets, SaveTarget
from twolane.values.telling import (
    FORGET_S,
    Notice,
    Owed,
    OwedAlert,
    OwedKind,
    TargetRow,
    TargetState,
    Telling,
)

MAX_KINDS_TOLD = 100
"""How many kinds come with their last error; of the others only how many there are."""

LAST = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)"
KINDS = """
    SELECT fingerprint, count(*), min(owed_at), max(owed_at), seq IS NULL, max(number) FROM outbox
    WHERE number > ? GROUP BY fingerprint
"""
ONE = """
    SELECT outbox.task, outbox.reason, title, coalesce(id, '') FROM outbox LEFT JOIN messages USING (seq)
    WHERE number = ?
"""
FIRST = "SELECT number, owed_at, fingerprint, seq, title, body, reason FROM outbox WHERE number > ? ORDER BY number LIMIT ?"


def owe_notice(tx: Transaction, entry: OweNotice) -> int:
    """Owe it to every target."""
    cursor = tx.connection.execute(
        "INSERT INTO outbox (owed_at, fingerprint, title, body) VALUES (?, ?, ?, ?)",
        (tx.now, storable(entry.key), storable(entry.title), storable(entry.body)),
    )
    return int(cursor.lastrowid or 0)


def register_targets(tx: Transaction, entry: RegisterTargets) -> None:
    """A new one begins where the one that is furthest behind stands; where there is none yet, at the beginning."""
    begin = told_by_all(tx.connection)
    tx.connection.executemany(
        """
        INSERT INTO targets (id, name, added_at, seen_at, told_to) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at
        """,
        [(target, storable(name), tx.now, tx.now, begin) for target, name in entry.targets],
    )
    # A clock that was put back leaves times in the future: they would seem to be seen for ever.
    tx.connection.execute("UPDATE targets SET seen_at = ? WHERE seen_at > ?", (tx.now, tx.now))
    tx.connection.execute("DELETE FROM targets WHERE seen_at <= ?", (tx.now - FORGET_S,))


def save_target(tx: Transaction, entry: SaveTarget) -> int | None:
    """Only for who has seen the row as it is."""
    state = entry.state
    cursor = tx.connection.execute(
        """
        UPDATE targets SET version = version + 1, leased_until = ?, told_to = ?, state = ?
        WHERE id = ? AND version = ?
        """,
        (entry.leased_until, state.told_to, _written(state), entry.target, entry.version),
    )
    return entry.version + 1 if cursor.rowcount else None


def told_by_all(connection: sqlite3.Connection) -> int:
    """Up to which number every target was told, those that are not served any more too."""
    (told,) = connection.execute("SELECT coalesce(min(told_to), 0) FROM targets").fetchone()
    return int(told)


def telling(connection: sqlite3.Connection) -> Telling:
    """How far each target has been told."""
    (last,) = connection.execute(LAST).fetchone()
    rows = connection.execute(
        "SELECT id, name, added_at, seen_at, version, leased_until, told_to, state FROM targets ORDER BY id"
    )
    return Telling(last, tuple([_row(*row) for row in rows]))


def _row(
    target: str,
    name: str,
    added_at: float,
    seen_at: float,
    version: int,
    leased_until: float,
    told_to: int,
    state: str,
) -> TargetRow:
    return TargetRow(target, name, added_at, seen_at, version, leased_until, _read(told_to, state))


def owed(connection: sqlite3.Connection, after: int, whole: int) -> Owed:
    """The alerts beyond a number: a statement for all, one for each kind that is told by name."""
    (last,) = connection.execute(LAST).fetchone()
    found = connection.execute(KINDS, (after,)).fetchall()
    found.sort(key=lambda row: (-row[1], row[5]))
    kinds = [_kind(connection, *row) for row in found[:MAX_KINDS_TOLD]]
    kinds += [OwedKind(kind, count, since, until) for kind, count, since, until, *_ in found[MAX_KINDS_TOLD:]]
    first = connection.execute(FIRST, (after, max(0, whole))).fetchall()
    return Owed(
        up_to=last,
        total=sum(kind.count for kind in kinds),
        kinds=tuple(kinds),
        first=tuple(_alerts(connection, first)),
    )


def _kind(
    connection: sqlite3.Connection,
    kind: str,
    count: int,
    first_at: float,
    last_at: float,
    notice: int,
    number: int,
) -> OwedKind:
    task, reason, title, message_id = connection.execute(ONE, (number,)).fetchone()
    return OwedKind(kind, count, first_at, last_at, bool(notice), task, reason_of(reason), title, message_id)


def _alerts(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> Iterable[OwedAlert]:
    for number, owed_at, fingerprint, seq, title, body, reason in rows:
        if seq is None:
            yield OwedAlert(number, owed_at, fingerprint, notice=Notice(fingerprint, title, body))
        else:
            found = letter(connection, seq)
            yield OwedAlert(number, owed_at, fingerprint, letter=found, reason=reason_of(reason), error=title)


def _written(state: TargetState) -> str:
    return json.dumps(
        {
            "tries": state.tries,
            "next_at": state.next_at,
            "error": None if state.error is None else storable(state.error),
            "failed_at": state.failed_at,
            "told_at": state.told_at,
            "sent": state.sent,
            "kinds": dict(state.kinds),
        }
    )


def _read(told_to: int, text: str) -> TargetState:
    """What lies there; one that somebody spoiled by hand reads as if nothing had ever gone."""
    try:
        found: dict[str, Any] = json.loads(text)
        return TargetState(
            told_to=told_to,
            tries=int(found.get("tries", 0)),
            next_at=float(found.get("next_at", 0.0)),
            error=found.get("error"),
            failed_at=found.get("failed_at"),
            told_at=found.get("told_at"),
            sent=tuple([float(each) for each in found.get("sent", ())]),
            kinds={str(kind): float(at) for kind, at in found.get("kinds", {}).items()},
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return TargetState(told_to)
