"""What is settled, extended, cancelled or sent back: the rows first, each on its condition, then SQS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from twolane.backends.aws import AwsError
from twolane.backends.sqs import turns
from twolane.backends.sqs.hiding import left_s
from twolane.backends.sqs.known import Known
from twolane.backends.sqs.ledger import Ledger, Turning
from twolane.backends.sqs.letters import laid_out, posted_again
from twolane.backends.sqs.receipts import Receipt, read_receipt
from twolane.backends.sqs.rows import Row, is_large, key_of
from twolane.backends.sqs.sending import Sending
from twolane.backends.sqs.turns import Delete, Show, Turn
from twolane.backends.sqs.wires import Wires
from twolane.contracts import feeding as f
from twolane.contracts import queue as q
from twolane.contracts.clock import Clock
from twolane.values.body import check_body
from twolane.values.errors import QueueError, SendRefused, SendUnknown
from twolane.values.record import FINISHED, State

log = logging.getLogger("twolane.sqs")

MOST_LATE = 10_000
_STALE = q.Settled(held=False)
_LOST = q.Holding(held=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One entry's part in one message (an `Extend` has one a receipt)."""

    number: int
    key: str
    entry: Any
    receipt: Receipt | None = None


class Settling:
    """Carries out what concerns messages that are stored.

    Args:
        ledger: their rows.
        wires: the way to SQS.
        sending: stores what a task sends with its settlement.
        clock: the time of leases and ends.
        max_body_bytes: longer bodies are refused.

    Attributes:
        known: the deliveries that this process has handed out.
        made_visible: something can be received at once, since this was last set to False.
    """

    def __init__(
        self, ledger: Ledger, wires: Wires, sending: Sending, clock: Clock, *, max_body_bytes: int
    ) -> None:
        self._ledger = ledger
        self._wires = wires
        self._sending = sending
        self._now, self._monotonic = clock.now, clock.monotonic
        self._max_body_bytes = max_body_bytes
        self.known = Known(clock.monotonic)
        self._late: list[tuple[str, q.AckDelivery, Receipt]] = []
        self._repeats = False
        self.made_visible = False

    def carry_out(self, entries: Sequence[Any]) -> list[Any]:
        """Carry out entries about stored messages; answers each."""
        answers: list[Any] = [None] * len(entries)
        steps: list[Step] = []
        for number, entry in enumerate(entries):
            try:
                steps += self._steps(number, entry, answers)
            except (SendRefused, QueueError, ValueError, TypeError) as error:
                answers[number] = error
        fed = self.known.fed([step.receipt for step in steps if step.receipt is not None])
        turnings = self._turn(steps)
        self._tell(entries, steps, turnings, answers, fed)
        return answers

    def write_late(self) -> None:
        """Acknowledgements whose status could not be written are written now."""
        late, self._late = self._late, []
        if not late:
            return
        self._repeats = True
        try:
            settled = self.carry_out([entry for _, entry, _ in late])
        finally:
            self._repeats = False
        if written := sum(isinstance(each, q.Settled) and each.held for each in settled) - len(self._late):
            log.warning(
                "%d message(s) that are done could not be written down so, and now are; %d still cannot",
                written, len(self._late),
            )  # fmt: skip

    # What each entry wants

    def _steps(self, number: int, entry: Any, answers: list[Any]) -> list[Step]:
        if isinstance(entry, q.Extend):
            answers[number] = [_LOST] * len(entry.receipts)
            receipts = [read_receipt(text) for text in entry.receipts]
            return [Step(number, key_of(each.id), entry, each) for each in receipts if each is not None]
        if isinstance(entry, (q.CancelMessage, q.Redrive, q.Discard)):
            if isinstance(entry, q.Redrive):
                self._prepare_redrive(entry)
            return [Step(number, key_of(entry.id), entry)]
        answers[number] = _LOST if isinstance(entry, q.SaveCheckpoint) else _STALE
        receipt = read_receipt(entry.receipt)
        if receipt is None:
            return []
        if isinstance(entry, (q.AckDelivery, f.ContinueDelivery)):
            brings = bool(entry.sends) or (isinstance(entry, f.ContinueDelivery) and is_large(entry.body))
            if brings and not self._brings(entry, receipt):
                return []
        return [Step(number, key_of(receipt.id), entry, receipt)]

    def _brings(self, entry: q.AckDelivery | f.ContinueDelivery, receipt: Receipt) -> bool:
        """Store first what a settlement brings along; a delivery that is not held brings nothing."""
        found = self._ledger.rows([receipt.id]).get(receipt.id)
        if found is None or not turns.held(found[1], receipt.fence):
            return False
        if isinstance(entry, q.AckDelivery):
            turns.as_json(entry.result)
        else:
            check_body(entry.body, self._max_body_bytes, receipt.id)
        if entry.sends:
            [answer] = self._sending.store([entry.sends], ending=receipt.id)
            if isinstance(answer, Exception):
                raise answer
        if isinstance(entry, f.ContinueDelivery) and is_large(entry.body):
            self._ledger.put_body(receipt.id, entry.body)
        return True

    def _prepare_redrive(self, entry: q.Redrive) -> None:
        found = self._ledger.rows([entry.id]).get(entry.id)
        if found is None or found[1].record.state is not State.DEAD:
            return
        if entry.body is not None:
            check_body(entry.body, self._max_body_bytes, entry.id)
        twin = self._sending.rows.claim(turns.keyed(found[1], entry))
        if twin is not None:
            raise SendRefused(
                f"message {entry.id} stays dead: {twin.record.id} waits or runs under the same unique key; "
                "redrive when that one has ended",
                [entry.id],
            )
        if entry.body is not None and is_large(entry.body):
            self._ledger.put_body(entry.id, entry.body)

    def _turner(self, step: Step) -> Callable[[Row], Turn]:
        return partial(self._make, step)

    def _make(self, step: Step, row: Row) -> Turn:
        """What a step makes of a row as it is now."""
        entry, now = step.entry, self._now()
        if step.receipt is not None and not turns.held(row, step.receipt.fence):
            return Turn(row, _LOST if isinstance(entry, (q.Extend, q.SaveCheckpoint)) else _STALE)
        match entry:
            case q.Extend() if step.receipt is not None:
                return turns.extend(row, entry.lease_s, now, self._left_s(step.receipt))
            case q.SaveCheckpoint():
                return turns.save_checkpoint(row, entry, now)
            case q.CancelMessage():
                return turns.cancel_message(row, now)
            case q.Redrive():
                return self._redriven(row, entry, now)
            case q.Discard():
                return turns.discard(row, now)
            case f.ContinueDelivery() if step.receipt is not None:
                return turns.goes_on(row, entry, now, anew=not self._wires.is_fifo(step.receipt.queue))
            case _:
                return turns.settle(row, entry, now)

    def _redriven(self, row: Row, entry: q.Redrive, now: float) -> Turn:
        turn = turns.redrive(row, entry, now)
        if turn.row is row or entry.body is None:
            return turn
        return Turn(turns.another_body(turn.row, entry.body), turn.answer)

    # The rows

    def _turn(self, steps: Sequence[Step]) -> dict[str, Turning]:
        by_key: dict[str, list[Step]] = {}
        for step in steps:
            by_key.setdefault(step.key, []).append(step)
        turnings = {
            key: Turning(
                key,
                [self._turner(step) for step in mine],
                self.known.item(key, [step.receipt for step in mine]),
            )
            for key, mine in by_key.items()
        }
        try:
            self._ledger.turn(list(turnings.values()))
        except QueueError as error:
            for turning in turnings.values():
                turning.turns = [error] * len(turning.turners)
        for key, turning in turnings.items():
            self._remember(key, turning)
        return turnings

    def _remember(self, key: str, turning: Turning) -> None:
        if turning.item is None or turning.row is None:
            return
        if not any(isinstance(turn, AwsError) for turn in turning.turns):
            self.known.seen(key, turning.item, turning.row)

    # What follows

    def _tell(
        self,
        entries: Sequence[Any],
        steps: Sequence[Step],
        turnings: dict[str, Turning],
        answers: list[Any],
        fed: set[Receipt],
    ) -> None:
        """The answers, and what SQS must hear."""
        orders: dict[Receipt, turns.Order] = {}
        dead: list[tuple[Receipt, Row]] = []
        places = dict.fromkeys(turnings, 0)
        extended: dict[int, int] = {}
        for step in steps:
            turn = turnings[step.key].turns[places[step.key]]
            places[step.key] += 1
            answer: Any = turn.answer if isinstance(turn, Turn) else turn
            if isinstance(turn, Turn) and step.receipt is not None and turn.order is not None:
                orders[step.receipt] = turn.order
                if turn.died:
                    dead.append((step.receipt, turn.row))
            elif isinstance(turn, AwsError) and isinstance(step.entry, q.AckDelivery):
                answer = self._acked_unwritten(step, turn, orders)
            if isinstance(step.entry, q.Extend):
                self._tell_extend(step, answer, answers, extended)
            elif answer is not None or step.receipt is None:
                answers[step.number] = answer
            self._after(step, turn, answers)
            self._go_on(step, turn, orders)
        for number, entry in enumerate(entries):
            if isinstance(entry, q.Extend) and isinstance(answers[number], list):
                answers[number] = tuple(answers[number])
        self._bury(dead, orders)
        _leave([step for step in steps if step.receipt in fed], answers, orders)
        self._order(orders)

    def _tell_extend(self, step: Step, answer: Any, answers: list[Any], told: dict[int, int]) -> None:
        """One of an `Extend`'s receipts. A row that cannot be read is no lost lease: the whole entry fails."""
        if isinstance(answer, Exception):
            answers[step.number] = answer
        elif isinstance(answers[step.number], list) and answer is not None and step.receipt is not None:
            for place, text in enumerate(step.entry.receipts):
                if text == str(step.receipt):
                    answers[step.number][place] = answer
        told[step.number] = told.get(step.number, 0) + 1

    def _acked_unwritten(self, step: Step, error: AwsError, orders: dict[Receipt, turns.Order]) -> Any:
        """The work is done, and that decides: SQS forgets the message, its status is written later."""
        is_known = self.known.item(step.key, [step.receipt]) is not None
        if step.receipt is None or not is_known or len(self._late) >= MOST_LATE:
            return error
        if not self._repeats:
            log.warning(
                "%s is done; that could not be written (%s) and is tried again", step.receipt.id, error
            )
            self._ledger.note_late(step.receipt.queue)
        orders[step.receipt] = Delete()
        self._late.append((step.key, step.entry, step.receipt))
        return q.Settled(held=True)

    def _after(self, step: Step, turn: Turn | Exception | None, answers: list[Any]) -> None:
        if not isinstance(turn, Turn):
            return
        if (turn.row.body is None or turn.row.edited) and turn.row.record.state in FINISHED:
            self._ledger.forget_body(turn.row.record.id)
        if turn.ends:
            log.warning(
                "%s %s has run for nearly 12 hours, and SQS hides a message for no longer: its lease is not lengthened "
                "again. If it is not done in %.0f s, it ends here, and another delivery goes on from its last checkpoint",
                turn.row.record.task, turn.row.record.id, turn.row.record.visible_at - self._now(),
            )  # fmt: skip
        if isinstance(step.entry, q.Discard) and turn.answer is State.DISCARDED:
            self._ledger.forget_body(turn.row.record.id)
        if isinstance(step.entry, q.Redrive) and turn.row.unsent:
            error = self.send_again(turn.row)
            if error is not None:
                answers[step.number] = SendUnknown(
                    f"message {turn.row.record.id} waits again, but may not have reached SQS yet ({error}); "
                    "a worker brings it there within minutes",
                    [turn.row.record.id],
                )

    def _go_on(self, step: Step, turn: Turn | Exception | None, orders: dict[Receipt, turns.Order]) -> None:
        """The new message of one that goes on; where there is none, the old one is visible again."""
        if (
            not isinstance(step.entry, f.ContinueDelivery)
            or not isinstance(turn, Turn)
            or not turn.row.unsent
        ):
            return
        if step.receipt is not None and (error := self.send_again(turn.row)) is not None:
            log.warning(
                "%s goes on in its old message, since SQS took no new one: %s", step.receipt.id, error
            )
            orders[step.receipt] = Show(0.0)

    def send_again(self, row: Row) -> AwsError | None:
        """Bring a message that was sent back to SQS, and note that it is there."""
        kept = row.record
        body = self._ledger.body(row) or ""
        [error] = self._wires.send([posted_again(row, body)])
        if error is None:
            self._ledger.turn([Turning(key_of(kept.id), [lambda now: Turn(now.but(unsent=False), None)])])
            self._sending.rows.remember(kept.id)
            self.made_visible = True
        return error

    def _bury(self, dead: Sequence[tuple[Receipt, Row]], orders: dict[Receipt, turns.Order]) -> None:
        """Our message on the dead-letter queue; until it is there, the original stays."""
        parcels = [laid_out(receipt.queue, row, self._ledger.body(row) or "") for receipt, row in dead]
        for (receipt, row), error in zip(dead, self._wires.bury(parcels), strict=True):
            if error is not None:
                log.warning(
                    "%s is dead, and its dead-letter queue does not have it yet: %s", row.record.id, error
                )
                del orders[receipt]

    def _left_s(self, receipt: Receipt) -> float:
        return left_s(receipt.asked_at, self._monotonic())

    def _order(self, orders: dict[Receipt, turns.Order]) -> None:
        """Tell SQS. What does not reach it comes again when its lease ends, and its row knows what it is.

        A pause that is longer than SQS can hide this copy is the row's alone: it comes early and is hidden anew.
        """
        gone = [(each.queue, each.handle) for each, order in orders.items() if isinstance(order, Delete)]
        shown = [
            (each.queue, each.handle, min(order.after_s, self._left_s(each)))
            for each, order in orders.items()
            if isinstance(order, Show)
        ]
        self.made_visible |= any(after_s <= 0 for _, _, after_s in shown)
        jobs = [partial(self._wires.delete, gone), partial(self._wires.show, shown)]
        for error in [error for job in jobs for error in job()]:
            if error is not None:
                log.info("SQS was not told what became of a message (%s): it comes again", error)


def _leave(fed: Sequence[Step], answers: list[Any], orders: dict[Receipt, turns.Order]) -> None:
    """What somebody else has received is theirs to delete: the answer says so, and SQS is told nothing."""
    for step in fed:
        receipt, answer = step.receipt, answers[step.number]
        if (
            receipt is not None
            and isinstance(answer, q.Settled)
            and answer.held
            and isinstance(orders.get(receipt), Delete)
        ):
            del orders[receipt]
            answers[step.number] = replace(answer, gone=True)
