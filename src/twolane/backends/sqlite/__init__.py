"""The embedded queue: one SQLite file, one writer thread a process, one lock round every write."""

from __future__ import annotations

from twolane.backends.sqlite.queue import SqliteQueue
from twolane.backends.sqlite.records import SqliteRecords

__all__ = ["SqliteQueue", "SqliteRecords"]
