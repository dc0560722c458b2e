"""Change something from the command line: the same batcher over the same queue as everywhere."""

from __future__ import annotations

from typing import TypeVar

from twolane.contracts.queue import Entry, Queue
from twolane.engine.batcher import Batcher

A = TypeVar("A")


def carry_out_one(queue: Queue, entry: Entry[A]) -> A:
    """Carry out one entry; raises what it answers.

    Raises:
        QueueError: what became of it is unknown.
    """
    batcher = Batcher(queue)
    try:
        return batcher.ask_blocking(entry)
    finally:
        batcher.close()
