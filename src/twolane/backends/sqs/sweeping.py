"""The sweep: what SQS moved to a dead-letter queue by itself becomes a dead letter of record, and somebody is told.

The redrive policy of a queue is the backstop: it takes away what was handed out too often although no worker ever
settled it. Nobody of ours hears of that. So the dead-letter queues are looked through now and then; what lies there
without a death of ours round it is buried (`used_up`), and our message takes its place. Each step can be repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from twolane.backends.aws import AwsError
from twolane.backends.sqs.ledger import Ledger, Turning
from twolane.backends.sqs.letters import adopted, is_death, laid_out, unpacked
from twolane.backends.sqs.parcels import Copy
from twolane.backends.sqs.rows import Row, key_of
from twolane.backends.sqs.turns import Turn, moved_away
from twolane.backends.sqs.wires import BATCH, Wires
from twolane.contracts.clock import Clock
from twolane.contracts.state import Conflict
from twolane.values.record import State

log = logging.getLogger("twolane.sqs")

HIDDEN_S = 120.0
MOST = 1000
"""So many messages of one dead-letter queue are looked at in one sweep; they are hidden meanwhile."""


class Sweeping:
    """Looks through dead-letter queues.

    Args:
        ledger: the rows.
        wires: the way to SQS.
        clock: the time of deaths.
    """

    def __init__(self, ledger: Ledger, wires: Wires, clock: Clock) -> None:
        self._ledger = ledger
        self._wires = wires
        self._now = clock.now

    def sweep(self, queues: Sequence[str]) -> int:
        """Bury what SQS moved away; answers how many.

        Raises:
            QueueError: SQS or the state store cannot be used; the next sweep goes on.
        """
        return sum(self._sweep(queue, url) for queue in queues if (url := self._wires.dead_url(queue)))

    def _sweep(self, queue: str, url: str) -> int:
        ours: list[Copy] = []
        looked_at = buried = 0
        try:
            while looked_at < MOST and (came := self._wires.receive_at(url, queue, BATCH, HIDDEN_S)):
                looked_at += len(came)
                for copy in came:
                    if is_death(copy.body):
                        ours.append(copy)
                    else:
                        buried += self._bury(queue, url, copy)
        finally:
            self._wires.show_at(url, queue, [copy.handle for copy in ours], 0.0)
        return buried

    def _bury(self, queue: str, url: str, copy: Copy) -> int:
        """The row first, then our message, then the copy goes; whether a message died."""
        message_id, body = unpacked(copy)
        self._adopt(message_id, body, copy)
        turning = Turning(key_of(message_id), [self._turn])
        self._ledger.turn([turning])
        [turn] = turning.turns
        if isinstance(turn, Exception):
            raise turn
        if turn is None or turning.row is None:
            return 0  # its record went in this moment: the next sweep
        if turning.row.record.state is State.DEAD:
            letter = laid_out(queue, turning.row, self._ledger.body(turning.row) or body)
            error = self._wires.send_at(url, letter)
            if error is not None:
                raise error
        if not turning.row.is_open:
            self._delete(url, queue, copy)
        if turn.died:
            log.error(
                "%s %s was handed out %d times and moved to the dead-letter queue by SQS: it is dead (used_up)",
                turning.row.record.task or "(no envelope)", message_id, copy.receives,
            )  # fmt: skip
        return int(turn.died)

    def _turn(self, row: Row) -> Turn:
        """An open one dies, unless a delivery of it is under way: a copy that was sent again may still run."""
        now = self._now()
        if not row.is_open or (row.record.state is State.RUNNING and row.record.visible_at > now):
            return Turn(row, None)
        return moved_away(row, now)

    def _adopt(self, message_id: str, body: str, copy: Copy) -> None:
        """A message that the state store knows nothing of has a row from now on."""
        if self._ledger.rows([message_id]):
            return
        [answer] = self._ledger.state.write(
            [[self._ledger.new(adopted(message_id, body, copy, self._now()))]]
        )
        if isinstance(answer, Exception) and not isinstance(answer, Conflict):
            raise answer

    def _delete(self, url: str, queue: str, copy: Copy) -> None:
        error: AwsError | None = self._wires.delete_at(url, queue, copy.handle)
        if error is not None:
            log.info("a copy could not be taken out of a dead-letter queue (%s): the next sweep does", error)
