"""The reading side: records, dead letters, statistics. Read-only connections; never makes a file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path

from twolane.backends.sqlite import rows, sums
from twolane.backends.sqlite.liveness import Liveness
from twolane.backends.sqlite.readers import Readers
from twolane.backends.sqlite.receiving import WAITING_NAMES
from twolane.backends.sqlite.workers import listed_workers
from twolane.contracts.clock import Clock
from twolane.values.record import DailySum, DeadLetter, QueueStats, Record, State, Stats

NEXT_VISIBLE = f"""
    {WAITING_NAMES}
    SELECT min((
        SELECT min(visible_at) FROM messages AS m
        WHERE state = 'waiting' AND m.queue = names.queue AND m.task = names.task AND m.suspect = flags.value
            AND m.visible_at > :after
    ))
    FROM names CROSS JOIN json_each('[0, 1]') AS flags
    WHERE names.task IS NOT NULL
"""  # noqa: S608
"""When the next hidden message of these queues becomes visible: two seeks a task name."""

LIST_DEAD = """
    SELECT seq FROM messages
    WHERE state = 'dead' AND finished_at IS NOT NULL AND task = coalesce(:task, task)
    ORDER BY finished_at DESC, seq DESC LIMIT :limit
"""
DEAD_IDS = "SELECT id FROM messages WHERE state = 'dead' AND (? IS NULL OR task = ?)"

OLDEST = "SELECT sent_at FROM messages WHERE state = 'waiting' AND queue = ? AND visible_at <= ? ORDER BY sent_at LIMIT 1"
NOT_UNDERSTOOD = (
    "SELECT count(*) FROM messages WHERE state = 'waiting' AND queue = ? AND waits_since IS NOT NULL"
)


class SqliteRecords:
    """The records of a SQLite queue (contracts.records.Records). Raises QueueMissing where there is none.

    Args:
        path: the database's path.
        clock: for ages.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Clock) -> None:
        database = Path(path).resolve()
        self._readers = Readers(database)
        self._liveness = Liveness(database)
        self._clock = clock

    def get(self, message_id: str) -> Record | None:
        """The record of one message."""
        return self._readers.read(lambda connection: rows.find_record(connection, message_id))

    def body(self, message_id: str) -> str | None:
        """The stored body of one message."""
        return self._readers.read(partial(_body, message_id))

    def list_dead(self, *, task: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Dead letters, the newest first."""
        return self._readers.read(partial(_letters, LIST_DEAD, {"task": task, "limit": max(0, limit)}))

    def dead_ids(self, *, task: str | None = None) -> list[str]:
        """The ids of all dead letters."""
        return self._readers.read(
            lambda connection: [found for (found,) in connection.execute(DEAD_IDS, (task, task))]
        )

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        """One dead letter with every attempt."""
        statement = "SELECT seq FROM messages WHERE id = :id AND state = 'dead'"
        return next(iter(self._readers.read(partial(_letters, statement, {"id": message_id}))), None)

    def stats(self) -> Stats:
        """Counts, workers alive, alerts; no scan, however many messages."""
        return self._readers.read(self._stats)

    def daily_sums(self, since_day: int) -> list[DailySum]:
        """What each task did on each day from this one on."""
        return self._readers.read(partial(sums.since, since_day))

    def blobs_in_use(self) -> AbstractSet[str]:
        """Keys of the blobs that a kept message names."""
        return self._readers.read(_blobs)

    def close(self) -> None:
        """Close the connections; the next read opens others."""
        self._readers.close()

    def _stats(self, connection: sqlite3.Connection) -> Stats:
        kept: dict[str, dict[State, int]] = {}
        pruned: dict[State, int] = {}
        for queue, state, count, gone in connection.execute("SELECT queue, state, kept, pruned FROM counts"):
            if count:
                kept.setdefault(queue, dict.fromkeys(State, 0))[State(state)] = count
            if gone:
                pruned[State(state)] = pruned.get(State(state), 0) + gone
        owed, told = connection.execute(
            "SELECT count(*) - count(told_at), count(told_at) FROM alerts"
        ).fetchone()
        return Stats(
            queues={queue: self._queue_stats(connection, queue, counts) for queue, counts in kept.items()},
            accepted=sum(sum(counts.values()) for counts in kept.values()) + sum(pruned.values()),
            pruned=pruned,
            workers=tuple(
                [worker for worker in listed_workers(connection) if self._liveness.lives(worker.id)]
            ),
            owed_alerts=owed,
            told_alerts=told,
        )

    def _queue_stats(
        self, connection: sqlite3.Connection, queue: str, counts: dict[State, int]
    ) -> QueueStats:
        now = self._clock.now()
        oldest = connection.execute(OLDEST, (queue, now)).fetchone()
        (not_understood,) = connection.execute(NOT_UNDERSTOOD, (queue,)).fetchone()
        return QueueStats(counts, now - oldest[0] if oldest else None, not_understood)


def next_visible_at(connection: sqlite3.Connection, queues: tuple[str, ...], after: float) -> float | None:
    """When the next waiting message of these queues becomes visible, later than `after`."""
    (moment,) = connection.execute(NEXT_VISIBLE, {"queues": json.dumps(queues), "after": after}).fetchone()
    return moment if moment is None else float(moment)


def _body(message_id: str, connection: sqlite3.Connection) -> str | None:
    row = connection.execute(
        "SELECT body FROM messages JOIN bodies USING (seq) WHERE id = ?", (message_id,)
    ).fetchone()
    return row[0] if row else None


def _letters(
    statement: str, parameters: dict[str, object], connection: sqlite3.Connection
) -> list[DeadLetter]:
    found = connection.execute(statement, parameters).fetchall()
    return [rows.letter(connection, seq) for (seq,) in found]


def _blobs(connection: sqlite3.Connection) -> AbstractSet[str]:
    return {key for (key,) in connection.execute("SELECT DISTINCT key FROM blob_refs")}
