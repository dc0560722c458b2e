"""The lock round every write, every checkpoint and every close of a connection: `flock` on a side file.

SQLite's own waiting is a poll that starves processes for seconds; `flock` queues them fairly. It also
guards against the WAL-reset bug of SQLite before 3.51.3: nobody checkpoints beside anybody else.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from twolane.backends.sqlite.forking import abandon_after_fork


class WriteLock:
    """Excludes every other process, thread and connection that writes to the same database.

    Each instance is used by one thread at a time.

    Args:
        database: the database's path; the lock file is `<database>-lock`.
    """

    def __init__(self, database: Path) -> None:
        self._path = Path(f"{database}-lock")
        self._fd: int | None = None
        abandon_after_fork(self)

    def take(self) -> None:
        """Wait for the lock.

        Raises:
            OSError: the file cannot be made.
        """
        while True:
            if self._fd is None:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if _is_at(self._fd, self._path):
                return
            self.close()  # somebody removed the file: a lock that newcomers cannot see excludes nobody

    def release(self) -> None:
        """Let the next one have it."""
        if self._fd is not None:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    abandon = close


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
