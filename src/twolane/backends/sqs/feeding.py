"""Messages that Lambda's event source has received: the rows decide, as for our own polls, and SQS is asked nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import inf
from typing import Any

from twolane.backends.sqs.parcels import Copy
from twolane.backends.sqs.receiving import Arrival, Receiving
from twolane.backends.sqs.settling import Settling
from twolane.backends.sqs.wires import Wires
from twolane.contracts.feeding import Arrived, HandOut, NotHandedOut, PutBack
from twolane.contracts.queue import Delivery, Receive
from twolane.values.errors import QueueError

log = logging.getLogger("twolane.sqs")


class Feeding:
    """Hands out what arrived.

    Args:
        receiving: makes deliveries of copies.
        settling: knows them from then on.
        wires: the way to SQS, for what goes back unseen.
    """

    def __init__(self, receiving: Receiving, settling: Settling, wires: Wires) -> None:
        self._receiving = receiving
        self._settling = settling
        self._wires = wires

    def hand_out(self, entries: Sequence[HandOut]) -> list[Any]:
        """Hand out what all these entries bring, in one go; answers each."""
        if not entries:
            return []
        receive = Receive(entries[0].worker, (), None, 0, max(entry.lease_s for entry in entries))
        arrivals = [
            Arrival.of(copy_of(each), inf if entry.until is None else entry.until)
            for entry in entries
            for each in entry.arrived
        ]
        try:
            self._settling.write_late()
            self._receiving.hand_out(arrivals, receive, deletes=False)
        except QueueError as error:
            return [error] * len(entries)
        told = iter(arrivals)
        return [tuple([self._handed(next(told)) for _ in entry.arrived]) for entry in entries]

    def put_back(self, entry: PutBack) -> None:
        """Show them again."""
        put_back(self._wires, entry)

    def _handed(self, arrival: Arrival) -> Delivery | NotHandedOut:
        if arrival.delivery is None or arrival.written is None:
            return NotHandedOut(gone=arrival.delete)
        self._settling.known.add(arrival.delivery.receipt, arrival.written, fed=True)
        return arrival.delivery


def copy_of(arrived: Arrived) -> Copy:
    """What arrived, as a poll of ours would have brought it."""
    return Copy(
        arrived.queue,
        arrived.queue_id,
        arrived.handle,
        arrived.body,
        arrived.receives,
        arrived.sent_at,
        arrived.first_receive_at,
        arrived.group,
    )


def put_back(wires: Wires, entry: PutBack) -> None:
    """Show copies again; what fails is visible when its time is over."""
    for error in wires.show([(each.queue, each.handle, entry.after_s) for each in entry.arrived]):
        if error is not None:
            log.info("a message could not be given back (%s): it comes again by itself", error)
