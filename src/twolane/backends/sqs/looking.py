"""What the watch looks at: a few questions to the state store, each of them bounded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from twolane.backends.sqs.outbox import Outbox
from twolane.backends.sqs.rates import Rates
from twolane.backends.sqs.rows import DEAD, read_head, shelves
from twolane.backends.sqs.watching import WATCH, watch_state_of
from twolane.backends.sqs.workers import listed
from twolane.contracts.state import StateStore
from twolane.values.condition import WatchState
from twolane.values.record import State
from twolane.values.snapshot import Backlog, Snapshot

MOST = 2000
"""So many are looked at on one shelf, those due for longest first: with more of them it counts too few."""


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks.

    Attributes:
        state: at what.
        outbox: what is owed.
        rates: how attempts end.
    """

    state: StateStore
    outbox: Outbox
    rates: Rates

    def watch_state(self) -> WatchState:
        """What the watch knows."""
        return watch_state_of(self.state.read([WATCH]).get(WATCH))

    def snapshot(self, now: float) -> Snapshot:
        """The whole at this moment."""
        dead = self.state.shelf(DEAD, limit=MOST)
        return Snapshot(
            backlogs=self._backlogs(now),
            workers=listed(self.state, now),
            dead=len(dead),
            dead_since=dead[0].place if dead else None,
            unsent=self._unsent(),
            tallies=self.rates.tallies(),
            state=self.watch_state(),
        )

    def _backlogs(self, now: float) -> dict[str, Backlog]:
        waiting: Counter[str] = Counter()
        ready: dict[str, float] = {}
        for shelf in shelves(State.WAITING):
            for each in self.state.shelf(shelf, limit=MOST):
                queue = read_head(each.head)[0]
                waiting[queue] += 1
                if each.place <= now:
                    ready[queue] = min(each.place, ready.get(queue, each.place))
        return {queue: Backlog(many, ready.get(queue)) for queue, many in waiting.items()}

    def _unsent(self) -> dict[str, float]:
        """Since when each target that is served owes its oldest alert; of two with one name the older."""
        telling = self.outbox.telling()
        behind = [row for row in telling.live if row.state.told_to < telling.last]
        since = self.outbox.owed_since([row.state.told_to for row in behind]) if behind else []
        found: dict[str, float] = {}
        for row, at in zip(behind, since, strict=True):
            if at is not None:
                found[row.name] = min(at, found.get(row.name, at))
        return found
