"""The rows of messages that are being sent: each is written on the condition that there is none.

What has nothing to do with another item goes in as few calls as can be. A row that names blobs, or has a unique key, is
written with them in one transaction.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from twolane.backends.aws import AwsError
from twolane.backends.computing import in_breaths
from twolane.backends.sqs.ledger import Ledger
from twolane.backends.sqs.letters import fresh
from twolane.backends.sqs.named import MOST_BLOBS, blob_key
from twolane.backends.sqs.naming import Naming
from twolane.backends.sqs.rows import Row, from_text, is_large, key_of
from twolane.backends.sqs.swaps import ROUNDS
from twolane.backends.sqs.turns import refused_digest
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Outgoing, Sent
from twolane.contracts.state import Change, Conflict, Item
from twolane.values.errors import BlobSpent, QueueError, SendError, SendRefused, SendUnknown

KEPT_S = 30 * 86_400.0
"""How long a unique key and another name of a message are kept at most: longer than SQS keeps any message."""
REMEMBERED = 10_000
CHANGES = 90
"""So many items one transaction changes: it takes 100."""


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


class Admitting:
    """Makes rows.

    Args:
        ledger: where they are.
        naming: writes down who names a blob.
        clock: the time of delays.
        new_token: makes a token, never twice the same.
    """

    def __init__(self, ledger: Ledger, naming: Naming, clock: Clock, *, new_token: Callable[[], str]) -> None:
        self._ledger = ledger
        self._naming = naming
        self._now = clock.now
        self._new_token = new_token
        self._in_sqs: OrderedDict[str, None] = OrderedDict()

    def check_blobs(self, message: Outgoing) -> None:
        """See that all blobs of a message go into one transaction.

        Raises:
            SendRefused: they are too many.
        """
        if self._naming.counts and len(message.blobs) > MOST_BLOBS:
            raise SendRefused(
                f"message {message.id} names {len(message.blobs)} blobs, and on AWS one names {MOST_BLOBS} at most: put "
                "them into one file, or send several tasks; nothing was stored",
                [message.id],
            )

    def count(self, batch: Batch) -> None:
        """These messages are stored."""
        self._ledger.sums.note_sent(batch.new())

    def make_rows(self, batches: Sequence[Batch]) -> None:
        """The plain ones in as few calls as can be, those that name blobs or have a unique key in transactions."""
        alone: list[tuple[Batch, int, Outgoing]] = []
        seen: set[str] = set()
        for batch in batches:
            if any(
                message.unique_key is not None or message.id in seen or self._names_blobs(message)
                for message in batch.messages
            ) or len({message.id for message in batch.messages}) < len(batch.messages):
                continue
            seen |= {message.id for message in batch.messages}
            alone += [(batch, number, message) for number, message in enumerate(batch.messages)]
        plain = [(batch, number, self._row(message)) for batch, number, message in in_breaths(alone)]
        answers = self._ledger.state.write([[change] for _, _, change in plain])
        for (batch, number, change), answer in zip(plain, answers, strict=True):
            self._note(batch, number, change, answer)
        done = {id(batch) for batch, _, _ in plain}
        for batch in batches:
            if id(batch) not in done:
                self._make_whole(batch)
        for batch in batches:
            if batch.error is not None:
                self.take_back(batch.made.values())

    def _names_blobs(self, message: Outgoing) -> bool:
        return self._naming.counts and bool(message.blobs)

    def _make_whole(self, batch: Batch) -> None:
        """The messages of a batch in transactions: those with a unique key one by one, the others together."""
        together: list[int] = []
        ids: set[str] = set()
        for number, message in enumerate(batch.messages):
            if message.unique_key is None and message.id not in ids and self._names_blobs(message):
                together.append(number)
                ids.add(message.id)
        known: dict[str, Item | None] = {}
        while together and batch.error is None:
            together = self._store_together(batch, together, known)
        for number in range(len(batch.messages)):
            if batch.error is None and number not in batch.sent:
                self._admit(batch, number)

    def _store_together(self, batch: Batch, numbers: list[int], known: dict[str, Item | None]) -> list[int]:
        """As many as one transaction takes; answers those that are left.

        Messages that share a blob change one item, so they go together: one by one each would wait for the last.
        """
        some = _as_many_as_fit(batch.messages, numbers)
        for _ in range(ROUNDS):
            open_ones = [number for number in some if number not in batch.sent]
            if not open_ones:
                return numbers[len(some) :]
            rows = [self._row(batch.messages[number]) for number in open_ones]
            try:
                names = self._names_of(batch, open_ones, known)
            except BlobSpent as error:
                if not self._meet_stored(batch, open_ones):
                    batch.error = batch.error or error
                    return []
                continue
            [answer] = self._ledger.state.write([[*rows, *names]])
            if isinstance(answer, Conflict):
                known |= {change.key: answer.now.get(change.key) for change in names}
                for number, row in zip(open_ones, rows, strict=True):
                    if (found := answer.now.get(row.key)) is not None:
                        self._meet(batch, number, found)
                if batch.error is not None:
                    return []
                continue
            for number, row in zip(open_ones, rows, strict=True):
                self._note(batch, number, row, answer)
            known |= {change.key: change.after for change in names}
            return numbers[len(some) :]
        batch.error = unknown(batch.messages, "others name the same blobs all the time")
        return []

    def _names_of(self, batch: Batch, numbers: Sequence[int], known: dict[str, Item | None]) -> list[Change]:
        """Who names the blobs of these messages from now on.

        Raises:
            BlobSpent: all messages that named one of them have ended.
        """
        wanted: dict[str, list[str]] = {}
        for number in numbers:
            for key in batch.messages[number].blobs:
                wanted.setdefault(key, []).append(batch.messages[number].id)
        return self._naming.changes(wanted, known)

    def _meet_stored(self, batch: Batch, numbers: Sequence[int]) -> bool:
        """Those that are stored already need no blob any more; whether there were any."""
        found = self._ledger.rows([batch.messages[number].id for number in numbers])
        met = [number for number in numbers if batch.messages[number].id in found]
        for number in met:
            self._meet(batch, number, found[batch.messages[number].id][0])
        return bool(met) and batch.error is None

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
            batch.error = state_failed(batch.messages, answer)

    def _meet(self, batch: Batch, number: int, item: Item | None) -> None:
        """The id is stored already, or was until a moment ago."""
        message = batch.messages[number]
        if item is None:
            batch.error = batch.error or unknown(batch.messages, "its record went while it was looked at")
            return
        row = from_text(item.text)
        if row.digest != message.digest:
            batch.error = batch.error or refused_digest(message.id)
            return
        batch.sent[number] = Sent(message.id, duplicate=True)
        if (
            row.is_open
            and not row.record.deliveries
            and message.id not in self._in_sqs
            and (message.id not in batch.made)
        ):
            batch.to_sqs.append(message)

    def _admit(self, batch: Batch, number: int) -> None:
        """One message by itself: its other names, its unique key, its row."""
        message = batch.messages[number]
        alias, unique = f"alias/{message.id}", unique_key_of(message.task, message.unique_key)
        for _ in range(ROUNDS):
            names = [blob_key(key) for key in message.blobs] if self._names_blobs(message) else []
            found = self._ledger.state.read(
                [alias, key_of(message.id), *([unique] if unique else []), *names]
            )
            if unique and alias in found and (target := self._row_named(found[alias])) is not None:
                batch.sent[number] = Sent(target.record.id, duplicate=True)
                return
            if key_of(message.id) in found:
                self._meet(batch, number, found[key_of(message.id)])
                return
            holder = self._holder(message.unique_key, found.get(unique)) if unique else None
            if holder is not None and holder.record.id != batch.ending:
                self._name(alias, found.get(alias), holder.record.id)
                batch.sent[number] = Sent(holder.record.id, duplicate=True)
                return
            change = self._row(message)
            try:
                group = [change, *(self._names_of(batch, [number], dict(found)) if names else [])]
            except BlobSpent as error:
                batch.error = error
                return
            if unique:
                group.append(
                    Change(unique, found.get(unique), self._pointer(unique, found.get(unique), message.id))
                )
            [answer] = self._ledger.state.write([group])
            if not isinstance(answer, Conflict):
                self._note(batch, number, change, answer)
                return
        batch.error = unknown(batch.messages, "others send under the same key all the time")

    def _holder(self, unique_key: str | None, pointer: Item | None) -> Row | None:
        """Who waits or runs under a key: one that was sent back under another one leaves its name behind."""
        row = None if pointer is None else self._row_named(pointer)
        return row if row is not None and row.is_open and row.record.unique_key == unique_key else None

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
            holder = self._holder(row.record.unique_key, before)
            if holder is not None and holder.record.id != row.record.id:
                return holder
            after = self._pointer(unique, before, row.record.id)
            [answer] = self._ledger.state.write([[Change(unique, before, after)]])
            if isinstance(answer, Exception):
                raise answer
            if answer is None:
                return None
        raise QueueError("others send under the same unique key all the time")

    def take_back(self, items: Iterable[Item]) -> None:
        """Rows of messages that SQS surely does not have."""
        self._ledger.state.write([[Change(item.key, item, None)] for item in items])

    def remember(self, message_id: str) -> None:
        """SQS has it."""
        self._in_sqs[message_id] = None
        if len(self._in_sqs) > REMEMBERED:
            self._in_sqs.popitem(last=False)


def unique_key_of(task: str, unique_key: str | None) -> str | None:
    """Where it stands who waits or runs under a unique key."""
    return None if unique_key is None else f"unique/{json.dumps([task, unique_key])}"


def _as_many_as_fit(messages: Sequence[Outgoing], numbers: Sequence[int]) -> list[int]:
    """Those that go into one transaction with the blobs they name."""
    some: list[int] = []
    keys: set[str] = set()
    for number in numbers:
        more = keys.union(messages[number].blobs)
        if some and len(some) + 1 + len(more) > CHANGES:
            break
        some.append(number)
        keys = more
    return some


def state_failed(messages: Sequence[Outgoing], error: Exception | None) -> SendError:
    """The state store did not take rows, or did not answer."""
    ids = [message.id for message in messages]
    if isinstance(error, AwsError) and not error.sent:
        return SendRefused(f"{error}; nothing was stored: {', '.join(ids)}", ids)
    return unknown(messages, str(error))


def unknown(messages: Sequence[Outgoing], why: str) -> SendUnknown:
    """Nobody knows whether they are stored."""
    ids = [message.id for message in messages]
    return SendUnknown(
        f"{why}; they may have been stored: {', '.join(ids)}. Send again under the same ids, which stores nothing "
        "twice",
        ids,
    )
