"""Storing messages: the row first, on the condition that there is none, then SQS.

    row (and its unique key in the same transaction) -> SendMessageBatch -> answer

SQS answers entry by entry, and so does this: what SQS has refused has no row afterwards, what it has not answered
for keeps its row and is unknown. A second send under the same id finds the row and goes to SQS again unless this
process knows that SQS has it; two copies of one message in SQS do no harm, since its row is handed out once.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twolane.backends.aws import AwsError
from twolane.backends.sqs.checking import check
from twolane.backends.sqs.ledger import Ledger
from twolane.backends.sqs.letters import fresh, posted
from twolane.backends.sqs.rows import Row, from_text, is_large, key_of
from twolane.backends.sqs.swaps import ROUNDS
from twolane.backends.sqs.turns import refused_digest
from twolane.backends.sqs.wires import Wires
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Outgoing, Sent
from twolane.contracts.state import Change, Conflict, Item
from twolane.values.errors import QueueError, SendError, SendRefused, SendUnknown

KEPT_S = 30 * 86_400.0
"""How long a unique key and another name of a message are kept at most: longer than SQS keeps any message."""
REMEMBERED = 10_000


@dataclass(slots=True)
class Batch:
    """The messages of one entry on their way: all or none as far as the rows go.

    Attributes:
        messages: them.
        sent: what is known of each.
        made: the rows that this send has made, by id.
        to_sqs: those that SQS must hear of.
        error: why the entry fails.
        ending: the id of a message that ends with this send.
    """

    messages: tuple[Outgoing, ...]
    sent: dict[int, Sent] = field(default_factory=dict[int, Sent])
    made: dict[str, Item] = field(default_factory=dict[str, Item])
    to_sqs: list[Outgoing] = field(default_factory=list[Outgoing])
    error: Exception | None = None
    ending: str | None = None

    def new(self) -> list[Outgoing]:
        """The messages that were not there before."""
        return [message for message in self.messages if message.id in self.made]


class Sending:
    """Stores messages.

    Args:
        ledger: their rows.
        wires: the way to SQS.
        clock: the time of delays.
        new_token: makes a token, never twice the same.
        max_body_bytes: longer bodies are refused.
    """

    def __init__(
        self,
        ledger: Ledger,
        wires: Wires,
        clock: Clock,
        *,
        new_token: Callable[[], str],
        max_body_bytes: int,
    ) -> None:
        self._new_token = new_token
        self._ledger = ledger
        self._wires = wires
        self._now = clock.now
        self._max_body_bytes = max_body_bytes
        self._stored: OrderedDict[str, None] = OrderedDict()

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
            self._make_rows([batch for batch in batches if batch.error is None])
            self._send([batch for batch in batches if batch.error is None])
        except QueueError as error:
            for batch in batches:
                known = (
                    _unknown(batch.messages, str(error))
                    if batch.made
                    else _state_failed(batch.messages, error)
                )
                batch.error = batch.error or known
        for batch in batches:
            if batch.error is None:
                self._ledger.sums.note_sent(batch.new())
        return [
            batch.error or tuple(batch.sent[number] for number in range(len(batch.messages)))
            for batch in batches
        ]

    def _checked(self, messages: tuple[Outgoing, ...]) -> Batch:
        batch = Batch(messages)
        try:
            check(messages, self._wires, self._max_body_bytes)
        except SendRefused as error:
            batch.error = error
        return batch

    # Rows

    def _make_rows(self, batches: Sequence[Batch]) -> None:
        """The plain ones in as few calls as can be, those with a unique key one by one."""
        plain: list[tuple[Batch, int, Change]] = []
        seen: set[str] = set()
        for batch in batches:
            if any(message.unique_key is not None or message.id in seen for message in batch.messages) or len(
                {message.id for message in batch.messages}
            ) < len(batch.messages):
                continue
            seen |= {message.id for message in batch.messages}
            plain += [(batch, number, self._row(message)) for number, message in enumerate(batch.messages)]
        answers = self._ledger.state.write([[change] for _, _, change in plain])
        for (batch, number, change), answer in zip(plain, answers, strict=True):
            self._note(batch, number, change, answer)
        done = {id(batch) for batch, _, _ in plain}
        for batch in batches:
            if id(batch) not in done:
                for number in range(len(batch.messages)):
                    if batch.error is None:
                        self._admit(batch, number)
        for batch in batches:
            if batch.error is not None:
                self._take_back(batch.made.values())

    def _row(self, message: Outgoing) -> Change:
        large = is_large(message.body)
        if large:
            self._ledger.put_body(message.id, message.body)
        return self._ledger.new(fresh(message, self._now(), self._new_token(), inline=not large))

    def _note(self, batch: Batch, number: int, change: Change, answer: Conflict | Exception | None) -> None:
        message = batch.messages[number]
        if answer is None and change.after is not None:
            batch.sent[number] = Sent(message.id)
            batch.made[message.id] = change.after
            batch.to_sqs.append(message)
        elif isinstance(answer, Conflict):
            self._meet(batch, number, answer.now.get(change.key))
        elif batch.error is None:
            batch.error = _state_failed(batch.messages, answer)

    def _meet(self, batch: Batch, number: int, item: Item | None) -> None:
        """The id is stored already, or was until a moment ago."""
        message = batch.messages[number]
        if item is None:
            batch.error = batch.error or _unknown(batch.messages, "its record went while it was looked at")
            return
        row = from_text(item.text)
        if row.digest != message.digest:
            batch.error = batch.error or refused_digest(message.id)
            return
        batch.sent[number] = Sent(message.id, duplicate=True)
        if (
            row.is_open
            and not row.record.deliveries
            and message.id not in self._stored
            and (message.id not in batch.made)
        ):
            batch.to_sqs.append(message)

    def _admit(self, batch: Batch, number: int) -> None:
        """One message by itself: its other names, its unique key, its row."""
        message = batch.messages[number]
        alias, unique = f"alias/{message.id}", unique_key_of(message.task, message.unique_key)
        for _ in range(ROUNDS):
            found = self._ledger.state.read([alias, key_of(message.id), *([unique] if unique else [])])
            if unique and alias in found and (target := self._row_named(found[alias])) is not None:
                batch.sent[number] = Sent(target.record.id, duplicate=True)
                return
            if key_of(message.id) in found:
                self._meet(batch, number, found[key_of(message.id)])
                return
            holder = self._row_named(found[unique]) if unique and unique in found else None
            if holder is not None and holder.is_open and holder.record.id != batch.ending:
                self._name(alias, found.get(alias), holder.record.id)
                batch.sent[number] = Sent(holder.record.id, duplicate=True)
                return
            change = self._row(message)
            group = [change]
            if unique:
                group.append(
                    Change(unique, found.get(unique), self._pointer(unique, found.get(unique), message.id))
                )
            [answer] = self._ledger.state.write([group])
            if not isinstance(answer, Conflict):
                self._note(batch, number, change, answer)
                return
        batch.error = _unknown(batch.messages, "others send under the same key all the time")

    def _row_named(self, pointer: Item) -> Row | None:
        found = self._ledger.rows([pointer.text]).get(pointer.text)
        return None if found is None else found[1]

    def _name(self, alias: str, before: Item | None, message_id: str) -> None:
        [answer] = self._ledger.state.write(
            [[Change(alias, before, self._pointer(alias, before, message_id))]]
        )
        if isinstance(answer, Exception):
            raise answer

    def _pointer(self, key: str, before: Item | None, message_id: str) -> Item:
        version = 1 if before is None else before.version + 1
        return Item(key, version, message_id, expires_at=float(int(self._now() + KEPT_S)))

    def claim(self, row: Row) -> Row | None:
        """Take the unique key of a message that is to wait again; answers who else waits or runs under it."""
        unique = unique_key_of(row.record.task, row.record.unique_key)
        if unique is None:
            return None
        for _ in range(ROUNDS):
            before = self._ledger.state.read([unique]).get(unique)
            holder = None if before is None else self._row_named(before)
            if holder is not None and holder.is_open and holder.record.id != row.record.id:
                return holder
            after = self._pointer(unique, before, row.record.id)
            [answer] = self._ledger.state.write([[Change(unique, before, after)]])
            if isinstance(answer, Exception):
                raise answer
            if answer is None:
                return None
        raise QueueError("others send under the same unique key all the time")

    def _take_back(self, items: Any) -> None:
        """Rows of messages that SQS surely does not have."""
        self._ledger.state.write([[Change(item.key, item, None)] for item in items])

    # SQS

    def _send(self, batches: Sequence[Batch]) -> None:
        messages = [(batch, message) for batch in batches for message in batch.to_sqs]
        told = self._wires.send([posted(message) for _, message in messages])
        failed: dict[int, dict[str, AwsError]] = {}
        for (batch, message), error in zip(messages, told, strict=True):
            if error is None:
                self.remember(message.id)
            else:
                failed.setdefault(id(batch), {})[message.id] = error
        for batch in batches:
            if errors := failed.get(id(batch)):
                refused = {each for each, error in errors.items() if not error.sent}
                self._take_back([item for each, item in batch.made.items() if each in refused])
                batch.error = not_stored(batch.messages, errors)

    def remember(self, message_id: str) -> None:
        """SQS has it."""
        self._stored[message_id] = None
        if len(self._stored) > REMEMBERED:
            self._stored.popitem(last=False)


def unique_key_of(task: str, unique_key: str | None) -> str | None:
    """Where it stands who waits or runs under a unique key."""
    return None if unique_key is None else f"unique/{json.dumps([task, unique_key])}"


def not_stored(messages: Sequence[Outgoing], errors: dict[str, AwsError]) -> SendError:
    """What SQS has not taken, or not answered for; each id by name."""
    ids = [message.id for message in messages]
    unknown = [each for each in ids if each in errors and errors[each].sent]
    refused = [each for each in ids if each in errors and not errors[each].sent]
    why = next(iter(errors.values()))
    if len(refused) == len(ids):
        return SendRefused(f"{why}; nothing was stored: {', '.join(ids)}", ids)
    stored = [each for each in ids if each not in errors]
    parts = [
        f"{word} {', '.join(some)}"
        for word, some in (("stored:", stored), ("not stored:", refused), ("nobody knows:", unknown))
        if some
    ]
    return SendUnknown(
        f"{why}; {'; '.join(parts)}. Send again under the same ids, which stores nothing twice",
        [*refused, *unknown],
    )


def _state_failed(messages: Sequence[Outgoing], error: Exception | None) -> SendError:
    ids = [message.id for message in messages]
    if isinstance(error, AwsError) and not error.sent:
        return SendRefused(f"{error}; nothing was stored: {', '.join(ids)}", ids)
    return _unknown(messages, str(error))


def _unknown(messages: Sequence[Outgoing], why: str) -> SendUnknown:
    ids = [message.id for message in messages]
    return SendUnknown(
        f"{why}; they may have been stored: {', '.join(ids)}. Send again under the same ids, which stores nothing "
        "twice",
        ids,
    )
