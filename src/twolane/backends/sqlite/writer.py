"""The writing connection of one process: opened at first use, dropped when it can no longer be trusted.

It is opened, used, checkpointed and closed under the write lock only. What is carried out in a
transaction: queue.py.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

from twolane.backends.sqlite import connection as opening
from twolane.backends.sqlite.wal import Log
from twolane.backends.sqlite.write_lock import WriteLock
from twolane.values.errors import QueueError

_logger = logging.getLogger("twolane.sqlite")


class Writer:
    """One connection at a time, and its transaction.

    Args:
        path: the database's path.
        create: make the file where there is none.
        max_pages: the largest size in pages of 4 KiB; None: SQLite's own limit.
    """

    def __init__(self, path: Path, *, create: bool, max_pages: int | None) -> None:
        self._path = path
        self._create = create
        self._max_pages = max_pages
        self._lock = WriteLock(path)
        self._connection: sqlite3.Connection | None = None
        self._log: Log | None = None
        self._file: os.stat_result | None = None

    def begin(self) -> sqlite3.Connection:
        """Take the lock and begin a transaction; `end` must follow.

        Raises:
            QueueError: the queue cannot be written now; nothing happened, and nothing is to be ended.
        """
        if not self._create:
            opening.require_file(self._path)  # first, so that nothing at all is made beside a missing one
        try:
            self._lock.take()
        except OSError as error:
            raise opening.explain(error, self._path) from error
        try:
            return self._begin()
        except BaseException:
            self.end()
            raise

    def commit(self) -> None:
        """Commit; where this raises, nobody knows whether it happened.

        The connection is dropped then: after a failed write its cache cannot be trusted, and what the
        file holds is found out by opening it anew.

        Raises:
            QueueError: the commit failed.
        """
        connection = self._connection
        if connection is None:
            raise QueueError(f"{self._path}: nothing was begun")
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.drop()
            raise opening.explain(error, self._path) from error
        self._keep_log_short(connection)

    def roll_back(self) -> None:
        """End the transaction as if nothing had been done."""
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.drop()

    def end(self) -> None:
        """Release the lock."""
        self._lock.release()

    def close(self) -> None:
        """Close what is open, under the lock."""
        if self._connection is not None:
            try:
                self._lock.take()
            except OSError as error:
                _logger.warning("closing without the lock: %s", opening.explain(error, self._path))
            self.drop()
        self._lock.close()

    def drop(self) -> None:
        """Close the connection, rolling back what is open; call it between `begin` and `end`."""
        if self._log is not None:
            self._log.close()
        if self._connection is not None:
            opening.close(self._connection)
        self._connection = self._log = None

    def abandon(self) -> sqlite3.Connection | None:
        """In a forked child: forget the connection without closing it, and give it out to be kept."""
        connection, self._connection = self._connection, None
        if self._log is not None:
            self._log.close()
            self._log = None
        return connection

    def _begin(self) -> sqlite3.Connection:
        if self._connection is not None and not self._is_in_place():
            _logger.warning("%s was removed or replaced while in use: opening it anew", self._path)
            self.drop()
        if self._connection is None:
            self._connection = opening.open_writer(self._path, create=self._create, max_pages=self._max_pages)
            self._file = self._path.stat()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self.drop()
            raise opening.explain(error, self._path) from error
        return self._connection

    def _is_in_place(self) -> bool:
        try:
            return self._file is not None and os.path.samestat(self._file, self._path.stat())
        except OSError:
            return False

    def _keep_log_short(self, connection: sqlite3.Connection) -> None:
        try:
            if self._log is None:
                self._log = Log(connection, self._path)
            self._log.checkpoint_if_due()
        except (sqlite3.Error, OSError) as error:
            # The commit stands in the log. A disk that cannot take a checkpoint is met again at the next.
            _logger.warning("checkpoint failed, nothing is lost: %s", opening.explain(error, self._path))
            self.drop()
