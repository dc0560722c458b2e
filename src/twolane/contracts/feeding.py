"""What a queue is asked where somebody else receives from it: Lambda's event source, which brings messages in an event.

Who has received them deletes what is done with, and nothing else: so a queue makes no call for that. Whether a message
is handed out, and by which proof it is held, is the queue's to say, as for a `Receive`.
"""

from __future__ import annotations

from dataclasses import dataclass

from twolane.contracts.queue import Delivery, Entry, Outgoing, Settled


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message that somebody else has received.

    Attributes:
        queue: the queue's name in the app.
        queue_id: the queue's own id of this message, which is not the message's.
        handle: the queue's receipt.
        body: as it came.
        receives: how often it was received.
        sent_at: when the queue got it, in epoch seconds.
        first_receive_at: when it was received first, in epoch seconds.
        group: the one it was sent with.
    """

    queue: str
    queue_id: str
    handle: str
    body: str
    receives: int
    sent_at: float
    first_receive_at: float | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class NotHandedOut:
    """An arrival that nobody is to run.

    Attributes:
        gone: its message has ended: who received it deletes it. Else it stays, and comes again.
    """

    gone: bool


@dataclass(frozen=True, slots=True)
class HandOut(Entry[tuple[Delivery | NotHandedOut, ...]]):
    """Hand out what arrived, hidden from others for `lease_s` (L2, L13); answers in the same order.

    The settlement of such a delivery says whether who received it deletes it (`Settled.gone`).

    Attributes:
        worker: who runs it.
        arrived: what arrived.
        lease_s: for how long nobody else gets it; nobody extends it.
        until: who asks is there until then, in epoch seconds: later nothing is handed out. None: for as long as it takes.
    """

    worker: str
    arrived: tuple[Arrived, ...]
    lease_s: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class PutBack(Entry[None]):
    """Visible again, though nothing was handed out; what cannot be is visible when the queue's own time is over.

    Attributes:
        arrived: what arrived.
        after_s: not before that many seconds.
    """

    arrived: tuple[Arrived, ...]
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ContinueDelivery(Entry[Settled]):
    """Goes on in a new message under the same id, visible at once: that is sent first, and what was received is gone.

    It uses up no attempt. With a state store it is the same row that waits again, with its checkpoint; else the body
    carries all there is. On a FIFO queue, where a new message would be the last of its group, the one that was received
    becomes visible again.

    Attributes:
        receipt: the delivery's.
        body: the envelope it goes on in.
        sends: stored with it, or it fails with them.
    """

    receipt: str
    body: str
    sends: tuple[Outgoing, ...] = ()
