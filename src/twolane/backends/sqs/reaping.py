"""What is looked at now and then: leases that ended, messages that were sent back and did not reach SQS."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from twolane.backends.sqs.ledger import Ledger, Turning
from twolane.backends.sqs.rows import UNSENT, Row, from_text, read_head, shelves
from twolane.backends.sqs.settling import Settling
from twolane.backends.sqs.turns import Turn, lease_ended
from twolane.backends.sqs.wires import Wires
from twolane.contracts.clock import Clock
from twolane.contracts.upkeep import Reaped
from twolane.values.record import State

UNSENT_S = 30.0
"""So long after it was sent back a message is brought to SQS by whoever looks first: its sender died."""
LOST_S = 3600.0
VISIBLE = "ApproximateNumberOfMessages"
MOST = 100

log = logging.getLogger("twolane.sqs")


class Reaping:
    """Brings rows up to date that nobody would look at.

    Args:
        ledger: the rows.
        wires: the way to SQS.
        settling: brings what was sent back to SQS.
        clock: the time of leases.
    """

    def __init__(self, ledger: Ledger, wires: Wires, settling: Settling, clock: Clock) -> None:
        self._ledger = ledger
        self._wires = wires
        self._settling = settling
        self._now = clock.now

    def reap(self) -> Reaped:
        """End leases that are over, and bring what was sent back to SQS."""
        self._settling.write_late()
        now = self._now()
        state = self._ledger.state
        keys = [
            each.key for shelf in shelves(State.RUNNING) for each in state.shelf(shelf, until=now, limit=MOST)
        ]
        turnings = [Turning(key, [self._end]) for key in keys]
        self._ledger.turn(turnings)
        ended = [
            turn for turning in turnings for turn in turning.turns if isinstance(turn, Turn) and turn.answer
        ]
        self._send_again(now)
        buried = sum(turn.died for turn in ended)
        return Reaped(freed=len(ended) - buried, buried=buried)

    def bring_back(self, queues: Sequence[str]) -> int:
        """Bring to SQS what waits by its row and is not there; answers how many.

        SQS forgets by age, and a process may have died between a row and its send. A queue that has nothing visible
        although rows have been due for an hour has lost them. A second copy of one that is there does no harm.
        """
        due = [
            each
            for shelf in shelves(State.WAITING)
            for each in self._ledger.state.shelf(shelf, until=self._now() - LOST_S, limit=MOST)
        ]
        brought = 0
        for queue in {read_head(each.head)[0] for each in due} & set(queues):
            counted = self._wires.attributes(queue, VISIBLE)
            if int(counted.get(VISIBLE, 1)):
                continue
            keys = [each.key for each in due if read_head(each.head)[0] == queue]
            for item in self._ledger.state.read(keys).values():
                row = from_text(item.text)
                if row.record.state is State.WAITING and self._settling.send_again(row) is None:
                    log.warning("%s waits, and SQS had no copy of it: it is there again", row.record.id)
                    brought += 1
        return brought

    def busy(self, queues: Sequence[str]) -> tuple[str, ...]:
        """Those of these queues that have open messages, as far as a look tells: with many of them it may be all."""
        found: set[str] = set()
        for state in (State.WAITING, State.RUNNING):
            for shelf in shelves(state):
                listed = self._ledger.state.shelf(shelf, limit=MOST)
                if len(listed) == MOST:
                    return tuple(queues)
                found |= {read_head(each.head)[0] for each in listed}
        return tuple(queue for queue in queues if queue in found)

    def _end(self, row: Row) -> Turn:
        now = self._now()
        if row.record.state is not State.RUNNING or row.record.visible_at > now:
            return Turn(row, answer=False)
        turn = lease_ended(row, now)
        return replace(turn, answer=True)

    def _send_again(self, now: float) -> None:
        state = self._ledger.state
        unsent = [each.key for each in state.shelf(UNSENT, until=now - UNSENT_S, limit=MOST)]
        for item in state.read(unsent).values():
            row = from_text(item.text)
            if row.unsent:
                self._settling.send_again(row)
