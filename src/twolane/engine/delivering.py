"""One delivery through the three rooms: run, decide, settle; and the one line that says what became of it.

Whoever receives calls it: the worker, and Lambda's handler.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from twolane.contracts.queue import Delivery, Settled
from twolane.engine.decide import decide
from twolane.engine.hold import Hold
from twolane.engine.reporting import became, said
from twolane.engine.run import Ran, Surroundings, run
from twolane.engine.settle import settle_with
from twolane.values.outcome import Ack, Cancel, Continue, Decision, Die, NotUnderstood, Release, Wait

log = logging.getLogger("twolane.worker")

SETTLE_TRIES = 30


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a delivery: the decision that was carried out, and whether it was held until then."""

    decision: Decision
    settled: Settled

    @property
    def died(self) -> bool:
        """It is a dead letter now, and somebody is owed an alert."""
        return self.settled.held and isinstance(self.decision, Die)


async def deliver(
    hold: Hold,
    around: Surroundings,
    *,
    over: Callable[[Ran | None], None],
    tries: int = SETTLE_TRIES,
) -> Delivered:
    """Run a delivery, decide what becomes of it, and carry that out.

    Args:
        hold: the hold on it.
        around: what running it needs.
        over: called once the function has ended or was given up, before anything is settled: what it took is free
            again. None: it was never run to an outcome.
        tries: how often a settlement that cannot be stored is tried, a second apart.
    """
    delivery, observer = hold.delivery, around.observer
    began = time.perf_counter()
    try:
        ran = await run(hold, around)
    except BaseException:
        over(None)
        raise
    over(ran)
    observer("decide", delivery)
    decision = decide(ran.outcome, delivery.attempt, ran.policy, random.random())  # noqa: S311
    _warn_of_patience(delivery, ran, around)
    observer("settle", delivery)
    decision, settled = await settle_with(
        ran.outbox, decision, delivery, ran.policy, around.batcher,
        tries=tries, jitter=random.random(),  # noqa: S311
    )  # fmt: skip
    observer("settled", delivery)
    _report(delivery, decision, held=settled.held, took_s=time.perf_counter() - began)
    return Delivered(decision, settled)


def _warn_of_patience(delivery: Delivery, ran: Ran, around: Surroundings) -> None:
    outcome = ran.outcome
    if not isinstance(outcome, NotUnderstood) or delivery.waits_since is not None:
        return
    dies_at = datetime.fromtimestamp(around.clock.now() + outcome.patience_s, UTC)
    log.warning(
        "%s %s is not understood here (%s, %s); it waits for a worker that does until %s, then it is dead",
        delivery.task or "a message", delivery.id, outcome.reason, said(outcome.failure, delivery.body),
        dies_at.isoformat(sep=" ", timespec="seconds"), extra=_fields(delivery),
    )  # fmt: skip


def _report(delivery: Delivery, decision: Decision, *, held: bool, took_s: float) -> None:
    """One line a state change."""
    level = logging.INFO if isinstance(decision, (Ack, Cancel, Continue, Release)) else logging.WARNING
    if isinstance(decision, Wait):
        level = logging.DEBUG
    if not log.isEnabledFor(level):
        return
    log.log(
        level, "%s %s attempt %d (queue %s, %.3f s) %s",
        delivery.task or "(no envelope)", delivery.id, delivery.attempt, delivery.queue, took_s,
        became(decision, delivery.body) if held else "was no longer ours: another worker may run it",
        extra={**_fields(delivery), "took_s": round(took_s, 3), "became": type(decision).__name__.lower()},
    )  # fmt: skip


def _fields(delivery: Delivery) -> dict[str, object]:
    """What a log that is structured has of a delivery."""
    return {
        "task": delivery.task, "id": delivery.id, "attempt": delivery.attempt, "queue": delivery.queue
    }  # fmt: skip
