"""From SQS's copies to deliveries: the row decides whether a copy is handed out, put back or deleted.

SQS may hand out a copy twice, too early or after the message's end. Who holds a message is in its row: a copy is
handed out by writing a new fence into it, on the condition that nobody was quicker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from twolane.backends.sqs.hiding import asked_at, left_s
from twolane.backends.sqs.ledger import Ledger
from twolane.backends.sqs.letters import adopted, laid_out, unpacked
from twolane.backends.sqs.parcels import Copy
from twolane.backends.sqs.receipts import Receipt
from twolane.backends.sqs.rows import Row, from_text, key_of
from twolane.backends.sqs.swaps import ROUNDS
from twolane.backends.sqs.turns import Turn, handed_out, lease_ended, used_up
from twolane.backends.sqs.wires import Wires
from twolane.contracts.clock import Clock
from twolane.contracts.queue import Delivery, Receive
from twolane.contracts.state import Change, Conflict, Item
from twolane.values.record import State

log = logging.getLogger("twolane.sqs")

SKEW_S = 2.0
"""By so much the clocks of two machines and of SQS may differ: what is due within it is due."""


@dataclass(slots=True)
class Arrival:
    """A copy that came, and what is to become of it.

    Attributes:
        copy: it.
        id: the message's.
        body: the message's.
        until: who asked for it is there until then, in epoch seconds.
        item: its row as it was last seen; None: it has none.
        delivery: it is handed out.
        delete: it is not needed any more.
        hide_s: it is to be hidden for so long; None: it stays as it is.
        bury: a dead one whose copy goes to the dead-letter queue.
        written: the row as it is now, if this look at it has changed it.
        turns: what this look at it makes of the row before it is handed out.
        row: what it makes of the row in all.
    """

    copy: Copy
    id: str
    body: str
    until: float = inf
    item: Item | None = None
    delivery: Delivery | None = None
    delete: bool = False
    hide_s: float | None = None
    bury: Row | None = None
    written: Item | None = None
    turns: list[Turn] = field(default_factory=list[Turn])
    row: Row | None = None

    @classmethod
    def of(cls, copy: Copy, until: float = inf) -> Arrival:
        """A copy that came."""
        return cls(copy, *unpacked(copy), until)


class Receiving:
    """Hands out what came.

    Args:
        ledger: the rows.
        wires: the way to SQS.
        clock: the time of leases.
        new_fence: makes a fence, never twice the same.
    """

    def __init__(self, ledger: Ledger, wires: Wires, clock: Clock, *, new_fence: Callable[[], str]) -> None:
        self._ledger = ledger
        self._wires = wires
        self._now, self._monotonic = clock.now, clock.monotonic
        self._new_fence = new_fence

    def hand_out(self, arrivals: Sequence[Arrival], entry: Receive, *, deletes: bool = True) -> None:
        """Make deliveries of copies, as far as their rows allow; what each came to stands in its arrival.

        Args:
            arrivals: what came.
            entry: who receives, and for how long.
            deletes: what nobody needs is deleted; else who has received it does that.

        Raises:
            QueueError: the state store cannot be used: the copies come again when their lease ends.
        """
        rows = self._ledger.rows([each.id for each in arrivals])
        for each in arrivals:
            each.item = rows[each.id][0] if each.id in rows else None
        left = list(arrivals)
        for _ in range(ROUNDS):
            if not left:
                break
            left = self._try(left, entry)
        self._carry_out(arrivals, deletes=deletes)

    def _try(self, arrivals: Sequence[Arrival], entry: Receive) -> list[Arrival]:
        """Write what each comes to; answers those whose row was another by then.

        Of two copies of one message only one is written in a round: the next round sees what became of it.
        """
        taken: dict[str, Arrival] = {}
        later: list[Arrival] = []
        groups: list[tuple[Arrival, list[Change]]] = []
        for each in arrivals:
            if each.id in taken:
                later.append(each)
                continue
            taken[each.id] = each
            if group := self._judge(each, entry):
                groups.append((each, group))
        answers = self._ledger.state.write([group for _, group in groups])
        again: list[Arrival] = []
        for (each, group), answer in zip(groups, answers, strict=True):
            if answer is None:
                each.written = group[0].after
                if each.row is not None:
                    self._ledger.written(group, each.row, each.turns)
                continue
            each.delivery, each.delete, each.hide_s, each.bury = None, False, None, None
            if isinstance(answer, Conflict):
                each.item = answer.now.get(key_of(each.id), each.item)
                again.append(each)
            else:
                log.warning("%s is not handed out: %s; it comes again when its lease ends", each.id, answer)
        for each in later:
            each.item = taken[each.id].written or taken[each.id].item
        return [*again, *later]

    def _judge(self, arrival: Arrival, entry: Receive) -> list[Change]:
        """What becomes of a copy: the changes to write, or none where its row stays as it is."""
        now = self._now()
        if now > arrival.until:  # a function stood still meanwhile: nobody would run it
            return []
        if arrival.item is None:
            row = adopted(arrival.id, arrival.body, arrival.copy, now)
        else:
            row = from_text(arrival.item.text)
        arrival.turns = []
        kept = row.record
        if kept.state is State.RUNNING and kept.visible_at - now <= SKEW_S:
            arrival.turns.append(lease_ended(row, now))
            row = arrival.turns[-1].row
        elif kept.state is State.RUNNING:
            arrival.hide_s = (
                kept.visible_at - now
            )  # another copy of it runs, or its lease was longer than SQS's
            return []
        if row.record.state is State.WAITING and row.record.attempt > row.max_attempts:
            arrival.turns.append(used_up(row, now))
            row = arrival.turns[-1].row
        if row.record.state is State.WAITING:
            return self._hand(arrival, row, entry, now)
        arrival.delete = True
        if row.record.state is State.DEAD:
            arrival.bury = row
        return self._changes(arrival, row)

    def _hand(self, arrival: Arrival, row: Row, entry: Receive, now: float) -> list[Change]:
        kept = row.record
        if (
            kept.visible_at - now > SKEW_S
            and arrival.item is not None
            and not _lease_just_ended(row, arrival.item)
        ):
            arrival.hide_s = kept.visible_at - now  # SQS delays by 15 minutes at most
            return []
        fence = self._new_fence()
        running = handed_out(row, entry, fence, now)
        receipt = Receipt(
            arrival.id, fence, arrival.copy.queue, self._asked_at(arrival.copy), arrival.copy.handle
        )
        arrival.delivery = Delivery(
            id=arrival.id,
            queue=kept.queue,
            task=kept.task,
            body=self._body(arrival, row),
            receipt=str(receipt),
            attempt=kept.attempt,
            received_at=now,
            lease_until=now + entry.lease_s,
            checkpoint=row.checkpoint,
            waits_since=row.waits_since,
            crashes=kept.crashes,
        )
        return self._changes(arrival, running)

    def _body(self, arrival: Arrival, row: Row) -> str:
        """The body to run; only a large one that is not what it was sent with must be asked for."""
        kept = self._ledger.body(row) if row.edited else row.body
        return arrival.body if kept is None else kept

    def _asked_at(self, copy: Copy) -> float:
        return asked_at(copy.asked_at, self._monotonic())

    def _changes(self, arrival: Arrival, row: Row) -> list[Change]:
        arrival.row = row
        died = any(turn.died for turn in arrival.turns)
        return self._ledger.changes(arrival.item, row, died=died)

    def _carry_out(self, arrivals: Sequence[Arrival], *, deletes: bool) -> None:
        """What SQS must hear of those that are not handed out; what fails here comes again by itself."""
        dead = [each for each in arrivals if each.bury is not None]
        parcels = [
            laid_out(each.copy.queue, each.bury, self._body(each, each.bury))
            for each in dead
            if each.bury is not None
        ]
        for each, error in zip(dead, self._wires.bury(parcels), strict=True):
            if error is not None:
                each.delete = False
                log.warning("%s is dead, and its dead-letter queue does not have it yet: %s", each.id, error)
        gone = [(each.copy.queue, each.copy.handle) for each in arrivals if each.delete and deletes]
        now = self._monotonic()
        hidden = [
            (each.copy.queue, each.copy.handle, min(each.hide_s, left_s(self._asked_at(each.copy), now)))
            for each in arrivals
            if each.hide_s is not None
        ]
        for error in [*self._wires.delete(gone), *self._wires.show(hidden)]:
            if error is not None:
                log.info("a copy of SQS's could not be put away (%s): it comes again", error)


def _lease_just_ended(row: Row, before: Item) -> bool:
    """The row waits since this look at it."""
    return from_text(before.text).record.state is State.RUNNING and row.record.state is State.WAITING
