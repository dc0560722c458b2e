"""A receipt: which message, which copy of SQS's, and the fence that proves that the delivery is the live one."""

from __future__ import annotations

from dataclasses import dataclass

_BAR = "\n"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of holding a delivery.

    Attributes:
        id: the message's id.
        fence: what its row says while this delivery is the live one.
        queue: the queue's name.
        asked_at: when SQS was asked for the copy, by this process's clock that never goes back.
        handle: SQS's receipt of the copy.
    """

    id: str
    fence: str
    queue: str
    asked_at: float
    handle: str

    def __str__(self) -> str:
        return _BAR.join([self.id, self.fence, self.queue, repr(self.asked_at), self.handle])


def read_receipt(text: str) -> Receipt | None:
    """Read a receipt; None: it is none of ours."""
    try:
        message_id, fence, queue, asked_at, handle = text.split(_BAR, 4)
        return Receipt(message_id, fence, queue, float(asked_at), handle) if message_id and handle else None
    except ValueError:
        return None
