"""How near a queue is to what SQS allows: messages in flight, and the age of the oldest against the retention."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from twolane.backends.sqs.ledger import Ledger
from twolane.backends.sqs.rows import read_head, shelves
from twolane.backends.sqs.wires import LEAST_RECEIVES, POLICY, Wires
from twolane.contracts.clock import Clock
from twolane.values.lengths import length
from twolane.values.record import State

log = logging.getLogger("twolane.sqs")

MOST_IN_FLIGHT = 120_000
"""Of a standard queue; a message that waits for its next attempt is one of them (SQS, Quotas)."""
_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
_RETENTION = "MessageRetentionPeriod"


class Measuring:
    """Warns at half.

    Args:
        ledger: the rows.
        wires: the way to SQS.
        clock: the age of what waits.
    """

    def __init__(self, ledger: Ledger, wires: Wires, clock: Clock) -> None:
        self._ledger = ledger
        self._wires = wires
        self._now = clock.now
        self._said: set[str] = set()

    def measure(self, queues: Sequence[str]) -> None:
        """Look at each queue once; a warning each time that it is beyond half.

        Raises:
            QueueError: SQS or the state store cannot be used.
        """
        ages_s = self._ages_s()
        for queue in queues:
            has = self._wires.attributes(queue, _IN_FLIGHT, _RETENTION, POLICY)
            self._say_too_few(queue, self._wires.most_receives(queue, has.get(POLICY, "")))
            in_flight, retention_s = int(has.get(_IN_FLIGHT, 0)), int(has.get(_RETENTION, 0))
            if in_flight >= MOST_IN_FLIGHT / 2:
                log.warning(
                    "queue %s has %d messages in flight of the %d that SQS allows: run more workers, or find out "
                    "why so many wait for their next attempt", queue, in_flight, MOST_IN_FLIGHT,
                )  # fmt: skip
            if retention_s and ages_s.get(queue, 0.0) >= retention_s / 2:
                log.warning(
                    "the oldest message of queue %s was sent %s ago, and SQS forgets after %s: run more workers",
                    queue, length(ages_s[queue]), length(retention_s),
                )  # fmt: skip

    def _say_too_few(self, queue: str, most: int | None) -> None:
        """Once: it is a setting, which nobody changes meanwhile."""
        if most is None or most >= LEAST_RECEIVES or queue in self._said:
            return
        self._said.add(queue)
        log.warning(
            "SQS takes messages of queue %s away after %d receives, and retries, releases and delays take receives too: "
            "they die as used_up before their attempts are. Set the maxReceiveCount of its redrive policy to 50",
            queue, most,
        )  # fmt: skip

    def ask(self, queues: Sequence[str]) -> None:
        """See that SQS answers for each queue.

        Raises:
            QueueError: it does not.
        """
        for queue in queues:
            self._wires.attributes(queue, _IN_FLIGHT)

    def _ages_s(self) -> dict[str, float]:
        """The age of the longest due message on each shelf, by queue."""
        ages_s: dict[str, float] = {}
        for shelf in shelves(State.WAITING):
            for each in self._ledger.state.shelf(shelf, until=self._now(), limit=1):
                queue, _, sent_at, _ = read_head(each.head)
                ages_s[queue] = max(ages_s.get(queue, 0.0), self._now() - sent_at)
        return ages_s
