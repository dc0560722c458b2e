"""An alert as the state store keeps it: first without a number, from the moment of its cause on, then with one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twolane.backends.sqs.rows import Row, from_json, to_text
from twolane.contracts.state import Change, Item
from twolane.values.fingerprint import fingerprint, headline
from twolane.values.outcome import Reason
from twolane.values.telling import OwedKind

OWED = "owed"
"""The shelf of alerts, by their numbers."""
OWING = "owing"
"""The shelf of those that have none yet."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to tell: about a death, or a notice.

    Attributes:
        owed_at: since when.
        fingerprint: its kind.
        title: the error in one line, or the notice's title.
        body: the notice's.
        row: who died, as it was then; None: it is a notice.
    """

    owed_at: float
    fingerprint: str
    title: str
    body: str = ""
    row: Row | None = None

    def head(self) -> str:
        """What is listed with its number."""
        task = reason = message_id = None
        if self.row is not None:
            kept = self.row.record
            task, reason, message_id = kept.task, kept.reason, kept.id
        return json.dumps([self.owed_at, self.fingerprint, self.title, task, reason, message_id])

    def text(self) -> str:
        """All of it."""
        told = json.dumps([self.owed_at, self.fingerprint, self.title, self.body])
        return f"[{told},{'null' if self.row is None else to_text(self.row)}]"

    def numbered(self, number: int) -> Change:
        """It has a number."""
        key = alert_key(number)
        return Change(key, None, Item(key, 1, self.text(), OWED, float(number), self.head()))


def death_of(row: Row, now: float) -> Alert:
    """A death, as it is told."""
    failure = row.failure
    return Alert(now, fingerprint(row.record.task, failure), headline(failure), row=row)


def alert_key(number: int) -> str:
    """Where an alert is."""
    return f"alert/{number}"


def read_alert(text: str) -> Alert:
    """Read one."""
    return _alert_of(json.loads(text))


def owing(name: str, alerts: Sequence[Alert]) -> Change:
    """These are owed from now on; their numbers come later.

    Args:
        name: never used before.
        alerts: at least one.
    """
    key = f"owing/{name}"
    return Change(key, None, Item(key, 1, owing_text(alerts), OWING, alerts[0].owed_at))


def owing_text(alerts: Sequence[Alert]) -> str:
    """Alerts without numbers in one text."""
    return f"[{','.join(alert.text() for alert in alerts)}]"


def read_owing(text: str) -> list[Alert]:
    """The alerts in it."""
    return [_alert_of(each) for each in json.loads(text)]


def _alert_of(has: list[Any]) -> Alert:
    (owed_at, kind, title, body), row = has
    return Alert(owed_at, kind, title, body, None if row is None else from_json(row))


def kinds_of(heads: Sequence[str]) -> list[OwedKind]:
    """Alerts in the order of their numbers, by kind; the most frequent first."""
    alike: dict[str, list[list[Any]]] = {}
    for head in heads:
        has: list[Any] = json.loads(head)
        alike.setdefault(has[1], []).append(has)
    return sorted((_kind(each) for each in alike.values()), key=lambda kind: -kind.count)


def _kind(alike: list[list[Any]]) -> OwedKind:
    _, kind, title, task, reason, message_id = alike[-1]
    times = [each[0] for each in alike]
    return OwedKind(
        fingerprint=kind,
        count=len(alike),
        first_at=min(times),
        last_at=max(times),
        notice=message_id is None,
        task=task or "",
        reason=None if reason is None else Reason(reason),
        error=title,
        id=message_id or "",
    )
