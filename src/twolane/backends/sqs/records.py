# ruff: noqa: D102 - the contract carries the docstrings
"""What people read of a queue on SQS: its state store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from twolane.backends.sqs.actions import actions
from twolane.backends.sqs.finding import dead_heads, groups_of
from twolane.backends.sqs.ledger import COUNTERS, LATE, Ledger
from twolane.backends.sqs.looking import Looking
from twolane.backends.sqs.outbox import Outbox
from twolane.backends.sqs.rates import Rates
from twolane.backends.sqs.rows import Row, from_text, key_of, read_head, shelves
from twolane.backends.sqs.workers import listed
from twolane.contracts.clock import Clock
from twolane.contracts.state import StateStore
from twolane.values.condition import WatchState
from twolane.values.letters import ALL, Action, DeadGroup, Matching
from twolane.values.record import Attempt, DailySum, DeadLetter, QueueStats, Record, State, Stats
from twolane.values.snapshot import Snapshot
from twolane.values.telling import Owed, Telling


class StateRecords:
    """Records (contract) over a state store.

    Args:
        state: where the rows are.
        clock: the age of what waits.
    """

    def __init__(self, state: StateStore, clock: Clock) -> None:
        self._state = state
        self._ledger = Ledger(state, clock, keep_s=0.0)
        self._now = clock.now
        self._outbox = Outbox(state, clock)
        self._looking = Looking(state, self._outbox, Rates(state, clock))

    def get(self, message_id: str) -> Record | None:
        row = self._row(message_id)
        if row is None and (alias := self._state.read([f"alias/{message_id}"])):
            row = self._row(next(iter(alias.values())).text)
        return None if row is None else row.record

    def get_many(self, message_ids: Collection[str]) -> dict[str, Record]:
        items = self._state.read([key_of(each) for each in message_ids])
        found = [from_text(item.text).record for item in items.values()]
        return {record.id: record for record in found}

    def body(self, message_id: str) -> str | None:
        row = self._row(message_id)
        return None if row is None or row.record.state is State.DISCARDED else self._ledger.body(row)

    def list_dead(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadLetter]:
        ids = [head.id for head in dead_heads(self._state, which, limit)]
        found = self._ledger.rows(ids)
        rows = [found[each][1] for each in ids if each in found]
        return [self._letter(row) for row in rows if row.record.state is State.DEAD]

    def dead_ids(self, which: Matching = ALL) -> list[str]:
        return [head.id for head in dead_heads(self._state, which)]

    def dead_groups(self, which: Matching = ALL, *, limit: int = 100) -> list[DeadGroup]:
        return groups_of(dead_heads(self._state, which))[:limit]

    def actions(self, *, limit: int = 100) -> list[Action]:
        return actions(self._state, limit)

    def telling(self) -> Telling:
        return self._outbox.telling()

    def owed(self, after: int, *, whole: int = 0) -> Owed:
        return self._outbox.owed(after, whole, self._letters)

    def snapshot(self) -> Snapshot:
        return self._looking.snapshot(self._now())

    def watch_state(self) -> WatchState:
        return self._looking.watch_state()

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        row = self._row(message_id)
        return self._letter(row) if row is not None and row.record.state is State.DEAD else None

    def attempts(self, message_id: str) -> tuple[Attempt, ...]:
        row = self._row(message_id)
        return () if row is None else row.attempts

    def daily_sums(self, since_day: int) -> list[DailySum]:
        return self._ledger.sums.since(since_day)

    def stats(self) -> Stats:
        now = self._now()
        counts: defaultdict[str, Counter[State]] = defaultdict(Counter)
        oldest: dict[str, float] = {}
        not_understood: Counter[str] = Counter()
        for state in (State.WAITING, State.RUNNING, State.DEAD):
            for shelf in shelves(state):
                for each in self._state.shelf(shelf):
                    queue, _, sent_at, waits = read_head(each.head)
                    counts[queue][state] += 1
                    not_understood[queue] += waits and state is State.WAITING
                    if state is State.WAITING and each.place <= now:
                        oldest[queue] = max(oldest.get(queue, 0.0), now - sent_at)
        ended = self._state.counters([COUNTERS]).get(COUNTERS, {})
        telling, late = self.telling(), 0
        for name, number in ended.items():
            word, _, queue = name.partition(":")
            if word == LATE:
                late += number
            else:
                counts[queue][State(word)] += number
        return Stats(
            queues={
                queue: QueueStats(
                    counts={state: mine[state] for state in State},
                    oldest_age_s=oldest.get(queue),
                    not_understood=not_understood[queue],
                )
                for queue, mine in counts.items()
            },
            accepted=sum(mine.total() for mine in counts.values()),
            workers=listed(self._state, now),
            owed_alerts=telling.last - telling.told,
            told_alerts=telling.told,
            late_records=late,
        )

    def blobs_in_use(self) -> frozenset[str]:
        items = self._state.scan(key_of(""))
        return frozenset(blob for item in items for blob in from_text(item.text).blobs)

    def close(self) -> None:
        self._state.close()

    def _row(self, message_id: str) -> Row | None:
        item = self._state.read([key_of(message_id)]).get(key_of(message_id))
        return None if item is None else from_text(item.text)

    def _letter(self, row: Row) -> DeadLetter:
        return row.letter(self._ledger.body(row))

    def _letters(self, died: Sequence[Row]) -> list[DeadLetter | None]:
        """Those who died as they are now: somebody may have sent them back or discarded them since."""
        found = self._ledger.rows([row.record.id for row in died])
        now = [found.get(row.record.id) for row in died]
        return [None if each is None else self._letter(each[1]) for each in now]
