"""Whether a worker lives: each holds the lock of a file of its own, which the system frees at its death.

Called under the write lock only, so that nobody sees a file between its making and its locking.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from twolane.backends.sqlite.forking import abandon_after_fork
from twolane.values.errors import QueueError

_SUFFIX = ".lock"
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


def workers_folder(database: Path) -> Path:
    """Where the workers of a database keep their lock files and sockets."""
    return Path(f"{database}-workers")


class Liveness:
    """The lock files of the workers of one database.

    Args:
        database: the database's path.
    """

    def __init__(self, database: Path) -> None:
        self._folder = workers_folder(database)
        self._held: dict[str, int] = {}
        abandon_after_fork(self)

    def hold(self, worker: str) -> None:
        """Show from now on that this worker lives; twice is harmless.

        Raises:
            QueueError: its file cannot be made, or another process shows the same id.
        """
        if worker in self._held:
            return
        if not _ID.fullmatch(worker):
            raise QueueError(f"a worker's id is up to 100 letters, digits, dots and hyphens, not {worker!r}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._file(worker), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise QueueError(f"worker {worker} cannot show that it lives: {error}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise QueueError(f"another process is worker {worker} already: start with a new id") from error
        self._held[worker] = fd

    def let_go(self, worker: str) -> None:
        """Stop showing that this worker lives."""
        fd = self._held.pop(worker, None)
        if fd is not None:
            with suppress(OSError):
                self._file(worker).unlink()
            os.close(fd)

    def lives(self, worker: str) -> bool:
        """Whether somebody holds the worker's file. Safe to ask without the write lock."""
        if not _ID.fullmatch(worker):
            return False
        return _is_locked(self._file(worker))

    def sweep(self) -> None:
        """Remove the files that dead workers left."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.suffix == _SUFFIX and not _is_locked(path):
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of all that this process holds."""
        for worker in list(self._held):
            self.let_go(worker)

    def abandon(self) -> None:
        """In a forked child: close the inherited files, so that a dead parent is seen to be dead."""
        for fd in self._held.values():
            os.close(fd)
        self._held.clear()

    def _file(self, worker: str) -> Path:
        return self._folder / (worker + _SUFFIX)


def _is_locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
