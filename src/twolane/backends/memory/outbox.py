"""The outbox of a queue in memory: what is owed, and how far each target was told."""

from __future__ import annotations

from dataclasses import replace

from twolane.backends.memory.records import Alert, MemoryRecords, Row
from twolane.contracts.outbox import OweNotice, RegisterTargets, SaveTarget
from twolane.values.fingerprint import headline
from twolane.values.letters import Action
from twolane.values.outcome import Reason
from twolane.values.record import State
from twolane.values.telling import FORGET_S, TargetRow, TargetState


class MemoryOutbox(MemoryRecords):
    """The alerts of a queue in memory."""

    def _owe_notice(self, entry: OweNotice) -> int:
        return self._owe(Alert(0, 0.0, entry.key, entry.title, entry.body))

    def _owe_death(self, row: Row, reason: Reason) -> None:
        self._owe(Alert(0, 0.0, row.fingerprint(), headline(row.failure()), row=row, reason=reason))

    def _owe(self, alert: Alert) -> int:
        self._last_alert += 1
        self._alerts.append(replace(alert, number=self._last_alert, owed_at=self._now()))
        return self._last_alert

    def _told_by_all(self) -> int:
        return min((row.state.told_to for row in self._targets.values()), default=0)

    def _register_targets(self, entry: RegisterTargets) -> None:
        now, begin = self._now(), TargetState(self._told_by_all())
        for target, name in entry.targets:
            row = self._targets.get(target) or TargetRow(target, name, now, now, 0, 0.0, begin)
            self._targets[target] = replace(row, name=name, seen_at=now)
        rows = [replace(row, seen_at=min(row.seen_at, now)) for row in self._targets.values()]
        self._targets = {row.id: row for row in rows if row.seen_at > now - FORGET_S}

    def _save_target(self, entry: SaveTarget) -> int | None:
        row = self._targets.get(entry.target)
        if row is None or row.version != entry.version:
            return None
        self._targets[row.id] = replace(
            row, version=row.version + 1, leased_until=entry.leased_until, state=entry.state
        )
        return row.version + 1

    def _is_dead(self, message_id: str) -> bool:
        row = self._rows.get(message_id)
        return row is not None and row.record.state is State.DEAD

    def _write_down(self, action: Action, done: int) -> None:
        kept = self._actions.get(action.id) or replace(action, at=self._now(), count=0)
        self._actions[kept.id] = replace(kept, count=kept.count + done)
