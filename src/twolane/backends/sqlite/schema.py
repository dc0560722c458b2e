"""The tables of a SQLite queue, their invariants as CHECK constraints, and the way from one version to the next.

A message's row is its record. Bodies lie apart, so that a claim or a settlement never rewrites a large
one. `counts` is kept by triggers: statistics never scan, and what is pruned stays counted.
All times are epoch seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from twolane.values.errors import QueueDamaged, QueueError, QueueMissing, QueueTooNew
from twolane.values.fingerprint import fingerprint, headline
from twolane.values.outcome import Failure

APPLICATION_ID = 0x326C616E  # "2lan": `file` and other programs can tell whose database it is
_STRICT = "STRICT" if sqlite3.sqlite_version_info >= (3, 37) else ""
_STRICT_AND = "STRICT," if _STRICT else ""

_FIRST = (
    f"""
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        queue TEXT NOT NULL,
        task TEXT NOT NULL,
        digest TEXT NOT NULL,
        parent TEXT,
        unique_key TEXT,
        state TEXT NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'running', 'done', 'cancelled', 'dead', 'discarded')),
        attempt INTEGER NOT NULL DEFAULT 1 CHECK (attempt BETWEEN 1 AND max_attempts + 1),
        max_attempts INTEGER NOT NULL CHECK (max_attempts BETWEEN 1 AND 1000000),
        deliveries INTEGER NOT NULL DEFAULT 0 CHECK (deliveries BETWEEN 0 AND 1000000000000),
        sent_at REAL NOT NULL,
        visible_at REAL NOT NULL CHECK (visible_at BETWEEN 0 AND 1e12),
        started_at REAL,
        finished_at REAL,
        receipt TEXT,
        worker TEXT,
        waits_since REAL,
        cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
        suspect INTEGER NOT NULL DEFAULT 0 CHECK (suspect IN (0, 1)),
        alone INTEGER NOT NULL DEFAULT 0 CHECK (alone IN (0, 1)),
        crashes INTEGER NOT NULL DEFAULT 0 CHECK (crashes BETWEEN 0 AND 1000000),
        crash_cursor TEXT,
        cursor TEXT,
        done REAL,
        total REAL,
        progressed_at REAL,
        reason TEXT,
        public TEXT,
        result TEXT,
        CHECK ((state = 'running') = (receipt IS NOT NULL)),
        CHECK ((state = 'dead') = (reason IS NOT NULL)),
        CHECK ((state IN ('waiting', 'running')) = (finished_at IS NULL)),
        CHECK (alone = 0 OR (suspect = 1 AND state = 'running'))
    ) {_STRICT}
    """,
    "CREATE INDEX ready ON messages (queue, task, suspect, visible_at) WHERE state = 'waiting'",
    "CREATE INDEX suspects ON messages (visible_at) WHERE state = 'waiting' AND suspect = 1",
    "CREATE INDEX running ON messages (visible_at, worker) WHERE state = 'running'",
    "CREATE INDEX ended ON messages (state, finished_at) WHERE finished_at IS NOT NULL",
    "CREATE INDEX oldest ON messages (queue, sent_at, visible_at, state) WHERE state = 'waiting'",
    "CREATE INDEX not_understood ON messages (queue) WHERE state = 'waiting' AND waits_since IS NOT NULL",
    """
    CREATE UNIQUE INDEX unique_while_open ON messages (task, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('waiting', 'running')
    """,
    f"""
    CREATE TABLE bodies (
        seq INTEGER PRIMARY KEY REFERENCES messages (seq) ON DELETE CASCADE,
        body TEXT NOT NULL
    ) {_STRICT}
    """,
    f"""
    CREATE TABLE blob_refs (
        seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
        key TEXT NOT NULL,
        PRIMARY KEY (seq, key)
    ) {_STRICT_AND} WITHOUT ROWID
    """,
    f"""
    CREATE TABLE aliases (
        id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE
    ) {_STRICT_AND} WITHOUT ROWID
    """,
    "CREATE INDEX aliases_of ON aliases (seq)",
    f"""
    CREATE TABLE attempts (
        entry INTEGER PRIMARY KEY,
        seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        error_type TEXT NOT NULL,
        message TEXT NOT NULL,
        traceback TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL NOT NULL
    ) {_STRICT}
    """,
    "CREATE INDEX attempts_of ON attempts (seq)",
    f"""
    CREATE TABLE alerts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
        owed_at REAL NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        taken_until REAL NOT NULL DEFAULT 0,
        told_at REAL
    ) {_STRICT}
    """,
    "CREATE INDEX alerts_of ON alerts (seq)",
    "CREATE INDEX alerts_owed ON alerts (number) WHERE told_at IS NULL",
    f"""
    CREATE TABLE workers (
        id TEXT PRIMARY KEY,
        pid INTEGER NOT NULL,
        kind TEXT NOT NULL,
        queues TEXT NOT NULL,
        tasks TEXT NOT NULL,
        slots INTEGER NOT NULL,
        started_at REAL NOT NULL,
        stopping INTEGER NOT NULL CHECK (stopping IN (0, 1))
    ) {_STRICT}
    """,
    f"""
    CREATE TABLE counts (
        queue TEXT NOT NULL,
        state TEXT NOT NULL,
        kept INTEGER NOT NULL DEFAULT 0,
        pruned INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (queue, state)
    ) {_STRICT_AND} WITHOUT ROWID
    """,
    """
    CREATE TRIGGER count_stored AFTER INSERT ON messages BEGIN
        INSERT INTO counts (queue, state, kept) VALUES (new.queue, new.state, 1)
            ON CONFLICT DO UPDATE SET kept = kept + 1;
    END
    """,
    """
    CREATE TRIGGER count_moved AFTER UPDATE OF state, queue ON messages
    WHEN old.state <> new.state OR old.queue <> new.queue BEGIN
        UPDATE counts SET kept = kept - 1 WHERE queue = old.queue AND state = old.state;
        INSERT INTO counts (queue, state, kept) VALUES (new.queue, new.state, 1)
            ON CONFLICT DO UPDATE SET kept = kept + 1;
    END
    """,
    """
    CREATE TRIGGER count_pruned AFTER DELETE ON messages BEGIN
        UPDATE counts SET kept = kept - 1, pruned = pruned + 1
            WHERE queue = old.queue AND state = old.state;
    END
    """,
)

_TELLING = (
    "ALTER TABLE messages ADD COLUMN fingerprint TEXT",
    "ALTER TABLE messages ADD COLUMN error TEXT",
    """
    UPDATE messages SET
        fingerprint = coalesce((
            SELECT fingerprint(messages.task, error_type, message, traceback) FROM attempts
            WHERE attempts.seq = messages.seq ORDER BY entry DESC LIMIT 1
        ), fingerprint(task, NULL, '', '')),
        error = coalesce((
            SELECT headline(error_type, message) FROM attempts
            WHERE attempts.seq = messages.seq ORDER BY entry DESC LIMIT 1
        ), '')
    WHERE state = 'dead'
    """,
    "CREATE INDEX dead_kinds ON messages (state, task, fingerprint, finished_at) WHERE state = 'dead'",
    f"""
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        owed_at REAL NOT NULL,
        fingerprint TEXT NOT NULL,
        title TEXT NOT NULL,
        body TEXT NOT NULL DEFAULT '',
        seq INTEGER REFERENCES messages (seq) ON DELETE CASCADE,
        task TEXT NOT NULL DEFAULT '',
        reason TEXT
    ) {_STRICT}
    """,
    """
    INSERT INTO outbox (owed_at, fingerprint, title, seq, task, reason)
        SELECT owed_at, coalesce(fingerprint, ''), coalesce(error, ''), seq, task, coalesce(reason, '')
        FROM alerts JOIN messages USING (seq) WHERE told_at IS NULL ORDER BY number
    """,
    "DROP TABLE alerts",
    "CREATE INDEX outbox_of ON outbox (seq) WHERE seq IS NOT NULL",
    f"""
    CREATE TABLE targets (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        added_at REAL NOT NULL,
        seen_at REAL NOT NULL,
        version INTEGER NOT NULL DEFAULT 0,
        leased_until REAL NOT NULL DEFAULT 0,
        told_to INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT '{{}}'
    ) {_STRICT_AND} WITHOUT ROWID
    """,
    f"""
    CREATE TABLE actions (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        which TEXT NOT NULL,
        at REAL NOT NULL,
        count INTEGER NOT NULL
    ) {_STRICT}
    """,
)
"""Alerts for several targets; dead letters by kind; what people did about them."""

_WATCH = (
    f"""
    CREATE TABLE watch (
        number INTEGER PRIMARY KEY CHECK (number = 1),
        leader TEXT NOT NULL,
        renewed_at REAL NOT NULL,
        until REAL NOT NULL,
        looked_at REAL,
        probed_at REAL
    ) {_STRICT}
    """,
    "INSERT INTO watch VALUES (1, '', 0, 0, NULL, NULL)",
    f"""
    CREATE TABLE conditions (
        name TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        phase TEXT NOT NULL CHECK (phase IN ('pending', 'holding', 'ended')),
        since REAL NOT NULL,
        title TEXT NOT NULL,
        told_at REAL,
        clear_since REAL,
        times INTEGER NOT NULL,
        level REAL
    ) {_STRICT_AND} WITHOUT ROWID
    """,
    f"""
    CREATE TABLE rates (
        bucket INTEGER NOT NULL,
        task TEXT NOT NULL,
        done INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (task, bucket)
    ) {_STRICT_AND} WITHOUT ROWID
    """,
)
"""Who leads the watch, what it knows, and how the attempts of each task ended lately."""

_SUMMING = (
    f"""
    CREATE TABLE daily_sums (
        day INTEGER NOT NULL,
        task TEXT NOT NULL,
        sent INTEGER NOT NULL,
        sent_bytes INTEGER NOT NULL,
        done INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        dead INTEGER NOT NULL,
        run_s REAL NOT NULL,
        PRIMARY KEY (day, task)
    ) {_STRICT_AND} WITHOUT ROWID
    """,
)
"""What each task did on each day."""

MIGRATIONS: tuple[Sequence[str], ...] = (_FIRST, (*_TELLING, *_WATCH), _SUMMING)
"""What leads from version n to n + 1, at index n. A released one never changes: a new one is added."""


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """The schema's version of an open database; 0: it is empty.

    Raises:
        QueueDamaged: the database belongs to another program.
        QueueTooNew: a newer twolane wrote it.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == 0 and version == 0 and tables == 0:
        return 0
    if application != APPLICATION_ID or version < 1:
        raise QueueDamaged(
            f"{path} is a SQLite database of another program, not a twolane queue: "
            "it was left as it is; give TWOLANE_QUEUE another path"
        )
    if version > len(MIGRATIONS):
        raise QueueTooNew(
            f"{path} has schema version {version}, this twolane knows up to {len(MIGRATIONS)}: "
            "update twolane in this process; the queue was left as it is"
        )
    return int(version)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an open database to the newest version, in one transaction; call it under the write lock."""
    version = version_of(connection, path)
    if version == len(MIGRATIONS):
        return
    connection.create_function("fingerprint", 4, _fingerprint, deterministic=True)
    connection.create_function("headline", 2, _headline, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _fingerprint(task: str, error_type: str | None, message: str, traceback: str) -> str:
    return fingerprint(task, None if error_type is None else Failure(error_type, message, traceback))


def _headline(error_type: str, message: str) -> str:
    return headline(Failure(error_type, message))


def require_current(connection: sqlite3.Connection, path: Path) -> None:
    """See that a reader may read this database.

    Raises:
        QueueMissing: the file is empty: no writer has begun yet.
        QueueError: the schema is older than this twolane: only a writer brings it up to date.
    """
    version = version_of(connection, path)
    if version == 0:
        raise QueueMissing(f"there is no queue at {path} yet, only an empty file: start the app once")
    if version < len(MIGRATIONS):
        raise QueueError(
            f"{path} has schema version {version}, this twolane reads {len(MIGRATIONS)}: "
            "start the app or a worker once, it brings the queue up to date"
        )
