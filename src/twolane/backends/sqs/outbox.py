"""Owed alerts in the state store: taken, told, gone. Each holds the letter as it was when it died."""

from __future__ import annotations

import json
from collections.abc import Sequence

from twolane.backends.sqs.ledger import OWED, Ledger
from twolane.backends.sqs.rows import from_text
from twolane.contracts.clock import Clock
from twolane.contracts.queue import MarkTold, TakeAlerts
from twolane.contracts.state import Change, Item
from twolane.values.record import OwedAlert

LOOKED_AT = 1000


class Outbox:
    """The alerts that are owed.

    Args:
        ledger: where they are.
        clock: the time they are hidden by.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._state = ledger.state
        self._now = clock.now

    def take(self, entry: TakeAlerts) -> tuple[OwedAlert, ...]:
        """Take the oldest that nobody else is telling now."""
        now = self._now()
        listed = self._state.shelf(OWED, limit=LOOKED_AT)
        due = [each.key for each in listed if json.loads(each.head)["until"] <= now][: max(0, entry.limit)]
        if not due:
            return ()
        items = self._state.read(due)
        found = [items[key] for key in due if key in items and json.loads(items[key].head)["until"] <= now]
        taken = [_taken(item, now + entry.lease_s) for item in found]
        answers = self._state.write(
            [[Change(item.key, item, after)] for item, after in zip(found, taken, strict=True)]
        )
        return tuple(
            [self._owed(item) for item, answer in zip(taken, answers, strict=True) if answer is None]
        )

    def mark(self, entry: MarkTold) -> None:
        """These went."""
        keys = [f"alert/{number}" for number in entry.numbers]
        there: Sequence[str] = list(self._state.read(keys)) if keys else []
        for answer in self._state.write([[Change(key, None, None)] for key in there]):
            if isinstance(answer, Exception):
                raise answer
        self._ledger.told(len(there))

    def _owed(self, item: Item) -> OwedAlert:
        row = from_text(item.text)
        return OwedAlert(
            number=int(item.place),
            owed_at=row.record.finished_at or 0.0,
            tries=json.loads(item.head)["tries"],
            letter=row.letter(self._ledger.body(row)),
        )


def _taken(item: Item, until: float) -> Item:
    head = json.dumps({"tries": json.loads(item.head)["tries"] + 1, "until": until})
    return Item(item.key, item.version + 1, item.text, item.shelf, item.place, head)
