# ruff: noqa: D102 - the contracts carry the docstrings
"""The queue on SQS without a state store: what SQS alone can keep (`state="none"`, written out).

There is no status, no cancellation, no checkpoint, no unique key, no fence, and no dead letter but the one that lies in
the dead-letter queue. Attempts are SQS's deliveries, so a release and a crash use one up. Alerts are owed in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twolane.backends.aws import AwsError, Service
from twolane.backends.sqs.addresses import Address
from twolane.backends.sqs.alerts import death_of
from twolane.backends.sqs.checking import check
from twolane.backends.sqs.feeding import copy_of, put_back
from twolane.backends.sqs.flushing import Flushing
from twolane.backends.sqs.here import StateHere
from twolane.backends.sqs.hiding import MAX_HIDDEN_S, asked_at, left_s
from twolane.backends.sqs.letters import adopted, laid_out, posted, posted_again, unpacked
from twolane.backends.sqs.listening import Listening
from twolane.backends.sqs.outbox import Outbox
from twolane.backends.sqs.parcels import MAX_DELAY_S, Copy
from twolane.backends.sqs.polling import Polling
from twolane.backends.sqs.receipts import Receipt
from twolane.backends.sqs.rows import Row, noted
from twolane.backends.sqs.sending import not_stored
from twolane.backends.sqs.targets import Targets
from twolane.backends.sqs.turns import EXTENDED_OFTEN
from twolane.backends.sqs.wires import Wires
from twolane.contracts import feeding as f
from twolane.contracts import outbox as o
from twolane.contracts import queue as q
from twolane.contracts import upkeep as u
from twolane.contracts import watch as w
from twolane.contracts.clock import Clock
from twolane.values.body import check_body
from twolane.values.errors import QueueError, SendRefused
from twolane.values.outcome import Failure, Reason
from twolane.values.policy import MAX_PAUSE_S
from twolane.values.record import State

log = logging.getLogger("twolane.sqs")

MAX_BODY_BYTES = 1024 * 1024
_UNSEEN = "there is no state store (TWOLANE_STATE=none)"


@dataclass(slots=True)
class _Held:
    receipt: Receipt
    worker: str
    row: Row
    body: str
    fed: bool = False


class StatelessSqsQueue:
    """A queue on SQS alone.

    Args:
        address: which queues; each needs a dead-letter queue.
        clock: the time of leases.
        service: the way to SQS; None: botocore as the environment says.
        poll_s: as for `SqsQueue`.

    Attributes:
        here: the alerts of this process and how far they were told, for `NoRecords`.
    """

    capabilities = q.Capabilities(
        durable=True,
        detects_stale=False,
        release_is_free=False,
        knows_crashes=False,
        selects_tasks=False,
        foresees=False,
        prunes=False,
        sums=False,
        groups=True,
        longest_attempt_s=MAX_HIDDEN_S,
    )
    max_body_bytes = MAX_BODY_BYTES

    def __init__(
        self,
        address: Address,
        *,
        clock: Clock,
        service: Service | None = None,
        poll_s: float | None = None,
    ) -> None:
        self._now, self._monotonic = clock.now, clock.monotonic
        self._service = service or Service("sqs", poll_s=address.poll_s)
        self._wires = Wires(address, self._service)
        wait_s = address.poll_s if poll_s is None else poll_s
        self._listening = Listening()
        self._polling = Polling(self._wires, clock, poll_s=wait_s, on_arrival=self._listening.wake)
        self._held: dict[str, _Held] = {}
        self._served: tuple[str, ...] = ()
        self.here = StateHere()
        self._outbox = Outbox(self.here, clock)
        targets = Targets(self.here, clock)
        others: dict[type[q.Entry[Any]], Callable[[Any], Any]] = {
            q.Receive: self._receive,
            f.HandOut: self._hand_out,
            f.PutBack: lambda entry: put_back(self._wires, entry),
            q.Extend: self._extend,
            q.SaveCheckpoint: lambda entry: q.Holding(held=entry.receipt in self._held),
            q.RetryDelivery: self._retry,
            q.WaitDelivery: lambda entry: self._back(entry.receipt, entry.after_s),
            q.ReleaseDelivery: lambda entry: self._back(entry.receipt, 0.0),
            q.DeadLetterDelivery: self._die,
            f.ContinueDelivery: self._go_on,
            q.CancelDelivery: lambda entry: self._delete([entry.receipt])[0],
            q.CancelMessage: lambda _: None,
            q.Redrive: self._unseen,
            q.Discard: self._unseen,
            u.Register: lambda _: None,
            u.Unregister: self._unregister,
            u.Reap: lambda _: u.Reaped(),
            u.Prune: self._prune,
            o.OweNotice: self._outbox.owe_notice,
            o.RegisterTargets: targets.register,
            o.SaveTarget: targets.save,
            o.Act: self._act,
            w.LeadWatch: lambda _: False,  # nobody watches what cannot be looked at
            w.ObserveConditions: lambda _: False,
            w.Probe: self._probe,
        }
        self._flushing = Flushing(self._send, [((q.AckDelivery,), self._ack)], others)

    def start(self) -> None:
        """Make the clients.

        Raises:
            SettingsError: botocore or a region is missing.
        """
        self._service.start()

    def flush(self, entries: Sequence[q.Entry[Any]]) -> list[Any]:
        return self._flushing.flush(entries)

    def next_visible_at(self, queues: tuple[str, ...], after: float) -> float | None:
        del queues, after
        return None

    def listen(self, on_visible: Callable[[], None]) -> Callable[[], None]:
        return self._listening.listen(self._polling, on_visible)

    def close(self) -> None:
        self._polling.finish()
        self._flushing.close()
        self._service.close()

    # Sending

    def _send(self, entries: Sequence[q.Send]) -> list[Any]:
        return self._store([entry.messages for entry in entries])

    def _store(self, entries: Sequence[tuple[q.Outgoing, ...]]) -> list[Any]:
        answers: list[Any] = [self._refusal(messages) for messages in entries]
        going = [
            (number, message)
            for number, messages in enumerate(entries)
            if answers[number] is None
            for message in messages
        ]
        parcels = [posted(message) for _, message in going]
        failed: dict[int, dict[str, AwsError]] = {}
        for (number, message), error in zip(going, self._wires.send(parcels), strict=True):
            if error is not None:
                failed.setdefault(number, {})[message.id] = error
        for number, messages in enumerate(entries):
            if number in failed:
                answers[number] = not_stored(messages, failed[number])
            elif answers[number] is None:
                answers[number] = tuple([q.Sent(message.id) for message in messages])
        return answers

    def _refusal(self, messages: Sequence[q.Outgoing]) -> SendRefused | None:
        try:
            for message in messages:
                self._check_state(message)
            check(messages, self._wires, self.max_body_bytes)
        except SendRefused as error:
            return error
        return None

    def _check_state(self, message: q.Outgoing) -> None:
        if message.unique_key is not None:
            what = "a unique key is kept"
        elif message.delay_s > MAX_DELAY_S:
            what = f"a delay of more than {MAX_DELAY_S} s is kept"
        else:
            return
        raise SendRefused(
            f"message {message.id}: {what} in a state store, and {_UNSEEN}; nothing was stored", [message.id]
        )

    # Receiving and holding

    def _receive(self, entry: q.Receive) -> tuple[q.Delivery, ...]:
        if entry.strangers or entry.limit <= 0:
            return ()
        self._served = entry.queues
        copies = self._polling.take(entry.queues, entry.limit, entry.lease_s)
        deliveries = [self._take(copy, entry, fed=False) for copy in copies]
        return tuple([each for each in deliveries if each is not None])

    def _hand_out(self, entry: f.HandOut) -> tuple[q.Delivery | f.NotHandedOut, ...]:
        taken = [self._take(copy_of(each), entry, fed=True) for each in entry.arrived]
        return tuple([f.NotHandedOut(gone=True) if each is None else each for each in taken])

    def _take(self, copy: Copy, entry: q.Receive | f.HandOut, *, fed: bool) -> q.Delivery | None:
        """A copy as a delivery; None: it is dead, since its deliveries are used up."""
        message_id, body = unpacked(copy)
        row = adopted(message_id, body, copy, self._now())
        row = row.but(record={"attempt": copy.receives, "deliveries": copy.receives})
        asked = asked_at(copy.asked_at, self._monotonic())
        receipt = Receipt(message_id, "-", copy.queue, asked, copy.handle)
        held = _Held(receipt, entry.worker, row, body, fed)
        if copy.receives > row.max_attempts and self._bury(held, row, Reason.USED_UP):
            return None
        self._forget()
        self._held[str(receipt)] = held
        now = self._now()
        return q.Delivery(
            id=receipt.id,
            queue=receipt.queue,
            task=row.record.task,
            body=body,
            receipt=str(receipt),
            attempt=row.record.attempt,
            received_at=now,
            lease_until=now + entry.lease_s,
            waits_since=copy.first_receive_at if row.record.attempt > 1 else None,
        )

    def _forget(self) -> None:
        """What was lost nobody settles: it goes when SQS cannot hide it any more."""
        while self._held:
            oldest, held = next(iter(self._held.items()))
            if self._left_s(held) > 0:
                return
            del self._held[oldest]

    def _extend(self, entry: q.Extend) -> tuple[q.Holding, ...]:
        """What SQS hides for no much longer is lost: nobody extends it again before it is visible."""
        held: list[Receipt] = []
        for text in entry.receipts:
            each = self._held.get(text)
            if each is not None and self._left_s(each) > entry.lease_s / EXTENDED_OFTEN:
                held.append(each.receipt)
        now = self._monotonic()
        longer = [(each.queue, each.handle, min(entry.lease_s, left_s(each.asked_at, now))) for each in held]
        for error in self._wires.show(longer):
            if error is not None:
                raise error
        still = {str(each) for each in held}
        return tuple([q.Holding(held=text in still) for text in entry.receipts])

    def _left_s(self, held: _Held) -> float:
        return left_s(held.receipt.asked_at, self._monotonic())

    # Settling

    def _ack(self, entries: Sequence[q.AckDelivery]) -> list[Any]:
        answers: list[Any] = [None] * len(entries)
        for number, entry in enumerate(entries):
            if entry.sends and entry.receipt in self._held:
                [sent] = self._store([entry.sends])
                answers[number] = sent if isinstance(sent, Exception) else None
        going = [number for number, answer in enumerate(answers) if answer is None]
        for number, answer in zip(going, self._delete([entries[at].receipt for at in going]), strict=True):
            answers[number] = answer
        return answers

    def _delete(self, receipts: Sequence[str]) -> list[Any]:
        held = [self._held.get(text) for text in receipts]
        ours = [each.receipt for each in held if each is not None and not each.fed]
        told = iter(self._wires.delete([(each.queue, each.handle) for each in ours]))
        answers: list[Any] = []
        for text, each in zip(receipts, held, strict=True):
            fed = each is not None and each.fed
            error = None if each is None or fed else next(told)
            if error is None:
                self._held.pop(text, None)
            answers.append(error or q.Settled(held=each is not None, gone=fed))
        return answers

    def _retry(self, entry: q.RetryDelivery) -> q.Settled:
        return self._back(entry.receipt, entry.after_s)

    def _back(self, text: str, asked_s: float) -> q.Settled:
        held = self._held.get(text)
        if held is None:
            return q.Settled(held=False)
        after_s = min(max(asked_s, 0.0), MAX_PAUSE_S, self._left_s(held))
        [error] = self._wires.show([(held.receipt.queue, held.receipt.handle, after_s)])
        if error is not None:
            raise error
        del self._held[text]
        return q.Settled(held=True, after_s=after_s if after_s < asked_s else None)

    def _go_on(self, entry: f.ContinueDelivery) -> Any:
        held = self._held.get(entry.receipt)
        if held is None:
            return q.Settled(held=False)
        if self._wires.is_fifo(held.receipt.queue):  # a new one would be the last of its group
            return self._back(entry.receipt, 0.0)
        check_body(entry.body, self.max_body_bytes, held.receipt.id)
        for error in [*self._store([entry.sends]), *self._wires.send([posted_again(held.row, entry.body)])]:
            if isinstance(error, Exception):
                return error
        return self._delete([entry.receipt])[0]

    def _die(self, entry: q.DeadLetterDelivery) -> q.Settled:
        held = self._held.get(entry.receipt)
        if held is None:
            return q.Settled(held=False)
        row = held.row.but(attempts=noted(held.row, entry.outcome, entry.failure))
        if not self._bury(held, row, entry.reason, entry.public):
            raise QueueError(f"message {held.receipt.id} could not be brought to a dead-letter queue")
        del self._held[entry.receipt]
        return q.Settled(held=True, gone=held.fed)

    def _bury(self, held: _Held, row: Row, reason: Reason, public: str | None = None) -> bool:
        """Our message on the dead-letter queue first, then the original goes. False: it stays where it is."""
        receipt, body, now = held.receipt, held.body, self._now()
        if not row.attempts:
            seen = Failure(
                "UsedUp", f"handed out {row.record.deliveries} times", started_at=now, ended_at=now
            )
            row = row.but(attempts=noted(row, "used_up", seen))
        dead = {"state": State.DEAD, "reason": reason, "public": public, "finished_at": now}
        row = row.but(record=dead)
        try:
            where = self._wires.dead_url(receipt.queue)
        except AwsError as error:
            log.warning("%s is dead, and its dead-letter queue is not found: %s", receipt.id, error)
            return False
        if where is None:
            log.error(
                "%s is dead, and queue %s has no dead-letter queue: it comes again", receipt.id, receipt.queue
            )
            return False
        [failed] = self._wires.bury([laid_out(receipt.queue, row, body)])
        if failed is not None:
            log.warning("%s is dead, and its dead-letter queue does not have it yet: %s", receipt.id, failed)
            return False
        if not held.fed:
            self._wires.delete([(receipt.queue, receipt.handle)])
        self._outbox.owe(death_of(row.but(body=body), now))
        return True

    def _unseen(self, entry: Any) -> State | None:
        raise self._not_here(entry.id)

    def _not_here(self, message_id: str) -> QueueError:
        return QueueError(
            f"message {message_id} is not known here: {_UNSEEN}. Look into the dead-letter queue"
        )

    def _unregister(self, entry: u.Unregister) -> None:
        self._polling.finish()
        for text in [text for text, held in self._held.items() if held.worker == entry.worker]:
            self._back(text, 0.0)

    def _act(self, entry: o.Act) -> tuple[Any, ...]:
        """Nothing of it can be done here, so nothing is written down."""
        return tuple([self._not_here(each.id) for each in entry.entries])

    def _prune(self, entry: u.Prune) -> int:
        self._outbox.prune(entry)
        return 0

    def _probe(self, entry: w.Probe) -> None:
        """SQS answers, where this process receives from it: there is nothing else to write to."""
        del entry
        for queue in self._served[:1]:
            self._wires.attributes(queue, "QueueArn")
