"""How a database file is made and opened, and what SQLite's errors mean for people.

The rules (FACTS: measured power cuts and lock losses): the file is made before any connection and never
opened otherwise, since closing a plain file drops the POSIX locks of the whole process; WAL with
synchronous=FULL; no automatic checkpoints.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from twolane.backends.sqlite import schema
from twolane.values.errors import QueueDamaged, QueueError, QueueMissing

BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for a program that does not know our lock, such as the sqlite3 shell."""

_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # macOS: fsync alone does not reach the medium
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)


def create_file(path: Path) -> None:
    """Make an empty database file of mode 0600 where there is none, and make its name durable."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def open_writer(path: Path, *, create: bool, max_pages: int | None = None) -> sqlite3.Connection:
    """Open the database for writing and bring its schema up to date; call it under the write lock.

    Raises:
        QueueError: it cannot be opened, with what to do about it.
    """
    if create:
        try:
            create_file(path)
        except OSError as error:
            raise explain(error, path) from error
    require_file(path)
    connection = _connect(path, "rw")
    try:
        schema.version_of(connection, path)  # before anything is changed in a file that is not ours
        _keep_log(connection, path)
        _configure(connection)
        if max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {int(max_pages)}")
        schema.migrate(connection, path)
    except (sqlite3.Error, QueueError) as error:
        connection.close()
        raise explain(error, path) from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the database for reading only; makes no database.

    Raises:
        QueueMissing: there is none.
        QueueError: it cannot be read, with what to do about it.
    """
    require_file(path)
    connection = _connect(path, "ro")
    try:
        _configure(connection)
        connection.create_function("folded", 1, _folded, deterministic=True)
        connection.execute("PRAGMA query_only = ON")
        schema.require_current(connection, path)
    except (sqlite3.Error, QueueError) as error:
        connection.close()
        raise explain(error, path) from error
    return connection


def require_file(path: Path) -> None:
    """See that there is a file.

    Raises:
        QueueMissing: there is none.
    """
    if not path.exists():
        raise QueueMissing(
            f"there is no queue at {path}: check TWOLANE_QUEUE, or start the app once, which makes it"
        )


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_S,
            cached_statements=256,
            check_same_thread=False,  # one thread at a time: its owner's guard sees to that
        )
    except sqlite3.Error as error:
        raise explain(error, path) from error
    connection.text_factory = _text
    return connection


def _folded(text: str | None) -> str | None:
    """Text for comparing upper with lower case in every script: SQLite's own knows ASCII only."""
    return None if text is None else text.casefold()


def _keep_log(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise QueueError(f"{path}: SQLite cannot keep a write-ahead log here, only {mode}")


def _text(stored: bytes) -> str:
    """A row put in by hand may hold bytes that are no UTF-8: one such row must not stop the others.

    Called for each text that is read; a partial of `str` would take three times as long.
    """
    return stored.decode("utf-8", "replace")


def _configure(connection: sqlite3.Connection) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def explain(error: Exception, path: Path) -> QueueError:
    """Turn what SQLite or the system says into what happened and what to do."""
    if isinstance(error, QueueError):
        return error
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return QueueDamaged(
            f"{path} is damaged or no SQLite database ({error}): keep a copy of it and its -wal file, "
            "then restore a backup or give TWOLANE_QUEUE another path"
        )
    return QueueError(f"{path} {_what_to_do(error, code)}")


def _what_to_do(error: Exception, code: int) -> str:
    if code == sqlite3.SQLITE_READONLY or isinstance(error, PermissionError):
        return (
            f"or its folder cannot be written by user {os.getuid()} ({error}): "
            "give that user both, or point TWOLANE_QUEUE elsewhere"
        )
    if code == sqlite3.SQLITE_FULL:
        return f"cannot grow ({error}): make room on its disk or raise its size limit, then send again"
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"is locked by another program, perhaps a sqlite3 shell ({error}): end its transaction"
    if code == sqlite3.SQLITE_CANTOPEN or isinstance(error, OSError):
        return f"cannot be opened ({error}): it must be a file in a folder that exists and can be written"
    return f"did not take it: {error}"


def close(connection: sqlite3.Connection) -> None:
    """Close a connection; a writing one under the write lock, since the last one to close checkpoints."""
    with suppress(sqlite3.Error):
        connection.close()
