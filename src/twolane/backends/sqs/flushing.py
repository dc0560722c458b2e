"""One flush: which of its entries are carried out in one go, and which one by one. The same for both queues on SQS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from twolane.contracts.queue import Entry, Send
from twolane.values.errors import QueueError

Together = Callable[[Sequence[Any]], list[Any]]
"""Carries out entries in one go; answers each."""


class Flushing:
    """Shares entries out; the sends go side by side with what goes together, and the rest follows.

    Args:
        sends: carries out the sends, in a thread of its own.
        together: carry out entries of these kinds, one after the other.
        others: the rest by their kind; a `QueueError` is the entry's answer.
    """

    def __init__(
        self,
        sends: Together,
        together: Sequence[tuple[tuple[type[Entry[Any]], ...], Together]],
        others: Mapping[type[Entry[Any]], Callable[[Any], Any]],
    ) -> None:
        self._sends = sends
        self._together = together
        self._others = others
        self._kinds: tuple[type[Entry[Any]], ...] = (Send, *[kind for kinds, _ in together for kind in kinds])
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="twolane-sqs-sends")

    def flush(self, entries: Sequence[Entry[Any]]) -> list[Any]:
        """Carry out entries; answers in the same order."""
        answers: list[Any] = [None] * len(entries)
        sends = [number for number, entry in enumerate(entries) if isinstance(entry, Send)]
        sending = self._beside.submit(self._sends, [entries[at] for at in sends]) if sends else None
        for kinds, carry_out in self._together:
            about = [number for number, entry in enumerate(entries) if isinstance(entry, kinds)]
            if about:
                _fill(answers, about, carry_out([entries[at] for at in about]))
        if sending is not None:
            _fill(answers, sends, sending.result())
        for number, entry in enumerate(entries):
            if not isinstance(entry, self._kinds):
                answers[number] = self._carry_out(entry)
        return answers

    def close(self) -> None:
        """End its thread."""
        self._beside.shutdown()

    def _carry_out(self, entry: Entry[Any]) -> Any:
        carry_out = self._others.get(type(entry))
        if carry_out is None:
            return QueueError(f"a queue on SQS does not know how to carry out {type(entry).__name__}")
        try:
            return carry_out(entry)
        except QueueError as error:
            return error


def _fill(answers: list[Any], numbers: Sequence[int], told: Sequence[Any]) -> None:
    for number, answer in zip(numbers, told, strict=True):
        answers[number] = answer
