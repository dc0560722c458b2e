"""Carry a decision out: the third room, and the only module that calls a settling verb.

A settlement that cannot be stored is tried again until the lease is gone: then somebody else holds
the message, and that is the end of it here.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, assert_never

from twolane.contracts.queue import (
    AckDelivery,
    CancelDelivery,
    DeadLetterDelivery,
    Entry,
    ReleaseDelivery,
    RetryDelivery,
    Settled,
    WaitDelivery,
)
from twolane.engine.batcher import Batcher
from twolane.values.errors import QueueError
from twolane.values.outcome import Ack, Cancel, Decision, Die, LetGo, Reason, Release, Retry, Wait

log = logging.getLogger("twolane.settle")

RETRY_S = 1.0
"""The pause between two tries to store a settlement, in seconds."""


def entry_for(decision: Decision, receipt: str) -> Entry[Settled] | None:
    """The settling verb of a decision; None: nothing is settled."""
    match decision:
        case Ack(result):
            return AckDelivery(receipt, result)
        case Retry(after_s, failure):
            return RetryDelivery(receipt, after_s, failure)
        case Wait(after_s, _, _):
            return WaitDelivery(receipt, after_s)
        case Release():
            return ReleaseDelivery(receipt)
        case Die(reason, failure, public):
            outcome = reason.value if reason is Reason.TIMED_OUT else "failed"
            return DeadLetterDelivery(receipt, reason, failure, public, outcome)
        case Cancel():
            return CancelDelivery(receipt)
        case LetGo():
            return None
        case _:  # pragma: no cover
            assert_never(decision)


async def settle(decision: Decision, receipt: str, batcher: Batcher, *, tries: int) -> Settled:
    """Carry a decision out.

    Args:
        decision: what becomes of the delivery.
        receipt: the delivery's.
        batcher: the way to the queue.
        tries: how often a settlement that cannot be stored is tried, a second apart.

    Returns:
        Whether the delivery was still held.
    """
    entry: Entry[Any] | None = entry_for(decision, receipt)
    if entry is None:
        return Settled(held=False)
    for left in range(tries - 1, -1, -1):
        try:
            settled: Settled = await batcher.ask(entry)
        except QueueError as error:
            log.warning("a settlement could not be stored (%s); %s", error, _next(left))
            if not left:
                return Settled(held=False)
            await asyncio.sleep(RETRY_S)
        else:
            return settled
    raise ValueError("settle takes 1 or more tries")


def _next(left: int) -> str:
    if left:
        return f"tried again in {RETRY_S:g} s, {left} more time(s)"
    return "given up: the message becomes visible again when its lease ends"
