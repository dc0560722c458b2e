"""The record that users of twolane get: its times are aware datetimes, where inside they are epoch seconds."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from twolane.values import record as kept
from twolane.values.record import RecordOf

_FIRST_S = datetime.min.replace(tzinfo=UTC).timestamp()
_LAST_S = 253_402_300_799.0  # the last whole second of the year 9999
_TIMES = ("sent_at", "visible_at", "started_at", "finished_at", "progressed_at")


class Record(RecordOf[datetime]):
    """The status of one message. Times are aware datetimes in UTC.

    Attributes:
        id: the message's id.
        task: the task's name; empty where the body is no envelope.
        queue: the queue's name.
        state: one of six.
        attempt: the number of the attempt that runs or comes next, from 1; of the last one if finished.
        deliveries: how often it was handed out, crashes and releases included.
        sent_at: when it was stored.
        visible_at: when it may be received next, or when the lease of the running delivery ends.
        started_at: when its last delivery began; None: never yet.
        finished_at: when it reached a final state or died; None: not yet.
        done: progress in the task's own unit; None: none reported.
        total: the whole of it in the same unit; None: not known.
        cursor: the last checkpoint; None: none.
        progressed_at: when it was saved.
        crashes: how many of its deliveries ended with their process.
        reason: why it is dead; None: it is not.
        public: the sentence a customer may see about its end.
        result: what the task returned, as a JSON value; None: nothing kept.
        cancel_requested: somebody asked for it while it ran.
        worker: the id of the worker that runs it or ran it last.
        parent: the id of the message whose task sent this one.
        unique_key: its uniqueness key, if any.
    """

    __slots__ = ()


_FIELDS = tuple(field.name for field in fields(Record))


def published(record: kept.Record) -> Record:
    """A record as users get it."""
    values: dict[str, Any] = {name: getattr(record, name) for name in _FIELDS}
    for name in _TIMES:
        values[name] = utc(values[name])
    return Record(**values)


def utc(epoch_s: float | None) -> datetime | None:
    """A time; one that no calendar has, out of a row put in by hand, is the nearest that it has."""
    if epoch_s is None:
        return None
    return datetime.fromtimestamp(min(max(epoch_s, _FIRST_S), _LAST_S), UTC)
