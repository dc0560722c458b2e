"""Numbers for alarms: how many died since the last look, how many wait and since when, by queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from twolane.backends.sqs.looking import MOST
from twolane.backends.sqs.rows import DEAD, read_head, shelves
from twolane.backends.sqs.swaps import Swap, swap
from twolane.backends.sqs.wires import Wires
from twolane.contracts.clock import Clock
from twolane.contracts.state import Item, StateStore
from twolane.contracts.sweeping import Gauge
from twolane.values.record import State

LAG_S = 10.0
"""So long the index may lag behind: what died in the last seconds is counted next time."""
FIRST_S = 60.0
LONGEST_S = 900.0
"""After a pause of whoever looks no more than this is counted: an alarm is about now."""
_KEY = "sweep/gauges"
_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"


class Gauges:
    """Reads them.

    Args:
        state: where the rows are.
        wires: what SQS says itself.
        clock: the age of what waits.
    """

    def __init__(self, state: StateStore, wires: Wires, clock: Clock) -> None:
        self._state = state
        self._wires = wires
        self._now = clock.now

    def read(self, queues: Sequence[str]) -> list[Gauge]:
        """One of each queue. Each death is in one reading, however many read.

        Raises:
            QueueError: SQS or the state store cannot be used.
        """
        now = self._now()
        dead = Counter(_queue(each.head) for each in self._state.shelf(DEAD, newest_first=True, limit=MOST))
        waiting, ready = self._waiting(now)
        in_flight = {
            queue: int(self._wires.attributes(queue, _IN_FLIGHT).get(_IN_FLIGHT, 0)) for queue in queues
        }
        deaths = self._deaths(now)
        return [
            Gauge(
                queue,
                deaths=deaths[queue],
                dead=dead[queue],
                backlog=waiting[queue],
                oldest_s=max(0.0, now - ready[queue]) if queue in ready else 0.0,
                in_flight=in_flight[queue],
            )
            for queue in queues
        ]

    def _waiting(self, now: float) -> tuple[Counter[str], dict[str, float]]:
        waiting: Counter[str] = Counter()
        ready: dict[str, float] = {}
        for shelf in shelves(State.WAITING):
            for each in self._state.shelf(shelf, limit=MOST):
                queue = _queue(each.head)
                waiting[queue] += 1
                if each.place <= now:
                    ready[queue] = min(each.place, ready.get(queue, each.place))
        return waiting, ready

    def _deaths(self, now: float) -> Counter[str]:
        """Those since the last reading, which is written down first: a kill loses a count, and no death is told twice."""
        until = now - LAG_S

        def make(item: Item | None) -> Swap[float]:
            since = until - FIRST_S if item is None else float(item.text)
            return Swap(repr(max(since, until)), max(since, until - LONGEST_S))

        since = swap(self._state, _KEY, make)
        if since >= until:
            return Counter()
        listed = self._state.shelf(DEAD, since=since, until=until)
        return Counter(_queue(each.head) for each in listed if since < each.place)


def _queue(head: str) -> str:
    return read_head(head)[0]
