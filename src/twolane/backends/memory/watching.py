# ruff: noqa: D102 - the contracts carry the docstrings
"""The watch's side of a queue in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twolane.backends.memory.outbox import MemoryOutbox
from twolane.backends.memory.records import Row
from twolane.contracts.clock import Clock
from twolane.contracts.outbox import OweNotice
from twolane.contracts.watch import LeadWatch, ObserveConditions, Probe
from twolane.values.condition import Standing, WatchState
from twolane.values.outcome import Failure
from twolane.values.record import State
from twolane.values.snapshot import BUCKET_S, DAY_BUCKETS, RECENT_BUCKETS, Backlog, Snapshot, Tally
from twolane.values.telling import Telling


class MemoryWatch(MemoryOutbox):
    """Who leads the watch, what it knows, and what it looks at."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._watch = WatchState()
        self._standings: dict[str, Standing] = {}
        self._rates: Counter[tuple[int, str, bool]] = Counter()

    def snapshot(self) -> Snapshot:
        with self._lock:
            now, records = self._now(), [row.record for row in self._rows.values()]
            waiting = [each for each in records if each.state is State.WAITING]
            died = [each.finished_at or 0.0 for each in records if each.state is State.DEAD]
            backlogs: dict[str, Backlog] = {}
            for queue in {each.queue for each in waiting}:
                visible = [each.visible_at for each in waiting if each.queue == queue]
                ready_since = min((at for at in visible if at <= now), default=None)
                backlogs[queue] = Backlog(len(visible), ready_since)
            return Snapshot(
                backlogs,
                tuple(self._workers.values()),
                dead=len(died),
                dead_since=min(died, default=None),
                unsent=self._unsent(),
                tallies=self._tallies(),
                state=self._state(),
            )

    def watch_state(self) -> WatchState:
        with self._lock:
            return self._state()

    def _watch_verbs(self) -> dict[type[Any], Callable[[Any], Any]]:
        return {
            LeadWatch: self._lead_watch,
            ObserveConditions: self._observe_conditions,
            Probe: lambda _: None,
        }

    def _state(self) -> WatchState:
        standings = sorted(self._standings.values(), key=lambda each: (each.kind, each.subject))
        return replace(self._watch, standings=tuple(standings))

    def _lead_watch(self, entry: LeadWatch) -> bool:
        now = self._now()
        if self._watch.is_led(now):
            return self._watch.leader == entry.leader
        self._watch = replace(self._watch, leader=entry.leader, renewed_at=now, until=now + entry.lease_s)
        return True

    def _observe_conditions(self, entry: ObserveConditions) -> bool:
        now = self._now()
        if self._watch.leader != entry.leader or not self._watch.is_led(now):
            return False
        looked_at = self._watch.looked_at if entry.looked_at is None else entry.looked_at
        self._watch = WatchState(entry.leader, now, now + entry.lease_s, looked_at)
        self._standings |= {each.name: each for each in entry.changed}
        for name in entry.gone:
            self._standings.pop(name, None)
        for notice in entry.notices:
            self._owe_notice(OweNotice(notice.key, notice.title, notice.body))
        return True

    def _unsent(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for target in Telling(self._last_alert, tuple(self._targets.values())).live:
            owed = (alert.owed_at for alert in self._alerts if alert.number > target.state.told_to)
            if (since := next(owed, None)) is not None:
                found[target.name] = min(since, found.get(target.name, since))
        return found

    # How attempts ended

    def _note(self, row: Row, outcome: str, failure: Failure) -> None:
        row.note(outcome, failure)
        self._count(row, done=False, run_s=failure.ended_at - failure.started_at)

    def _note_lost(self, row: Row, outcome: str, error_type: str, message: str) -> None:
        """Note an attempt of which nobody tells any more."""
        now = self._now()
        failure = Failure(error_type, message, started_at=row.record.started_at or now, ended_at=now)
        self._note(row, outcome, failure)

    def _count(self, row: Row, *, done: bool, run_s: float) -> None:
        task = row.record.task
        self._rates[(self._bucket(), task, done)] += 1
        self._sums.add(task, done=done, failed=not done, run_s=max(0.0, run_s))

    def _forget_old(self) -> None:
        self._sums.forget()
        last = self._bucket()
        kept = range(last - RECENT_BUCKETS - DAY_BUCKETS, last + 1)
        self._rates = Counter({key: many for key, many in self._rates.items() if key[0] in kept})

    def _tallies(self) -> dict[str, Tally]:
        last = self._bucket()
        recent = range(last - RECENT_BUCKETS, last + 1)
        before = range(recent.start - DAY_BUCKETS, recent.start)
        return {
            task: Tally(
                *(
                    self._ended(task, buckets, done=done)
                    for buckets in (recent, before)
                    for done in (True, False)
                )
            )
            for task in {task for bucket, task, _ in self._rates if bucket in before or bucket in recent}
        }

    def _ended(self, task: str, buckets: range, *, done: bool) -> int:
        return sum(
            many
            for (bucket, name, well), many in self._rates.items()
            if name == task and well is done and bucket in buckets
        )

    def _bucket(self) -> int:
        return int(self._now() // BUCKET_S)
