"""The app's own database: flights by their natural key, imports, rejected rows, subscribers, events.

Every write may come twice, since a task may run twice; and nothing is counted twice.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Annotated

from fastapi import Depends

from twolane.csvfile import Chunk, Rejected

from . import settings
from .models import Flight, Import

SCHEMA = Path(__file__).with_name("schema.sql").read_text()
COLUMNS = tuple(Flight.model_fields)
PLACES = ", ".join("?" for _ in COLUMNS)
SAVE_FLIGHT = f"INSERT OR REPLACE INTO flights ({', '.join(COLUMNS)}) VALUES ({PLACES})"  # noqa: S608
SAVE_REJECTED = "INSERT OR REPLACE INTO rejected VALUES (?, ?, ?, ?)"
CLAIM = """
    INSERT INTO imports (id, customer, sha256, name, uploaded_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (customer, sha256) WHERE NOT ended_badly DO NOTHING
"""
ADVANCE = (
    "UPDATE imports SET line = ?, imported = imported + ?, rejected = rejected + ? WHERE id = ? AND line < ?"
)
FINISH = "UPDATE imports SET finished_at = ?, problem = ? WHERE id = ? AND finished_at IS NULL"

values_of = attrgetter(*COLUMNS)


class Store:
    """One connection, to be used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def claim(self, new_id: str, customer: str, sha256: str, name: str) -> Import:
        """The one import of a customer's file: the one that is there, else a new one of this id."""
        with self._db as db:
            db.execute(CLAIM, (new_id, customer, sha256, name, now()))
            # Within the transaction: nobody sets it aside in between.
            (found,) = self._imports("customer = ? AND sha256 = ? AND NOT ended_badly", customer, sha256)
        return found

    def give_up(self, import_id: str) -> None:
        """It ended badly: the next claim of its file is another import."""
        with self._db as db:
            db.execute("UPDATE imports SET ended_badly = TRUE WHERE id = ?", (import_id,))

    def find(self, import_id: str) -> Import | None:
        """The import of this id, if there is one."""
        return next(iter(self._imports("id = ?", import_id)), None)

    def latest(self, customer: str) -> list[Import]:
        """The latest imports of a customer."""
        return self._imports("customer = ? ORDER BY uploaded_at DESC LIMIT 20", customer)

    def begin(self, import_id: str) -> None:
        """An attempt begins: its speed is measured from here, and the customer sees where it went on."""
        with self._db as db:
            begun = db.execute(
                "UPDATE imports SET begun_at_row = imported + rejected WHERE id = ?", (import_id,)
            )
        if begun.rowcount == 0:
            raise LookupError(f"import {import_id} is not in {settings.DATABASE}: was an old copy put back?")

    def save(self, import_id: str, chunk: Chunk[Flight]) -> None:
        """Upsert the rows of a chunk and keep its rejected ones, all or none."""
        with self._db as db:
            advanced = db.execute(
                ADVANCE, (chunk.line, len(chunk.rows), len(chunk.rejected), import_id, chunk.line)
            )
            if advanced.rowcount == 0:
                return  # killed between this and its checkpoint, the task brings the chunk again
            db.executemany(SAVE_FLIGHT, map(values_of, chunk.rows))
            rejected = ((import_id, row.line, row.reason, row.raw) for row in chunk.rejected)
            db.executemany(SAVE_REJECTED, rejected)

    def finish(self, import_id: str, problem: str | None) -> None:
        """Nothing more is read of its file; problem: why not, for the customer."""
        with self._db as db:
            db.execute(FINISH, (now(), problem, import_id))

    def rejected(self, import_id: str, after_line: int = 0, limit: int = 1_000) -> list[Rejected]:
        """The rejected rows of an import behind a line."""
        found = self._db.execute(
            "SELECT line, reason, raw FROM rejected WHERE import_id = ? AND line > ? ORDER BY line LIMIT ?",
            (import_id, after_line, limit),
        )
        return [Rejected(*row) for row in found]

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
        (count,) = self._db.execute("SELECT count(*) FROM subscribers").fetchone()
        return int(count)

    def _imports(self, where: str, *values: str) -> list[Import]:
        found = self._db.execute(f"SELECT * FROM imports WHERE {where}", values)  # noqa: S608
        return [Import.model_validate(dict(row)) for row in found]


def now() -> str:
    """As the database keeps it."""
    return datetime.now(UTC).isoformat()


def opened_store() -> Generator[Store]:
    """The database, made where it is missing; a dependency of endpoints and of tasks."""
    # It is opened in one thread and used in another, never by two at a time.
    connection = sqlite3.connect(settings.DATABASE, timeout=30, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    try:
        connection.executescript(SCHEMA)
        yield Store(connection)
    finally:
        connection.close()


# Closed before the answer leaves, and not when a slow customer has read it.
Db = Annotated[Store, Depends(opened_store, scope="function")]
opened = contextmanager(opened_store)
