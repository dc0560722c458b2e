"""What the carrying out of an entry may use: the open transaction and what follows its commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from twolane.backends.sqlite.liveness import Liveness
from twolane.backends.sqlite.sums import Sum
from twolane.backends.sqlite.wake import Notifier


@dataclass(slots=True)
class Transaction:
    """One flush.

    Attributes:
        connection: inside a transaction.
        now: the time of the flush, in epoch seconds: one for all entries.
        liveness: the lock files of workers.
        notifier: the sockets of workers.
        max_body_bytes: the limit of a body.
        made_visible: a message may have become visible, or will within SOON_S: listeners are told after the commit.
        after_commit: called when the commit stands, still under the write lock.
        begun: by receipt, the task and the begin of deliveries that this process handed out: a memory, not the truth.
        sums: by task, what is to be added to the daily sums and failure rates at the end.
    """

    connection: sqlite3.Connection
    now: float
    liveness: Liveness
    notifier: Notifier
    max_body_bytes: int
    begun: dict[str, tuple[str, float]]
    made_visible: bool = False
    after_commit: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    sums: dict[str, Sum] = field(default_factory=dict[str, Sum])
