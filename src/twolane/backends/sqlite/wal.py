"""When the write-ahead log is to be checkpointed, and the checkpoint itself; both under the write lock.

SQLite tells the log's length only while checkpointing. But every frame carries the salt of the log's
present round, so one read at a fixed frame says whether the log has grown past it. (Reading the -wal file
aside of SQLite is safe: locks lie on the database and -shm files only.)
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

CHECKPOINT_BYTES = 4 * 1024 * 1024
"""Beyond this the log is copied into the database, as far as readers allow."""

TRUNCATE_BYTES = 64 * 1024 * 1024
"""Beyond this, readers are waited for a moment and the file is cut to nothing."""

_TRUNCATE_WAIT_MS = 100
_HEADER_BYTES, _FRAME_HEADER_BYTES, _SALT_BYTES = 32, 24, 8


class Log:
    """The write-ahead log of one connection.

    Args:
        connection: the writer.
        path: the database's path.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        (self._page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        (self._timeout_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
        self._step = CHECKPOINT_BYTES // self._page_bytes
        self._due_at = self._step
        self._fd = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)

    def checkpoint_if_due(self) -> None:
        """Checkpoint if the log has grown past the limit."""
        if not self._has_frame(self._due_at):
            return
        _, frames, copied = self._checkpoint("PASSIVE")
        if frames * self._page_bytes >= TRUNCATE_BYTES:
            frames, copied = self._truncate()
        # A reader that holds an old snapshot keeps the log from starting anew: try again one step later.
        self._due_at = self._step if frames == copied else frames + self._step

    def close(self) -> None:
        """Close the file that is read aside."""
        with suppress(OSError):
            os.close(self._fd)

    def _has_frame(self, number: int) -> bool:
        salt = os.pread(self._fd, _SALT_BYTES, 16)
        at = _HEADER_BYTES + number * (_FRAME_HEADER_BYTES + self._page_bytes)
        return len(salt) == _SALT_BYTES and os.pread(self._fd, _SALT_BYTES, at + 8) == salt

    def _truncate(self) -> tuple[int, int]:
        self._connection.execute(f"PRAGMA busy_timeout = {_TRUNCATE_WAIT_MS}")
        try:
            _, frames, copied = self._checkpoint("TRUNCATE")
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {self._timeout_ms}")
        return frames, copied

    def _checkpoint(self, mode: str) -> tuple[int, int, int]:
        busy, frames, copied = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        return busy, frames, copied
