"""Reading connections: a few, handed from thread to thread.

They are opened with mode=ro, and such a connection never checkpoints, not even as the last one to close:
so readers need not wait for the write lock.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from twolane.backends.sqlite import connection as opening
from twolane.backends.sqlite.exits import close_at_exit
from twolane.backends.sqlite.forking import abandon_after_fork, never_close

T = TypeVar("T")


class Readers:
    """As many connections as threads read at the same moment.

    Args:
        path: the database's path.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] = []
        self._file: os.stat_result | None = None
        self._guard = threading.Lock()
        abandon_after_fork(self)
        close_at_exit(self)

    def read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Call `ask` with a connection that sees one moment of the database.

        Raises:
            QueueMissing: there is no database.
            QueueError: it cannot be read.
        """
        connection = self._borrow()
        try:
            connection.execute("BEGIN")
            try:
                return ask(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise opening.explain(error, self._path) from error
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close all connections that are not in use; the next read opens another."""
        with self._guard:
            self._close_idle()

    def abandon(self) -> None:
        """In a forked child: leave the parent's connections alone and start anew."""
        for connection in self._all:
            never_close(connection)
        self._idle, self._all = [], []
        self._guard = threading.Lock()

    def _borrow(self) -> sqlite3.Connection:
        with self._guard:
            self._drop_if_replaced()
            if self._idle:
                return self._idle.pop()
            connection = opening.open_reader(self._path)
            self._all.append(connection)
            self._file = self._path.stat()
            return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._guard:
            self._idle.append(connection)

    def _drop_if_replaced(self) -> None:
        with suppress(FileNotFoundError):
            if self._file is None or os.path.samestat(self._file, self._path.stat()):
                return
        self._close_idle()

    def _close_idle(self) -> None:
        for connection in self._idle:
            self._all.remove(connection)
            opening.close(connection)
        self._idle.clear()
