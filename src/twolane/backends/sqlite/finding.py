"""Dead letters as people look for them: filtered, counted by kind; and the log of what was done about them."""

from __future__ import annotations

import sqlite3
from typing import Any

from twolane.backends.sqlite.rows import letter, reason_of
from twolane.values.letters import Action, DeadGroup, Matching
from twolane.values.outcome import Reason
from twolane.values.record import DeadLetter

_DEAD = "FROM messages WHERE state = 'dead' AND finished_at IS NOT NULL"


def listed(connection: sqlite3.Connection, which: Matching, limit: int) -> list[DeadLetter]:
    """The newest first."""
    condition, values = _condition(which)
    found = connection.execute(
        f"SELECT seq {_DEAD} {condition} ORDER BY finished_at DESC, seq DESC LIMIT :limit",
        {**values, "limit": max(0, limit)},
    ).fetchall()
    return [letter(connection, seq) for (seq,) in found]


def ids(connection: sqlite3.Connection, which: Matching) -> list[str]:
    """All of them."""
    condition, values = _condition(which)
    return [found for (found,) in connection.execute(f"SELECT id {_DEAD} {condition}", values)]


def groups(connection: sqlite3.Connection, which: Matching, limit: int) -> list[DeadGroup]:
    """By kind, the most frequent first: one walk through an index, and a seek a kind that is shown."""
    condition, values = _condition(which)
    found = connection.execute(
        f"""
        SELECT task, fingerprint, count(*), min(finished_at), max(finished_at) {_DEAD} {condition}
        GROUP BY task, fingerprint
        """,
        values,
    ).fetchall()
    found.sort(key=lambda row: (-row[2], -row[4], row[0], row[1]))
    last = f"""
        SELECT id, reason, error {_DEAD} {condition} AND task = :of_task AND fingerprint = :of_kind
        ORDER BY finished_at DESC LIMIT 1
    """
    shown = found[: max(0, limit)]
    return [
        _group(row, connection.execute(last, {**values, "of_task": row[0], "of_kind": row[1]}).fetchone())
        for row in shown
    ]


def actions(connection: sqlite3.Connection, limit: int) -> list[Action]:
    """What people did, the newest first."""
    found = connection.execute(
        "SELECT id, who, what, which, at, count FROM actions ORDER BY number DESC LIMIT ?", (max(0, limit),)
    )
    return [Action(*row) for row in found]


def _group(row: tuple[Any, ...], last: tuple[str, str | None, str | None] | None) -> DeadGroup:
    task, kind, count, first_at, last_at = row
    message_id, reason, error = last or ("", None, "")  # none: a row put in by hand has no fingerprint
    return DeadGroup(
        task,
        kind or "",
        reason_of(reason) or Reason.UNREADABLE,
        error or "",
        count,
        first_at,
        last_at,
        message_id,
    )


def _condition(which: Matching) -> tuple[str, dict[str, Any]]:
    conditions = {
        "task": "task = :task",
        "reason": "reason = :reason",
        "error": "instr(lower(error), lower(:error))",
        "fingerprint": "fingerprint = :fingerprint",
        "since": "finished_at >= :since",
        "until": "finished_at < :until",
    }
    values = {name: getattr(which, name) for name in conditions if getattr(which, name) is not None}
    if which.reason is not None:
        values["reason"] = which.reason.value
    return "".join(f" AND {conditions[name]}" for name in values), values
