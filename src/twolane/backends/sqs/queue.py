# ruff: noqa: D102 - the contract carries the docstrings
"""The queue on SQS, with a state store beside it (contracts.queue.Queue).

    sends:        rows -> SendMessageBatch                                                   side by side with
    settlements:  rows (fenced) -> DeleteMessageBatch, ChangeMessageVisibilityBatch
    then receive: what the polls have brought -> rows -> deliveries

SQS stores, hides and delivers; who holds a message, how often it was tried and what became of it is in its row.
A row is written first and SQS is told after: what is lost in between comes again by itself, and its row knows.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twolane.backends.aws import Outage, Service
from twolane.backends.sqs.actions import Acting
from twolane.backends.sqs.addresses import Address
from twolane.backends.sqs.admitting import Admitting
from twolane.backends.sqs.feeding import Feeding
from twolane.backends.sqs.flushing import Flushing
from twolane.backends.sqs.gauges import Gauges
from twolane.backends.sqs.hiding import MAX_HIDDEN_S
from twolane.backends.sqs.ledger import Ledger
from twolane.backends.sqs.listening import Listening
from twolane.backends.sqs.measuring import Measuring
from twolane.backends.sqs.naming import Naming
from twolane.backends.sqs.orphans import Orphans
from twolane.backends.sqs.outbox import Outbox
from twolane.backends.sqs.polling import LONGEST_PAUSE_S, Pause, Polling, pause_for
from twolane.backends.sqs.rates import Rates
from twolane.backends.sqs.reaping import Reaping
from twolane.backends.sqs.receiving import Arrival, Receiving
from twolane.backends.sqs.sending import Sending
from twolane.backends.sqs.settling import Settling
from twolane.backends.sqs.sums import EVERY_S
from twolane.backends.sqs.sweeping import Sweeping
from twolane.backends.sqs.targets import Targets
from twolane.backends.sqs.watching import Watch
from twolane.backends.sqs.wires import BATCH_BYTES, Wires
from twolane.backends.sqs.workers import Workers
from twolane.contracts import feeding as f
from twolane.contracts import outbox as o
from twolane.contracts import queue as q
from twolane.contracts import upkeep as u
from twolane.contracts import watch as w
from twolane.contracts.blobs import ExpiringBlobs
from twolane.contracts.clock import Clock
from twolane.contracts.state import StateStore
from twolane.contracts.sweeping import Gauge, SweepQueues, SweptBlobs
from twolane.values.errors import QueueError

log = logging.getLogger("twolane.sqs")

MAX_BODY_BYTES = 240 * 1024
"""Fits one item of DynamoDB and one message of any SQS, wrapped or not; longer arguments go to a blob."""
SWEEP_S = 300.0
"""How often a worker looks through the dead-letter queues of the queues it serves that have open messages."""
SWEEP_ALL_S = 3600.0
"""How often through all of them: where nothing is open SQS can have moved away only what no row knows."""
BLOBS_S = 60.0
"""So long it looks for blobs that no message names after each such look; in a thread of its own."""
KEEP_S = 7 * 86_400.0

_MESSAGES = (
    q.Extend,
    q.SaveCheckpoint,
    q.AckDelivery,
    q.RetryDelivery,
    q.WaitDelivery,
    q.ReleaseDelivery,
    q.DeadLetterDelivery,
    q.CancelDelivery,
    f.ContinueDelivery,
    q.CancelMessage,
    q.Redrive,
    q.Discard,
)


class SqsQueue:
    """A queue on SQS and a state store.

    Args:
        address: which queues.
        state: where the rows are.
        clock: the time of leases, delays and records.
        service: the way to SQS; None: botocore as the environment says.
        poll_s: 0: a `Receive` asks SQS itself and does not wait; None: long polls, as the address says.
        keep_s: how long finished records are kept, in seconds.
        batch_bytes: how many bytes of bodies one call takes.
        sums_every_s: how long the daily sums are gathered before they are written, in seconds.
        blobs: the store that is told when nobody names a blob any more; None: it is not told.
        pause: waits between two polls of which the first failed.
    """

    capabilities = q.Capabilities(
        durable=True,
        detects_stale=True,
        release_is_free=True,
        knows_crashes=False,
        selects_tasks=False,
        foresees=False,
        prunes=False,
        groups=True,
        longest_attempt_s=MAX_HIDDEN_S,
    )
    max_body_bytes = MAX_BODY_BYTES

    def __init__(
        self,
        address: Address,
        state: StateStore,
        *,
        clock: Clock,
        service: Service | None = None,
        poll_s: float | None = None,
        keep_s: float = KEEP_S,
        batch_bytes: int = BATCH_BYTES,
        sums_every_s: float = EVERY_S,
        blobs: ExpiringBlobs | None = None,
        pause: Pause = pause_for,
    ) -> None:
        self._service = service or Service("sqs", poll_s=address.poll_s)
        wires = Wires(address, self._service, batch_bytes=batch_bytes)
        ledger = Ledger(state, clock, keep_s=keep_s, sums_every_s=sums_every_s)
        self._state = state
        self._ledger = ledger
        wait_s = address.poll_s if poll_s is None else poll_s
        self._listening = Listening()
        self._polls_itself = wait_s == 0
        self._polling = Polling(wires, clock, poll_s=wait_s, on_arrival=self._listening.wake, pause=pause)
        self._naming = Naming(state, blobs, clock)
        self._orphans = None if blobs is None else Orphans(state, self._naming, blobs, clock)
        admitting = Admitting(ledger, self._naming, clock, new_token=_token)
        self._sending = Sending(admitting, wires, max_body_bytes=self.max_body_bytes)
        self._settling = Settling(ledger, wires, self._sending, clock, max_body_bytes=self.max_body_bytes)
        self._receiving = Receiving(ledger, wires, clock, new_fence=_token)
        self._feeding = Feeding(self._receiving, self._settling, wires)
        self._reaping = Reaping(ledger, wires, self._settling, clock)
        self._sweeping = Sweeping(ledger, wires, clock)
        self._gauges = Gauges(state, wires, clock)
        self._measuring = Measuring(ledger, wires, clock)
        self._monotonic = clock.monotonic
        self._swept_at = self._swept_all_at = clock.monotonic()
        self._closing = False
        self._served: tuple[str, ...] = ()
        self._pause_s = 0.0
        self._workers = Workers(state, clock)
        self._outbox = Outbox(state, clock)
        self._rates = Rates(state, clock)
        self._acting = Acting(ledger, self._settling.carry_out, clock)
        self._state_outage = Outage("the state store", clock.monotonic)
        self._sweep_outage = Outage("looking after the queues", clock.monotonic)
        alone = self._carried_out_alone(Targets(state, clock), Watch(state, self._outbox, clock))
        together = [(_MESSAGES, self._settling.carry_out), ((f.HandOut,), self._feed)]
        self._flushing = Flushing(self._send, together, alone)

    def _carried_out_alone(
        self, targets: Targets, watch: Watch
    ) -> dict[type[q.Entry[Any]], Callable[[Any], Any]]:
        """The entries that are carried out one by one, with what does it."""
        return {
            q.Receive: self._receive,
            f.PutBack: self._feeding.put_back,
            u.Register: lambda entry: self._workers.register(entry.worker),
            u.Unregister: self._unregister,
            u.Reap: self._reap,
            u.Prune: self._prune,
            o.OweNotice: self._outbox.owe_notice,
            o.RegisterTargets: targets.register,
            o.SaveTarget: targets.save,
            o.Act: self._acting.act,
            w.LeadWatch: watch.lead,
            w.ObserveConditions: watch.observe,
            w.Probe: self._probe,
            SweepQueues: lambda entry: self.sweep(entry.queues),
        }

    def start(self) -> None:
        """Make the clients and see that the state store answers, its shelves as well: else what lists fails later, unseen.

        Raises:
            SettingsError: botocore or a region is missing.
            QueueError: the store cannot be read.
        """
        self._service.start()
        self._state.read(["start"])
        self._state.shelf("start", limit=1)

    def flush(self, entries: Sequence[q.Entry[Any]]) -> list[Any]:
        answers = self._flushing.flush(entries)
        self._write_counts()
        self._number_deaths()
        self._naming.let_go(self._ledger.taken_let_go())
        if self._polls_itself and self._settling.made_visible:
            self._listening.wake()
        self._settling.made_visible = False
        return answers

    def next_visible_at(self, queues: tuple[str, ...], after: float) -> float | None:
        del queues, after
        return None  # a poll is answered as soon as something is visible

    def listen(self, on_visible: Callable[[], None]) -> Callable[[], None]:
        return self._listening.listen(self._polling, on_visible)

    def close(self) -> None:
        self._closing = True
        self._polling.finish()
        self._flushing.close()
        self._write_counts(at_once=True)
        self._naming.close()
        self._service.close()
        self._state.close()

    def _send(self, entries: Sequence[Any]) -> list[Any]:
        answers = self._sending.store([entry.messages for entry in entries])
        for entry, answer in zip(entries, answers, strict=True):
            if not isinstance(answer, Exception):
                self._settling.made_visible |= any(message.delay_s <= 0 for message in entry.messages)
        return answers

    def _receive(self, entry: q.Receive) -> tuple[q.Delivery, ...]:
        if entry.strangers or entry.limit <= 0:
            return ()  # SQS hands out whatever comes next: a message that nobody knows is met like any other
        self._served = entry.queues
        copies = self._polling.take(entry.queues, entry.limit, entry.lease_s)
        if not copies:
            return ()
        arrivals = [Arrival.of(copy) for copy in copies]
        try:
            self._receiving.hand_out(arrivals, entry)
        except QueueError:
            # each message would be received once a lease, until SQS's redrive policy takes it away
            self._pause_s = min(LONGEST_PAUSE_S, max(1.0, self._pause_s * 2))
            self._polling.hold_off(self._pause_s)
            raise
        self._pause_s = 0.0
        deliveries: list[q.Delivery] = []
        for arrival in arrivals:
            if arrival.delivery is not None and arrival.written is not None:
                self._settling.known.add(arrival.delivery.receipt, arrival.written, fed=False)
                deliveries.append(arrival.delivery)
        return tuple(deliveries)

    def _feed(self, entries: Sequence[Any]) -> list[Any]:
        if entries:
            self._beat()
        return self._feeding.hand_out(entries)

    def _beat(self) -> None:
        try:
            self._workers.beat()
        except QueueError as error:
            self._state_outage.failed(error)

    def _unregister(self, entry: u.Unregister) -> None:
        self._polling.finish()
        held = self._settling.known.held_by(entry.worker)
        self._settling.carry_out([q.ReleaseDelivery(str(receipt)) for receipt in held])
        self._workers.unregister(entry.worker)

    def _reap(self, entry: u.Reap) -> u.Reaped:
        del entry
        try:
            self._workers.beat()
            reaped = self._reaping.reap()
            self._outbox.number_late()
            self._naming.again()
            to_sweep = self._to_sweep()
        except QueueError as error:
            self._state_outage.failed(error)
            return u.Reaped()
        self._state_outage.worked()
        if to_sweep is None:
            return reaped
        return replace(reaped, buried=reaped.buried + self._sweep_some(to_sweep))

    def _sweep_some(self, queues: tuple[str, ...]) -> int:
        self._naming.later(self._sweep_blobs)
        try:
            buried = self.sweep(queues)
        except QueueError as error:
            self._sweep_outage.failed(error)
            return 0
        self._sweep_outage.worked()
        return buried

    def _to_sweep(self) -> tuple[str, ...] | None:
        """An idle queue costs its three long polls a minute and hardly more. None: it is not time yet."""
        if self._monotonic() - self._swept_at < SWEEP_S:
            return None
        self._swept_at = self._monotonic()
        if self._swept_at - self._swept_all_at < SWEEP_ALL_S:
            return self._reaping.busy(self._served)
        self._swept_all_at = self._swept_at
        return self._served

    def _prune(self, entry: u.Prune) -> int:
        """Alerts that were told, and counts that only a wrong clock can have left; what is finished expires by itself."""
        self._outbox.prune(entry)
        self._rates.forget_future()
        return 0

    def _probe(self, entry: w.Probe) -> None:
        """The state store takes a write; and SQS answers, where this process receives from it."""
        del entry
        self._state.add("probe", {"writes:": 1})
        self._measuring.ask(self._served[:1])

    def sweep(self, queues: Sequence[str]) -> int:
        """Look after what nobody else notices; answers how many dead letters were made.

        What SQS moved to the dead-letter queues of these queues is buried; what SQS has lost is brought to it again;
        and what comes near to SQS's limits is warned of.

        Raises:
            QueueError: SQS or the state store cannot be used; the next sweep goes on.
        """
        self._reaping.bring_back(queues)
        self._measuring.measure(queues)
        try:
            return self._sweeping.sweep(queues)
        finally:
            self._number_deaths()

    def sweep_blobs(self, is_over: Callable[[], bool]) -> SweptBlobs:
        return SweptBlobs() if self._orphans is None else self._orphans.sweep(is_over)

    def gauges(self, queues: Sequence[str]) -> list[Gauge]:
        return self._gauges.read(queues)

    def _sweep_blobs(self) -> None:
        until = self._monotonic() + BLOBS_S
        self.sweep_blobs(lambda: self._closing or self._monotonic() > until)

    def settle_blobs(self) -> None:
        """Wait until the store has been told what is free; what fails is told later."""
        self._naming.settle()

    def _number_deaths(self) -> None:
        """Deaths are owed already; who is told goes by their numbers."""
        try:
            if owing := self._ledger.taken_owing():
                self._outbox.number(owing)
        except QueueError as error:
            log.warning("who died is told later, within a minute of the state store's return: %s", error)

    def _write_counts(self, *, at_once: bool = False) -> None:
        try:
            self._ledger.write_counts(at_once=at_once)
        except QueueError as error:
            log.info("the counters could not be written (%s): with the next flush", error)


def _token() -> str:
    return secrets.token_hex(8)
