"""Who leads the watch and what stands: one item of the state store. The watch's notices are owed with it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from twolane.backends.sqs.alerts import Alert, owing
from twolane.backends.sqs.outbox import Outbox
from twolane.backends.sqs.swaps import Swap, swap
from twolane.contracts.clock import Clock
from twolane.contracts.state import Change, Item, StateStore
from twolane.contracts.watch import LeadWatch, ObserveConditions
from twolane.values.condition import Phase, Standing, WatchState

WATCH = "watch"


class Watch:
    """The watch's side.

    Args:
        state: where it is.
        outbox: what it has to tell.
        clock: the time of its lease.
    """

    def __init__(self, state: StateStore, outbox: Outbox, clock: Clock) -> None:
        self._state = state
        self._outbox = outbox
        self._now = clock.now

    def lead(self, entry: LeadWatch) -> bool:
        """Take the lease if it is free."""
        now = self._now()

        def make(item: Item | None) -> Swap[bool]:
            state = watch_state_of(item)
            if state.is_led(now):
                return Swap(None, state.leader == entry.leader)
            led = replace(state, leader=entry.leader, renewed_at=now, until=now + entry.lease_s)
            return Swap(_text(led), answer=True)

        return swap(self._state, WATCH, make)

    def observe(self, entry: ObserveConditions) -> bool:
        """All of it, if the lease still holds. What it owes gets its numbers right after."""
        now = self._now()
        alerts = [Alert(now, each.key, each.title, each.body) for each in entry.notices]
        owed: list[Change] = []

        def make(item: Item | None) -> Swap[bool]:
            state = watch_state_of(item)
            if item is None or state.leader != entry.leader or not state.is_led(now):
                return Swap(None, answer=False)
            # The item's version is never again the same, and so is the name of what it owes.
            owed[:] = [owing(f"watch/{item.version}", alerts)] if alerts else []
            return Swap(_text(_observed(state, entry, now)), answer=True, more=owed)

        held = swap(self._state, WATCH, make)
        if held:
            self._outbox.number([change.after for change in owed if change.after is not None])
        return held


def _observed(state: WatchState, entry: ObserveConditions, now: float) -> WatchState:
    standings = {each.name: each for each in (*state.standings, *entry.changed)}
    for name in entry.gone:
        standings.pop(name, None)
    looked_at = state.looked_at if entry.looked_at is None else entry.looked_at
    return WatchState(entry.leader, now, now + entry.lease_s, looked_at, tuple(standings.values()))


def watch_state_of(item: Item | None) -> WatchState:
    """What the watch knows."""
    if item is None:
        return WatchState()
    has: dict[str, Any] = json.loads(item.text)
    listed: list[dict[str, Any]] = has.pop("standings")
    standings = [Standing(phase=Phase(each.pop("phase")), **each) for each in listed]
    standings.sort(key=lambda each: (each.kind, each.subject))
    return WatchState(standings=tuple(standings), **has)


def _text(state: WatchState) -> str:
    return json.dumps(asdict(state))
