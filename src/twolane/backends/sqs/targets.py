"""How far each target has been told: all of them in one item of the state store, so that one reading has them all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from twolane.backends.sqs.swaps import Swap, swap
from twolane.contracts.clock import Clock
from twolane.contracts.outbox import RegisterTargets, SaveTarget
from twolane.contracts.state import Item, StateStore
from twolane.values.telling import FORGET_S, TargetRow, TargetState

TARGETS = "outbox/targets"


class Targets:
    """The targets.

    Args:
        state: where they are.
        clock: the time they were seen.
    """

    def __init__(self, state: StateStore, clock: Clock) -> None:
        self._state = state
        self._now = clock.now

    def register(self, entry: RegisterTargets) -> None:
        """A new one begins where the one that is furthest behind stands; where there is none yet, at the beginning."""
        now = self._now()

        def make(item: Item | None) -> Swap[None]:
            rows = rows_of(item)
            begin = TargetState(min((row.state.told_to for row in rows.values()), default=0))
            for target, name in entry.targets:
                row = rows.get(target) or TargetRow(target, name, now, now, 0, 0.0, begin)
                rows[target] = replace(row, name=name, seen_at=now)
            # A clock that was put back leaves times in the future: they would seem to be seen for ever.
            seen = [replace(row, seen_at=min(row.seen_at, now)) for row in rows.values()]
            return Swap(_text({row.id: row for row in seen if row.seen_at > now - FORGET_S}), None)

        swap(self._state, TARGETS, make)

    def save(self, entry: SaveTarget) -> int | None:
        """Only for who has seen the row as it is."""

        def make(item: Item | None) -> Swap[int | None]:
            rows = rows_of(item)
            row = rows.get(entry.target)
            if row is None or row.version != entry.version:
                return Swap(None, None)
            version = row.version + 1
            rows[row.id] = replace(row, version=version, leased_until=entry.leased_until, state=entry.state)
            return Swap(_text(rows), version)

        return swap(self._state, TARGETS, make)


def rows_of(item: Item | None) -> dict[str, TargetRow]:
    """The targets by their ids."""
    found: list[dict[str, Any]] = [] if item is None else json.loads(item.text)
    rows = [_row_of(each) for each in found]
    return {row.id: row for row in rows}


def _row_of(has: dict[str, Any]) -> TargetRow:
    state: dict[str, Any] = has.pop("state")
    sent: list[float] = state.pop("sent")
    return TargetRow(state=TargetState(sent=tuple(sent), **state), **has)


def _text(rows: Mapping[str, TargetRow]) -> str:
    return json.dumps([asdict(row) for row in rows.values()])
