"""The reading side: records, dead letters, statistics. Read-only connections; never makes a file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path

from twolane.backends.sqlite import alerts, finding, rows, sums
from twolane.backends.sqlite.liveness import Liveness
from twolane.backends.sqlite.rates import Rates
from twolane.backends.sqlite.readers import Readers
from twolane.backends.sqlite.receiving import WAITING_NAMES
from twolane.backends.sqlite.watching import snapshot, watch_state
from twolane.backends.sqlite.workers import listed_workers
from twolane.contracts.clock import Clock
from twolane.values.condition import WatchState
from twolane.values.letters import ALL, Action, DeadGroup, Matching
from twolane.values.record import Attempt, DailySum, DeadLetter, QueueStats, Record, State, Stats
from twolane.values.snapshot import Snapshot
from twolane.values.telling import Owed, Telling

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
        self._rates = Rates()

    def get(self, message_id: str) -> Record | None:
        """The record of one message."""
        return self._readers.read(lambda connection: rows.find_record(connection, message_id))

    def get_many(self, message_ids: Collection[str]) -> dict[str, Record]:
        """The records of these messages by their own ids."""
        return self._readers.read(lambda connection: rows.find_records(connection, message_ids))

    def body(self, message_id: str) -> str | None:
        """The stored body of one message."""
        return self._readers.read(partial(_body, message_id))

    def list_dead(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadLetter]:
        """Dead letters, the newest first."""
        return self._readers.read(lambda connection: finding.listed(connection, which, limit))

    def dead_ids(self, which: Matching = ALL) -> list[str]:
        """The ids of dead letters."""
        return self._readers.read(lambda connection: finding.ids(connection, which))

    def dead_groups(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadGroup]:
        """Dead letters by kind, the most frequent first."""
        return self._readers.read(lambda connection: finding.groups(connection, which, limit))

    def actions(self, *, limit: int = 100) -> list[Action]:
        """What people did about dead letters, the newest first."""
        return self._readers.read(lambda connection: finding.actions(connection, limit))

    def telling(self) -> Telling:
        """How far each target has been told."""
        return self._readers.read(alerts.telling)

    def owed(self, after: int, *, whole: int = 0) -> Owed:
        """The alerts beyond a number, by kind, and the first `whole` of them whole."""
        return self._readers.read(lambda connection: alerts.owed(connection, after, whole))

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        """One dead letter with every attempt."""
        return self._readers.read(partial(_dead_letter, message_id))

    def attempts(self, message_id: str) -> tuple[Attempt, ...]:
        """The attempts of one message that did not succeed."""
        return self._readers.read(lambda connection: rows.attempts(connection, message_id))

    def stats(self) -> Stats:
        """Counts, workers alive, alerts; no scan, however many messages."""
        return self._readers.read(self._stats)

    def daily_sums(self, since_day: int) -> list[DailySum]:
        """What each task did on each day from this one on."""
        return self._readers.read(partial(sums.since, since_day))

    def blobs_in_use(self) -> AbstractSet[str]:
        """Keys of the blobs that a kept message names."""
        return self._readers.read(_blobs)

    def snapshot(self) -> Snapshot:
        """What the watch looks at; a constant number of statements, however many messages."""
        return self._readers.read(
            lambda connection: snapshot(connection, self._clock.now(), self._liveness, self._rates)
        )

    def watch_state(self) -> WatchState:
        """What the watch knows."""
        return self._readers.read(watch_state)

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
        telling = alerts.telling(connection)
        return Stats(
            queues={queue: self._queue_stats(connection, queue, counts) for queue, counts in kept.items()},
            accepted=sum(sum(counts.values()) for counts in kept.values()) + sum(pruned.values()),
            pruned=pruned,
            workers=tuple(
                [worker for worker in listed_workers(connection) if self._liveness.lives(worker.id)]
            ),
            owed_alerts=telling.last - telling.told,
            told_alerts=telling.told,
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


def _dead_letter(message_id: str, connection: sqlite3.Connection) -> DeadLetter | None:
    found = connection.execute(
        "SELECT seq FROM messages WHERE id = ? AND state = 'dead'", (message_id,)
    ).fetchone()
    return found and rows.letter(connection, found[0])


def _blobs(connection: sqlite3.Connection) -> AbstractSet[str]:
    return {key for (key,) in connection.execute("SELECT DISTINCT key FROM blob_refs")}
