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
        handle: SQS's receipt of the copy.
    """

    id: str
    fence: str
    queue: str
    handle: str

    def __str__(self) -> str:
        return _BAR.join([self.id, self.fence, self.queue, self.handle])


def read_receipt(text: str) -> Receipt | None:
    """Read a receipt; None: it is none of ours."""
    parts = text.split(_BAR, 3)
    return Receipt(*parts) if len(parts) == 4 and all(parts) else None  # noqa: PLR2004
