"""Storing messages: the row first, on the condition that there is none, then SQS.

    row (and its unique key in the same transaction) -> SendMessageBatch -> answer

SQS answers entry by entry, and so does this: what SQS has refused has no row afterwards, what it has not answered
for keeps its row and is unknown. A second send under the same id finds the row and goes to SQS again unless this
process knows that SQS has it; two copies of one message in SQS do no harm, since its row is handed out once.
"""

from __future__ import annotations

from collections.abc import Sequence

from twolane.backends.aws import AwsError
from twolane.backends.sqs.admitting import Admitting, Batch, state_failed, unknown
from twolane.backends.sqs.checking import check
from twolane.backends.sqs.letters import posted
from twolane.backends.sqs.wires import Wires
from twolane.contracts.queue import Outgoing, Sent
from twolane.values.errors import QueueError, SendError, SendRefused, SendUnknown


class Sending:
    """Stores messages.

    Args:
        rows: makes their rows.
        wires: the way to SQS.
        max_body_bytes: longer bodies are refused.
    """

    def __init__(self, rows: Admitting, wires: Wires, *, max_body_bytes: int) -> None:
        self.rows = rows
        self._wires = wires
        self._max_body_bytes = max_body_bytes

    def store(
        self, entries: Sequence[tuple[Outgoing, ...]], *, ending: str | None = None
    ) -> list[tuple[Sent, ...] | Exception]:
        """Store the messages of several entries; answers each with what became of it.

        Args:
            entries: their messages.
            ending: the id of a message that ends with this send: its unique key is free.
        """
        batches = [self._checked(messages) for messages in entries]
        for batch in batches:
            batch.ending = ending
        try:
            self.rows.make_rows([batch for batch in batches if batch.error is None])
            self._send([batch for batch in batches if batch.error is None])
        except QueueError as error:
            for batch in batches:
                known = (
                    unknown(batch.messages, str(error)) if batch.made else state_failed(batch.messages, error)
                )
                batch.error = batch.error or known
        for batch in batches:
            if batch.error is None:
                self.rows.count(batch)
        return [
            batch.error or tuple(batch.sent[number] for number in range(len(batch.messages)))
            for batch in batches
        ]

    def _checked(self, messages: tuple[Outgoing, ...]) -> Batch:
        batch = Batch(messages)
        try:
            check(messages, self._wires, self._max_body_bytes)
            for message in messages:
                self.rows.check_blobs(message)
        except SendRefused as error:
            batch.error = error
        return batch

    def _send(self, batches: Sequence[Batch]) -> None:
        messages = [(batch, message) for batch in batches for message in batch.to_sqs]
        told = self._wires.send([posted(message) for _, message in messages])
        failed: dict[int, dict[str, AwsError]] = {}
        for (batch, message), error in zip(messages, told, strict=True):
            if error is None:
                self.rows.remember(message.id)
            else:
                failed.setdefault(id(batch), {})[message.id] = error
        for batch in batches:
            if errors := failed.get(id(batch)):
                refused = {each for each, error in errors.items() if not error.sent}
                self.rows.take_back([item for each, item in batch.made.items() if each in refused])
                batch.error = not_stored(batch.messages, errors)


def not_stored(messages: Sequence[Outgoing], errors: dict[str, AwsError]) -> SendError:
    """What SQS has not taken, or not answered for; each id by name."""
    ids = [message.id for message in messages]
    open_ones = [each for each in ids if each in errors and errors[each].sent]
    refused = [each for each in ids if each in errors and not errors[each].sent]
    why = next(iter(errors.values()))
    if len(refused) == len(ids):
        return SendRefused(f"{why}; nothing was stored: {', '.join(ids)}", ids)
    stored = [each for each in ids if each not in errors]
    parts = [
        f"{word} {', '.join(some)}"
        for word, some in (("stored:", stored), ("not stored:", refused), ("nobody knows:", open_ones))
        if some
    ]
    return SendUnknown(
        f"{why}; {'; '.join(parts)}. Send again under the same ids, which stores nothing twice",
        [*refused, *open_ones],
    )
