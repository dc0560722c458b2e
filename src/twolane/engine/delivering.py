"""One delivery through the three rooms: run, decide, settle; and the one line that says what became of it.

Whoever receives calls it: the worker, and Lambda's handler.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from twolane.contracts.queue import Delivery, Settled
from twolane.engine.batcher import resolve
from twolane.engine.decide import decide
from twolane.engine.hold import Hold
from twolane.engine.outbox import Outbox
from twolane.engine.reporting import became, said
from twolane.engine.run import Ran, Surroundings, begin
from twolane.engine.settle import begin_to_settle, settle_with
from twolane.values.outcome import Ack, Cancel, Continue, Decision, Die, NotUnderstood, Release, Wait
from twolane.values.policy import Policy

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


Over = Callable[[Ran | None], None]
"""Called once the function has ended or was given up, before anything is settled: what it took is free again.

None: it was never run to an outcome.
"""


async def deliver(hold: Hold, around: Surroundings, *, over: Over, tries: int = SETTLE_TRIES) -> Delivered:
    """Run a delivery, decide what becomes of it, and carry that out.

    Args:
        hold: the hold on it.
        around: what running it needs.
        over: see `Over`.
        tries: how often a settlement that cannot be stored is tried, a second apart.
    """
    delivered: asyncio.Future[Delivered] = asyncio.get_running_loop().create_future()
    delivering = _Delivering(hold, around, over, partial(resolve, delivered), tries)
    try:
        delivering.begin()
        return await delivered
    except BaseException:
        delivering.leave()
        raise


def begin_to_deliver(
    hold: Hold, around: Surroundings, *, over: Over, then: Callable[[Delivered | Exception], None]
) -> None:
    """As `deliver`, for who does not await: `then` gets what it answers or raises, in the running loop."""
    _Delivering(hold, around, over, then, SETTLE_TRIES).begin()


class _Delivering:
    """One delivery on its way through the rooms; handed on by calls, so that it awaits nothing itself."""

    __slots__ = ("_around", "_began", "_hold", "_is_over", "_over", "_settling", "_then", "_tries")

    def __init__(
        self,
        hold: Hold,
        around: Surroundings,
        over: Over,
        then: Callable[[Delivered | Exception], None],
        tries: int,
    ) -> None:
        self._hold = hold
        self._around = around
        self._over = over
        self._then = then
        self._tries = tries
        self._is_over = False
        self._began = time.perf_counter()

    def begin(self) -> None:
        begin(self._hold, self._around, self._ran)

    def leave(self) -> None:
        """Nobody waits for it any more: what its function comes to is not settled."""
        if not self._is_over:
            self._is_over = True
            self._over(None)

    def _ran(self, ran: Ran) -> None:
        if self._is_over:
            return
        self._is_over = True
        try:
            self._over(ran)
            self._settle(ran)
        except Exception as error:  # noqa: BLE001  (passed on)
            self._then(error)

    def _settle(self, ran: Ran) -> None:
        delivery, around = self._hold.delivery, self._around
        around.observer("decide", delivery)
        decision = decide(ran.outcome, delivery.attempt, ran.policy, random.random())  # noqa: S311
        _warn_of_patience(delivery, ran, around)
        around.observer("settle", delivery)
        if ran.outbox is None and not isinstance(decision, Continue):  # nothing that could be refused
            then = partial(self._settled, decision)
            begin_to_settle(decision, delivery.receipt, around.batcher, then, tries=self._tries)
        else:
            settling = self._settle_with(ran.outbox, decision, ran.policy)
            self._settling = asyncio.get_running_loop().create_task(settling)
            self._hold.kept = self  # which keeps the task alive

    async def _settle_with(self, outbox: Outbox | None, decision: Decision, policy: Policy) -> None:
        answer: Settled | Exception
        try:
            decision, answer = await settle_with(
                outbox, decision, self._hold.delivery, policy, self._around.batcher,
                tries=self._tries, jitter=random.random(),  # noqa: S311
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  (passed on)
            answer = error
        self._settled(decision, answer)

    def _settled(self, decision: Decision, answer: Settled | Exception) -> None:
        self._hold.kept = None
        if isinstance(answer, Exception):
            self._then(answer)
            return
        delivery = self._hold.delivery
        try:
            self._around.observer("settled", delivery)
            _report(delivery, decision, held=answer.held, took_s=time.perf_counter() - self._began)
        except Exception as error:  # noqa: BLE001  (passed on)
            self._then(error)
        else:
            self._then(Delivered(decision, answer))


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
