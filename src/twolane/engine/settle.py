"""Carry a decision out: the third room, and the only module that calls a settling verb.

A settlement that cannot be stored is tried again until the lease is gone: then somebody else holds
the message, and that is the end of it here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

from twolane.contracts.feeding import Arrived, ContinueDelivery, PutBack
from twolane.contracts.queue import (
    AckDelivery,
    CancelDelivery,
    DeadLetterDelivery,
    Delivery,
    Entry,
    Outgoing,
    ReleaseDelivery,
    RetryDelivery,
    Settled,
    WaitDelivery,
)
from twolane.engine.batcher import Batcher, resolve
from twolane.engine.decide import decide
from twolane.engine.failures import seen
from twolane.engine.outbox import Outbox
from twolane.values.errors import QueueError, SendRefused
from twolane.values.outcome import (
    Ack,
    Cancel,
    Continue,
    Decision,
    Die,
    Failed,
    LetGo,
    Reason,
    Release,
    Retry,
    Wait,
)
from twolane.values.policy import Policy

log = logging.getLogger("twolane.settle")

BACK_AT_ONCE = 100
"""So many messages are given back at a time."""
RETRY_S = 1.0
"""The pause between two tries to store a settlement, in seconds."""


def entry_for(decision: Decision, receipt: str, sends: tuple[Outgoing, ...] = ()) -> Entry[Settled] | None:
    """The settling verb of a decision; None: nothing is settled. What the task sent goes with some alone."""
    match decision:
        case Ack(result):
            return AckDelivery(receipt, result, sends)
        case Retry(after_s, failure):
            return RetryDelivery(receipt, after_s, failure)
        case Wait(after_s, _, _):
            return WaitDelivery(receipt, after_s)
        case Release():
            return ReleaseDelivery(receipt)
        case Continue(body):
            return ContinueDelivery(receipt, body, sends)
        case Die(reason, failure, public):
            outcome = reason.value if reason is Reason.TIMED_OUT else "failed"
            return DeadLetterDelivery(receipt, reason, failure, public, outcome)
        case Cancel():
            return CancelDelivery(receipt)
        case LetGo():
            return None
        case _:  # pragma: no cover
            assert_never(decision)


async def settle(
    decision: Decision, receipt: str, batcher: Batcher, *, tries: int, sends: tuple[Outgoing, ...] = ()
) -> Settled:
    """Carry a decision out.

    Args:
        decision: what becomes of the delivery.
        receipt: the delivery's.
        batcher: the way to the queue.
        tries: how often a settlement that cannot be stored is tried, a second apart.
        sends: what the task sent, stored with its ack.

    Returns:
        Whether the delivery was still held.

    Raises:
        SendRefused: the queue refuses what the task sent; nothing was settled.
    """
    settled: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
    begin_to_settle(decision, receipt, batcher, partial(resolve, settled), tries=tries, sends=sends)
    return await settled


def begin_to_settle(
    decision: Decision,
    receipt: str,
    batcher: Batcher,
    then: Callable[[Settled | Exception], None],
    *,
    tries: int,
    sends: tuple[Outgoing, ...] = (),
) -> None:
    """As `settle`, for who does not await: `then` gets what it answers or raises, in the running loop."""
    if tries < 1:
        raise ValueError("settle takes 1 or more tries")
    entry = entry_for(decision, receipt, sends)
    if entry is None:
        then(Settled(held=False))
    else:
        _try(entry, batcher, then, tries - 1)


def _try(
    entry: Entry[Settled], batcher: Batcher, then: Callable[[Settled | Exception], None], left: int
) -> None:
    batcher.ask_then(entry, partial(_tried, entry, batcher, then, left))


def _tried(
    entry: Entry[Settled],
    batcher: Batcher,
    then: Callable[[Settled | Exception], None],
    left: int,
    answer: Settled | Exception,
) -> None:
    if not isinstance(answer, QueueError):
        then(answer)
        return
    log.warning("a settlement could not be stored (%s); %s", answer, _next(left))
    if left:
        asyncio.get_running_loop().call_later(RETRY_S, _try, entry, batcher, then, left - 1)
    else:
        then(Settled(held=False))


async def settle_with(
    outbox: Outbox | None,
    decision: Decision,
    delivery: Delivery,
    policy: Policy,
    batcher: Batcher,
    *,
    tries: int,
    jitter: float,
) -> tuple[Decision, Settled]:
    """As `settle`, with what the attempt added: it goes with an ack, and is dropped otherwise.

    Where the queue refuses what the task sent (an id that another message has), the attempt has failed:
    trying the same settlement again would end with its lease, and tell nobody why.

    Args:
        outbox: what the attempt added; None: it cannot add anything.
        decision: what becomes of the delivery.
        delivery: which.
        policy: decides again if the queue refuses.
        batcher: the way to the queue.
        tries: as for `settle`.
        jitter: a random number from 0 to 1, for the backoff of that decision.

    Returns:
        The decision that was carried out, and whether the delivery was still held.
    """
    if outbox is not None:
        outbox.close()
    sends = () if outbox is None else outbox.outgoing
    try:
        settled = await settle(decision, delivery.receipt, batcher, tries=tries, sends=sends)
    except SendRefused as error:
        log.warning("%s %s sends what the queue refuses: %s", delivery.task, delivery.id, error)
        failed = Failed(seen(error, delivery.received_at))
        decision = decide(failed, delivery.attempt, policy, jitter)
        settled = await settle(decision, delivery.receipt, batcher, tries=tries)
    if outbox is None:
        return decision, settled
    if not settled.held:
        outbox.drop("is no longer this worker's")
    elif isinstance(decision, (Ack, Continue)):
        outbox.go()
    else:
        outbox.drop("did not succeed")
    return decision, settled


async def put_back(arrived: Sequence[Arrived], batcher: Batcher) -> None:
    """Give back what somebody else has received and nobody ran: visible at once, or else when its time there is over.

    In parts, so that what is settled meanwhile waits for a part and not for all.
    """
    for start in range(0, len(arrived), BACK_AT_ONCE):
        try:
            await batcher.ask(PutBack(tuple(arrived[start : start + BACK_AT_ONCE])))
        except QueueError as error:
            log.info(
                "%d message(s) could not be given back (%s): they come again by themselves",
                len(arrived) - start,
                error,
            )
            return


def _next(left: int) -> str:
    if left:
        return f"tried again in {RETRY_S:g} s, {left} more time(s)"
    return "given up: the message becomes visible again when its lease ends"
