"""The list of workers: `Register` and `Unregister`."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from typing import Any

from twolane.backends.sqlite.rows import from_json
from twolane.backends.sqlite.transaction import Transaction
from twolane.backends.sqlite.transitions import give_back
from twolane.contracts.upkeep import Register, Unregister
from twolane.values.record import WorkerInfo


def register(tx: Transaction, entry: Register) -> None:
    """List a worker; a second time brings its entry up to date."""
    worker = entry.worker
    tx.liveness.hold(worker.id)
    tx.connection.execute(
        "INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            worker.id,
            worker.pid,
            worker.kind,
            json.dumps(worker.queues),
            json.dumps(worker.tasks),
            worker.slots,
            worker.started_at,
            worker.stopping,
        ),
    )


def unregister(tx: Transaction, entry: Unregister) -> None:
    """Take a worker off the list and give back what it holds."""
    for (seq,) in tx.connection.execute(RUNNING_OF_WORKER, (entry.worker,)).fetchall():
        give_back(tx, seq, visible_at=tx.now)
    tx.connection.execute("DELETE FROM workers WHERE id = ?", (entry.worker,))
    tx.after_commit.append(partial(tx.liveness.let_go, entry.worker))


RUNNING_OF_WORKER = "SELECT seq FROM messages WHERE state = 'running' AND worker = ?"
"""Reads the whole index of what runs: a row a slot, never many."""


def listed_workers(connection: sqlite3.Connection) -> list[WorkerInfo]:
    """All that are listed, dead ones included."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT id, pid, kind, queues, tasks, slots, started_at, stopping FROM workers ORDER BY started_at, id"
    ).fetchall()
    return [
        WorkerInfo(
            id=worker_id,
            pid=pid,
            kind=kind,
            queues=_names(queues),
            tasks=_names(tasks),
            slots=slots,
            started_at=started_at,
            stopping=bool(stopping),
        )
        for worker_id, pid, kind, queues, tasks, slots, started_at, stopping in rows
    ]


def _names(stored: str) -> tuple[str, ...]:
    try:
        return tuple(map(str, from_json(stored) or ()))
    except TypeError:  # put in by hand: no list
        return ()
