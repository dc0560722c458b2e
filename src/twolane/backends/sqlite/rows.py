"""From rows to the values that people and the engine read. A spoiled field reads as nothing known, never raises."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any

from twolane.contracts.queue import Checkpoint
from twolane.values.outcome import Failure, Reason
from twolane.values.record import Attempt, DeadLetter, Record, State

_RECORD = """
    SELECT seq, id, task, queue, state, attempt, deliveries, sent_at, visible_at, started_at, finished_at,
        done, total, cursor, progressed_at, crashes, reason, public, result, cancel_requested, worker,
        parent, unique_key
    FROM messages
"""
FIND_MANY = f"{_RECORD} WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608  (a constant)


def find_record(connection: sqlite3.Connection, message_id: str) -> Record | None:
    """The record of one message, also by the id of a send that met it under its unique key."""
    row = (
        connection.execute(f"{_RECORD} WHERE id = ?", (message_id,)).fetchone()
        or connection.execute(
            f"{_RECORD} WHERE seq = (SELECT seq FROM aliases WHERE id = ?)",  # noqa: S608  (a constant)
            (message_id,),
        ).fetchone()
    )
    return None if row is None else _record(row)


def find_records(connection: sqlite3.Connection, message_ids: Collection[str]) -> dict[str, Record]:
    """The records of these messages by their own ids."""
    found = connection.execute(FIND_MANY, (json.dumps(list(message_ids)),))
    return {record.id: record for record in map(_record, found)}


def letter(connection: sqlite3.Connection, seq: int) -> DeadLetter:
    """One message as a dead letter: its record, its body (empty if discarded), its attempts."""
    row = connection.execute(f"{_RECORD} WHERE seq = ?", (seq,)).fetchone()
    body = connection.execute("SELECT body FROM bodies WHERE seq = ?", (seq,)).fetchone()
    return DeadLetter(_record(row), body[0] if body else "", _attempts(connection, seq))


def attempts(connection: sqlite3.Connection, message_id: str) -> tuple[Attempt, ...]:
    """The attempts of one message that did not succeed."""
    found = connection.execute("SELECT seq FROM messages WHERE id = ?", (message_id,)).fetchone()
    return _attempts(connection, found[0]) if found else ()


def _attempts(connection: sqlite3.Connection, seq: int) -> tuple[Attempt, ...]:
    found = connection.execute(
        """
        SELECT number, outcome, error_type, message, traceback, started_at, ended_at
        FROM attempts WHERE seq = ? ORDER BY entry
        """,
        (seq,),
    )
    return tuple(Attempt(number, outcome, Failure(*failure)) for number, outcome, *failure in found)


def checkpoint_of(
    cursor: str | None, done: float | None, total: float | None, saved_at: float | None
) -> Checkpoint | None:
    """What an earlier delivery saved; None: nothing."""
    return None if saved_at is None else Checkpoint(from_json(cursor), done, total)


def from_json(text: str | None) -> Any:
    """A stored JSON value; None where there is none or it cannot be read."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def to_json(value: Any) -> str | None:
    """A JSON value to be stored; None stays NULL.

    Raises:
        ValueError: it holds NaN or infinity.
        TypeError: it is no JSON value.
    """
    return None if value is None else json.dumps(value, allow_nan=False, separators=(",", ":"))


def _record(row: tuple[Any, ...]) -> Record:
    (
        _, message_id, task, queue, state, attempt, deliveries, sent_at, visible_at, started_at, finished_at,
        done, total, cursor, progressed_at, crashes, reason, public, result, cancel_requested, worker,
        parent, unique_key,
    ) = row  # fmt: skip
    return Record(
        id=message_id,
        task=task,
        queue=queue,
        state=State(state),
        attempt=attempt,
        deliveries=deliveries,
        sent_at=sent_at,
        visible_at=visible_at,
        started_at=started_at,
        finished_at=finished_at,
        done=done,
        total=total,
        cursor=from_json(cursor),
        progressed_at=progressed_at,
        crashes=crashes,
        reason=reason_of(reason),
        public=public,
        result=from_json(result),
        cancel_requested=bool(cancel_requested),
        worker=worker,
        parent=parent,
        unique_key=unique_key,
    )


def reason_of(text: str | None) -> Reason | None:
    """A stored reason; None: there is none."""
    if text is None:
        return None
    try:
        return Reason(text)
    except ValueError:
        return Reason.UNREADABLE  # put in by hand: no reason of ours
