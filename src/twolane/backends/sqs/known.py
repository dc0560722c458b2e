"""The deliveries that this process has handed out, with their rows as they were last seen: those need not be read again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from twolane.backends.sqs.hiding import left_s
from twolane.backends.sqs.receipts import Receipt, read_receipt
from twolane.backends.sqs.rows import Row, from_text, key_of
from twolane.contracts.state import Item


@dataclass(frozen=True, slots=True)
class _Delivery:
    item: Item
    receipt: Receipt
    fed: bool


class Known:
    """Deliveries by the keys of their rows; of a message the latest one.

    Args:
        monotonic: this moment, by a clock that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._deliveries: dict[str, _Delivery] = {}

    def add(self, receipt: str, item: Item, *, fed: bool) -> None:
        """A delivery was handed out.

        Args:
            receipt: its receipt.
            item: its row.
            fed: somebody else has received it, who deletes what is done with.
        """
        self._forget()
        if (read := read_receipt(receipt)) is not None:
            key = key_of(read.id)
            self._deliveries.pop(key, None)  # the latest is the last one
            self._deliveries[key] = _Delivery(item, read, fed)

    def _forget(self) -> None:
        """What was lost nobody settles: it goes when SQS cannot hide it any more."""
        now = self._monotonic()
        while self._deliveries:
            key, oldest = next(iter(self._deliveries.items()))
            if left_s(oldest.receipt.asked_at, now) > 0:
                return
            del self._deliveries[key]

    def __len__(self) -> int:
        return len(self._deliveries)

    def held_by(self, worker: str) -> list[Receipt]:
        """What a worker of this process holds, as far as its rows were seen."""
        rows = [(from_text(each.item.text), each.receipt) for each in self._deliveries.values()]
        return [receipt for row, receipt in rows if row.record.worker == worker and _holds(row, receipt)]

    def item(self, key: str, receipts: Iterable[Receipt | None]) -> Item | None:
        """A row, where all these receipts are those of the delivery that is known."""
        known = self._deliveries.get(key)
        if known is None or any(receipt != known.receipt for receipt in receipts):
            return None
        return known.item

    def fed(self, receipts: Iterable[Receipt]) -> set[Receipt]:
        """Those of these deliveries that somebody else has received."""
        known = [(receipt, self._deliveries.get(key_of(receipt.id))) for receipt in receipts]
        return {receipt for receipt, each in known if each and each.fed and each.receipt == receipt}

    def seen(self, key: str, item: Item, row: Row) -> None:
        """The row of a message is this now; a delivery that is not the live one any more is not known any more."""
        known = self._deliveries.get(key)
        if known is None:
            return
        if _holds(row, known.receipt):
            self._deliveries[key] = replace(known, item=item)
        else:
            del self._deliveries[key]


def _holds(row: Row, receipt: Receipt) -> bool:
    return row.receipt == receipt.fence
