# ruff: noqa: D102 - the contract carries the docstrings
"""What people read of a queue on SQS: its state store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection

from twolane.backends.sqs.ledger import COUNTERS, OWED, Ledger
from twolane.backends.sqs.rows import DEAD, Row, from_text, key_of, read_head, shelves
from twolane.backends.sqs.workers import listed
from twolane.contracts.clock import Clock
from twolane.contracts.state import Shelved, StateStore
from twolane.values.record import Attempt, DeadLetter, QueueStats, Record, State, Stats


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

    def list_dead(self, *, task: str | None = None, limit: int = 100) -> list[DeadLetter]:
        listed_ = self._state.shelf(DEAD, newest_first=True, limit=limit if task is None else None)
        keys = [each.key for each in listed_ if task in (None, read_head(each.head)[1])][:limit]
        items = self._state.read(keys)
        rows = [from_text(items[key].text) for key in keys if key in items]
        return [self._letter(row) for row in rows if row.record.state is State.DEAD]

    def dead_ids(self, *, task: str | None = None) -> list[str]:
        mine = [each for each in self._state.shelf(DEAD) if task in (None, read_head(each.head)[1])]
        return [each.key.partition("/")[2] for each in mine]

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        row = self._row(message_id)
        return self._letter(row) if row is not None and row.record.state is State.DEAD else None

    def attempts(self, message_id: str) -> tuple[Attempt, ...]:
        row = self._row(message_id)
        return () if row is None else row.attempts

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
        ended = self._state.counters(COUNTERS)
        told = ended.pop("told:", 0)
        for name, number in ended.items():
            word, _, queue = name.partition(":")
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
            owed_alerts=len(self._owed()),
            told_alerts=told,
        )

    def blobs_in_use(self) -> frozenset[str]:
        items = self._state.scan(key_of(""))
        return frozenset(blob for item in items for blob in from_text(item.text).blobs)

    def close(self) -> None:
        self._state.close()

    def _owed(self) -> list[Shelved]:
        return self._state.shelf(OWED)

    def _row(self, message_id: str) -> Row | None:
        item = self._state.read([key_of(message_id)]).get(key_of(message_id))
        return None if item is None else from_text(item.text)

    def _letter(self, row: Row) -> DeadLetter:
        return row.letter(self._ledger.body(row))
