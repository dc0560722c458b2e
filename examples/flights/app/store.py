"""The app's own database: flights by their natural key, rejected rows, imports, subscribers, events.

Every write may come twice, since a task may run twice; and nothing is counted twice.
"""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from operator import attrgetter

from twolane.csvfile import Chunk

from . import settings
from .models import Flight, RejectedRow

# synchronous=FULL: a checkpoint of the queue must never know of rows that a power cut takes from here.
SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;

CREATE TABLE IF NOT EXISTS flights (
    year INT, month INT, day INT, carrier TEXT, flight INT, origin TEXT, dest TEXT,
    sched_dep_time INT, dep_time INT, dep_delay INT, sched_arr_time INT, arr_time INT, arr_delay INT,
    tailnum TEXT, air_time INT, distance INT,
    PRIMARY KEY (year, month, day, carrier, flight, origin, dest)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS rejected (
    import_id TEXT, line INT, reason TEXT, raw TEXT, PRIMARY KEY (import_id, line)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS imports (id TEXT PRIMARY KEY, line INT, imported INT);
CREATE TABLE IF NOT EXISTS subscribers (email TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS events (name TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP);
"""

COLUMNS = tuple(Flight.model_fields)
PLACES = ", ".join("?" for _ in COLUMNS)
SAVE_FLIGHT = f"INSERT OR REPLACE INTO flights ({', '.join(COLUMNS)}) VALUES ({PLACES})"  # noqa: S608
SAVE_REJECTED = "INSERT OR REPLACE INTO rejected VALUES (?, ?, ?, ?)"
ADVANCE = """
    INSERT INTO imports (id, line, imported) VALUES (?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET line = excluded.line, imported = imported + excluded.imported
    WHERE excluded.line > line
"""

values_of = attrgetter(*COLUMNS)


class Store:
    """One connection, to be used by one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def save(self, import_id: str, chunk: Chunk[Flight]) -> None:
        """Upsert the rows of a chunk and keep its rejected ones, all or none."""
        with self._db as db:
            advanced = db.execute(ADVANCE, (import_id, chunk.line, len(chunk.rows)))
            if advanced.rowcount == 0:
                return  # killed between this and its checkpoint, the task brings the chunk again
            db.executemany(SAVE_FLIGHT, map(values_of, chunk.rows))
            rejected = ((import_id, row.line, row.reason, row.raw[:200]) for row in chunk.rejected)
            db.executemany(SAVE_REJECTED, rejected)

    def counts(self, import_id: str) -> tuple[int, int]:
        """How many rows of an import were imported, and how many rejected."""
        imported = self._one("SELECT coalesce(sum(imported), 0) FROM imports WHERE id = ?", import_id)
        return imported, self._one("SELECT count(*) FROM rejected WHERE import_id = ?", import_id)

    def rejected(self, import_id: str, after_line: int, limit: int) -> list[RejectedRow]:
        """The rejected rows of an import behind a line."""
        found = self._db.execute(
            "SELECT line, reason, raw FROM rejected WHERE import_id = ? AND line > ? ORDER BY line LIMIT ?",
            (import_id, after_line, limit),
        )
        return [RejectedRow(line=line, reason=reason, raw=raw) for line, reason, raw in found]

    def latest_imports(self, limit: int = 10) -> list[str]:
        """The ids of the latest imports; ids begin with their time."""
        found = self._db.execute("SELECT id FROM imports ORDER BY id DESC LIMIT ?", (limit,))
        return [import_id for (import_id,) in found]

    def subscribe(self, email: str) -> None:
        """Keep a subscriber."""
        with self._db as db:
            db.execute("INSERT OR IGNORE INTO subscribers VALUES (?)", (email,))

    def record_event(self, name: str) -> None:
        """Keep an event for the statistics."""
        with self._db as db:
            db.execute("INSERT INTO events (name) VALUES (?)", (name,))

    def count_subscribers(self) -> int:
        """How many there are."""
        return self._one("SELECT count(*) FROM subscribers")

    def _one(self, query: str, *values: str) -> int:
        (found,) = self._db.execute(query, values).fetchone()
        return int(found)


@contextmanager
def opened() -> Generator[Store]:
    """Open the database, and make it where it is missing."""
    with closing(sqlite3.connect(settings.DATABASE, timeout=30)) as connection:
        connection.executescript(SCHEMA)
        yield Store(connection)
