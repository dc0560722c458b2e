"""Change something from the command line: the same batcher over the same queue as everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from typing import TypeVar

from twolane.contracts.queue import Entry, Queue
from twolane.engine.batcher import Batcher
from twolane.values.errors import TwolaneError

A = TypeVar("A")


def carry_out(queue: Queue, entries: Sequence[Entry[A]]) -> list[A | TwolaneError]:
    """Carry out entries in as few commits as may be; answers in the same order, each its own.

    Raises:
        QueueError: what became of them is unknown.
    """
    answers: SimpleQueue[A | Exception] = SimpleQueue()
    batcher = Batcher(queue)
    try:
        for entry in entries:
            batcher.submit(entry, answers.put)
        found = [answers.get() for _ in entries]
    finally:
        batcher.close()
    return [_own(answer) for answer in found]


def carry_out_one(queue: Queue, entry: Entry[A]) -> A:
    """Carry out one entry; raises what it answers."""
    (answer,) = carry_out(queue, [entry])
    if isinstance(answer, TwolaneError):
        raise answer
    return answer


def _own(answer: A | Exception) -> A | TwolaneError:
    if isinstance(answer, Exception) and not isinstance(answer, TwolaneError):
        raise answer
    return answer
