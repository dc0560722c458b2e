# ruff: noqa: D102 - the contracts carry the docstrings
"""A queue, its records and a store of blobs in memory: for tests, and as the model that SQLite is held against.

As plain as the laws allow: dictionaries under one lock, every question answered by looking at every row.
Nothing survives the process (capability `durable`). Floor 3.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, BinaryIO

from twolane.contracts import queue as q
from twolane.contracts.clock import Clock
from twolane.values.blob import BlobRef
from twolane.values.errors import BlobMismatch, BlobMissing, BlobTooLarge, SendRefused
from twolane.values.outcome import Failure, Reason
from twolane.values.policy import MAX_PAUSE_S
from twolane.values.record import (
    FINISHED,
    Attempt,
    DeadLetter,
    OwedAlert,
    QueueStats,
    Record,
    State,
    Stats,
    WorkerInfo,
)

MAX_CRASHES = 100
"""So many crashes end a message even if each made progress: a crash loop is an end state."""

_PENDING = frozenset({State.WAITING, State.RUNNING})
_BODY = re.compile(r"[\t\r\n -~]*")
_SETTLING = (
    q.AckDelivery,
    q.RetryDelivery,
    q.WaitDelivery,
    q.ReleaseDelivery,
    q.DeadLetterDelivery,
    q.CancelDelivery,
)
_BY_ID = (q.CancelMessage, q.Redrive, q.Discard)
_WAKING = (q.Send, *_SETTLING, q.Redrive, q.Unregister, q.Reap)


@dataclass(slots=True)
class _Row:
    """A message: what was sent, what people read of it, and what only the queue knows."""

    message: q.Outgoing
    record: Record
    used: int = 0
    receipt: str | None = None
    suspect: bool = False
    crash_cursor: Any = None
    waits_since: float | None = None
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    def change(self, **changes: Any) -> None:
        self.record = replace(self.record, **changes)

    def back(self, visible_at: float) -> None:
        """Waiting again; one whose cancellation was asked for ends instead."""
        self.receipt = None
        if self.record.cancel_requested:
            self.end(State.CANCELLED, visible_at)
        else:
            self.change(state=State.WAITING, visible_at=visible_at, attempt=self.used + 1)

    def end(self, state: State, at: float, **changes: Any) -> None:
        self.receipt = None
        self.change(state=state, finished_at=at, **changes)

    def charge(self, outcome: str, failure: Failure) -> bool:
        """Use up an attempt; answers whether none is left."""
        self.used += 1
        self.attempts.append(Attempt(self.used, outcome, failure))
        return self.used >= self.message.max_attempts

    def checkpoint(self) -> q.Checkpoint | None:
        kept = self.record
        return None if kept.progressed_at is None else q.Checkpoint(kept.cursor, kept.done, kept.total)

    def letter(self) -> DeadLetter:
        return DeadLetter(self.record, self.message.body, tuple(self.attempts))


@dataclass(slots=True)
class _Alert:
    owed: OwedAlert
    hidden_until: float = 0.0
    told: bool = False


class MemoryQueue:
    """Queue and Records (contracts) in memory.

    Args:
        clock: where time comes from.
    """

    capabilities = q.Capabilities(
        durable=False, detects_stale=True, release_is_free=True, knows_crashes=False
    )
    max_body_bytes = 1024 * 1024

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._workers: dict[str, WorkerInfo] = {}
        self._crashed: list[str] = []
        self._alerts: list[_Alert] = []
        self._pruned: dict[State, int] = {}
        self._numbers = count(1)
        self._listeners: dict[int, Callable[[], None]] = {}
        self._verbs: dict[type[q.Entry[Any]], Callable[[Any], Any]] = {
            q.Send: lambda entry: self._send(entry.messages),
            q.Receive: self._receive,
            q.Extend: lambda entry: tuple(self._extend(each, entry.lease_s) for each in entry.receipts),
            q.SaveCheckpoint: self._save_checkpoint,
            **dict.fromkeys(_SETTLING, self._settle),
            **dict.fromkeys(_BY_ID, self._turn),
            q.Register: self._register,
            q.Unregister: self._unregister,
            q.Reap: self._reap,
            q.TakeAlerts: self._take_alerts,
            q.MarkTold: self._mark_told,
            q.Prune: self._prune,
        }

    # The queue

    def flush(self, entries: Sequence[q.Entry[Any]]) -> list[Any]:
        with self._lock:
            answers = [self._carry_out(entry) for entry in entries]
        if any(isinstance(entry, _WAKING) for entry in entries):
            for on_visible in list(self._listeners.values()):
                on_visible()
        return answers

    def _carry_out(self, entry: q.Entry[Any]) -> Any:
        try:
            return self._verbs[type(entry)](entry)
        except (SendRefused, TypeError, ValueError) as error:
            return error

    def listen(self, on_visible: Callable[[], None]) -> Callable[[], None]:
        number = next(self._numbers)
        self._listeners[number] = on_visible

        def end() -> None:
            self._listeners.pop(number, None)

        return end

    def next_visible_at(self, queues: tuple[str, ...]) -> float | None:
        with self._lock:
            waiting = (row.record for row in self._rows.values() if row.record.state is State.WAITING)
            return min((each.visible_at for each in waiting if each.queue in queues), default=None)

    def close(self) -> None:
        self._listeners.clear()

    def crash(self, worker: str) -> None:
        """For tests: this worker is dead; the next Reap or Receive notices."""
        with self._lock:
            self._crashed.append(worker)

    # Sending

    def _send(self, messages: Iterable[q.Outgoing]) -> tuple[q.Sent, ...]:
        fresh: dict[str, _Row] = {}
        answers = tuple(self._admit(message, fresh) for message in messages)
        self._rows |= fresh
        return answers

    def _admit(self, message: q.Outgoing, fresh: dict[str, _Row]) -> q.Sent:
        _check_body(message.id, message.body, self.max_body_bytes)
        rows = self._rows | fresh
        if stored := rows.get(message.id):
            if stored.message.digest != message.digest:
                raise SendRefused(
                    f"id {message.id} is stored with another task or other arguments", [message.id]
                )
            return q.Sent(message.id, duplicate=True)
        if twin := _pending_twin(rows.values(), message):
            return q.Sent(twin, duplicate=True)
        fresh[message.id] = _Row(
            message,
            Record(
                id=message.id,
                task=message.task,
                queue=message.queue,
                state=State.WAITING,
                attempt=1,
                deliveries=0,
                sent_at=message.sent_at,
                visible_at=message.sent_at + message.delay_s,
                parent=message.parent,
                unique_key=message.unique_key,
            ),
        )
        return q.Sent(message.id)

    # Receiving and holding

    def _receive(self, entry: q.Receive) -> tuple[q.Delivery, ...]:
        self._reap(q.Reap())
        now = self._now()
        known = {name for worker in self._workers.values() for name in worker.tasks} | {""}
        rows: list[_Row] = []
        for row in self._rows.values():
            kept = row.record
            if kept.state is not State.WAITING or kept.visible_at > now or kept.queue not in entry.queues:
                continue
            if (
                kept.task in known
                if entry.strangers
                else kept.task not in ("", *(entry.tasks or (kept.task,)))
            ):
                continue
            if row.used >= row.message.max_attempts:
                self._bury(row, Reason.USED_UP)
            else:
                rows.append(row)
        suspects = [row for row in rows if row.suspect]
        chosen = suspects[:1] if suspects and entry.idle else [row for row in rows if not row.suspect]
        return tuple(self._hand_out(row, entry) for row in chosen[: entry.limit])

    def _hand_out(self, row: _Row, entry: q.Receive) -> q.Delivery:
        now = self._now()
        row.receipt = f"{row.record.id}/{next(self._numbers)}"
        row.change(
            state=State.RUNNING,
            deliveries=row.record.deliveries + 1,
            started_at=now,
            visible_at=now + entry.lease_s,
            worker=entry.worker,
        )
        kept = row.record
        return q.Delivery(
            id=kept.id,
            queue=kept.queue,
            task=kept.task,
            body=row.message.body,
            receipt=row.receipt,
            attempt=kept.attempt,
            received_at=now,
            lease_until=kept.visible_at,
            alone=row.suspect,
            checkpoint=row.checkpoint(),
            waits_since=row.waits_since,
            crashes=kept.crashes,
        )

    def _held(self, receipt: str) -> _Row | None:
        return next((row for row in self._rows.values() if row.receipt == receipt), None)

    def _extend(self, receipt: str, lease_s: float) -> q.Holding:
        row = self._held(receipt)
        if row is None:
            return q.Holding(held=False)
        row.change(visible_at=self._now() + lease_s)
        return q.Holding(held=True, cancel_requested=row.record.cancel_requested)

    def _save_checkpoint(self, entry: q.SaveCheckpoint) -> q.Holding:
        row = self._held(entry.receipt)
        if row is None:
            return q.Holding(held=False)
        row.change(
            cursor=_as_json(entry.cursor), done=entry.done, total=entry.total, progressed_at=self._now()
        )
        cleared = row.suspect and row.record.cursor != row.crash_cursor
        row.suspect = row.suspect and not cleared
        return q.Holding(held=True, cancel_requested=row.record.cancel_requested, cleared=cleared)

    # Settling

    def _settle(self, entry: Any) -> q.Settled:
        row = self._held(entry.receipt)
        if row is None:
            return q.Settled(held=False)
        match entry:
            case q.AckDelivery():
                self._ack(row, entry)
            case q.RetryDelivery(_, after_s, failure, outcome):
                row.charge(outcome, failure)
                row.waits_since, row.suspect = None, False
                return self._pause(row, after_s)
            case q.WaitDelivery(_, after_s):
                row.waits_since = row.waits_since or row.record.started_at
                return self._pause(row, after_s)
            case q.DeadLetterDelivery(_, reason, failure, public, outcome):
                row.charge(outcome, failure)
                self._bury(row, reason, public)
            case q.CancelDelivery():
                row.end(State.CANCELLED, self._now())
            case _:
                row.back(self._now())
        return q.Settled(held=True)

    def _ack(self, row: _Row, entry: q.AckDelivery) -> None:
        before, receipt = row.record, row.receipt
        row.end(State.DONE, self._now(), result=_as_json(entry.result))
        try:
            self._send(entry.sends)
        except SendRefused:
            row.record, row.receipt = before, receipt
            raise

    def _pause(self, row: _Row, after_s: float) -> q.Settled:
        pause_s = min(after_s, MAX_PAUSE_S)
        row.back(self._now() + pause_s)
        return q.Settled(held=True, after_s=pause_s if pause_s < after_s else None)

    def _bury(self, row: _Row, reason: Reason, public: str | None = None) -> None:
        now = self._now()
        row.end(State.DEAD, now, reason=reason, public=public)
        self._alerts.append(_Alert(OwedAlert(len(self._alerts) + 1, now, 0, row.letter())))

    # By id, by a human

    def _turn(self, entry: Any) -> State | None:
        row = self._rows.get(entry.id)
        if row is None:
            return None
        match entry, row.record.state:
            case q.CancelMessage(), State.WAITING:
                row.end(State.CANCELLED, self._now())
            case q.CancelMessage(), State.RUNNING:
                row.change(cancel_requested=True)
            case q.Redrive(), State.DEAD:
                self._redrive(row, entry)
            case q.Discard(), State.DEAD:
                row.end(State.DISCARDED, self._now())
            case _:
                pass
        return row.record.state

    def _redrive(self, row: _Row, entry: q.Redrive) -> None:
        if twin := _pending_twin(self._rows.values(), row.message):
            raise SendRefused(f"{entry.id} stays dead: {twin} waits or runs under its unique key", [entry.id])
        if entry.body is not None:
            _check_body(entry.id, entry.body, self.max_body_bytes)
            row.message = replace(row.message, body=entry.body, digest=entry.digest or row.message.digest)
        row.used, row.suspect, row.crash_cursor, row.waits_since = 0, False, None, None
        row.change(finished_at=None, reason=None, public=None, crashes=0)
        row.back(self._now())

    # Workers

    def _register(self, entry: q.Register) -> None:
        self._workers[entry.worker.id] = entry.worker

    def _unregister(self, entry: q.Unregister) -> None:
        self._workers.pop(entry.worker, None)
        for row in self._running_on(entry.worker):
            row.back(self._now())

    def _running_on(self, worker: str) -> list[_Row]:
        return [row for row in self._rows.values() if row.receipt is not None and row.record.worker == worker]

    def _reap(self, _: q.Reap) -> q.Reaped:
        now = self._now()
        dead, self._crashed = tuple(self._crashed), []
        ended: list[bool] = []
        for worker in dead:
            self._workers.pop(worker, None)
            ended += [self._after_crash(row) for row in self._running_on(worker)]
        expired = [row for row in self._rows.values() if row.receipt and row.record.visible_at <= now]
        ended += [self._after_expiry(row) for row in expired]
        return q.Reaped(dead, freed=ended.count(False), buried=ended.count(True))

    def _after_crash(self, row: _Row) -> bool:
        """Suspect from now on; charged only if it ran alone and got no further. Answers whether it is dead."""
        kept = row.record
        guilty = row.suspect and kept.cursor == row.crash_cursor
        row.suspect, row.crash_cursor = True, kept.cursor
        row.change(crashes=kept.crashes + 1)
        died = self._failure(row, "ProcessDied", "the process that ran it died")
        if (guilty and row.charge("crashed", died)) or row.record.crashes >= MAX_CRASHES:
            self._bury(row, Reason.CRASHED)
            return True
        row.back(self._now())
        return False

    def _after_expiry(self, row: _Row) -> bool:
        """Charged (L3). Answers whether it is dead."""
        lost = self._failure(row, "LeaseExpired", "its lease ended before its worker settled it")
        if row.charge("lease_expired", lost):
            self._bury(row, Reason.USED_UP)
            return True
        row.back(self._now())
        return False

    def _failure(self, row: _Row, error_type: str, message: str) -> Failure:
        now = self._now()
        return Failure(error_type, message, started_at=row.record.started_at or now, ended_at=now)

    # Alerts and pruning

    def _take_alerts(self, entry: q.TakeAlerts) -> tuple[OwedAlert, ...]:
        now = self._now()
        due = [each for each in self._alerts if not each.told and each.hidden_until <= now][: entry.limit]
        for alert in due:
            alert.owed = replace(alert.owed, tries=alert.owed.tries + 1)
            alert.hidden_until = now + entry.lease_s
        return tuple(alert.owed for alert in due)

    def _mark_told(self, entry: q.MarkTold) -> None:
        for alert in self._alerts:
            alert.told = alert.told or alert.owed.number in entry.numbers

    def _prune(self, entry: q.Prune) -> int:
        until = self._now() - entry.keep_s
        old = [
            row.record
            for row in self._rows.values()
            if row.record.state in FINISHED and (row.record.finished_at or 0.0) <= until
        ][: entry.limit]
        for record in old:
            del self._rows[record.id]
            self._pruned[record.state] = self._pruned.get(record.state, 0) + 1
        return len(old)

    # Records

    def get(self, message_id: str) -> Record | None:
        with self._lock:
            row = self._rows.get(message_id)
            return row.record if row else None

    def body(self, message_id: str) -> str | None:
        with self._lock:
            row = self._rows.get(message_id)
            return row.message.body if row else None

    def list_dead(self, *, task: str | None = None, limit: int = 100) -> list[DeadLetter]:
        with self._lock:
            dead = [row.letter() for row in self._rows.values() if row.record.state is State.DEAD]
        mine = [letter for letter in dead if task in (None, letter.record.task)]
        return sorted(mine, key=lambda letter: letter.record.finished_at or 0.0, reverse=True)[:limit]

    def dead_letter(self, message_id: str) -> DeadLetter | None:
        with self._lock:
            row = self._rows.get(message_id)
            return row.letter() if row and row.record.state is State.DEAD else None

    def stats(self) -> Stats:
        with self._lock:
            rows = list(self._rows.values())
            told = sum(alert.told for alert in self._alerts)
            return Stats(
                queues={name: self._queue_stats(name) for name in sorted({row.record.queue for row in rows})},
                accepted=len(rows) + sum(self._pruned.values()),
                pruned=dict(self._pruned),
                workers=tuple(self._workers.values()),
                owed_alerts=len(self._alerts) - told,
                told_alerts=told,
            )

    def _queue_stats(self, name: str) -> QueueStats:
        now = self._now()
        rows = [row for row in self._rows.values() if row.record.queue == name]
        waiting = [row for row in rows if row.record.state is State.WAITING]
        ages = [now - row.record.sent_at for row in waiting if row.record.visible_at <= now]
        return QueueStats(
            counts={state: sum(row.record.state is state for row in rows) for state in State},
            oldest_age_s=max(ages, default=None),
            not_understood=sum(row.waits_since is not None for row in waiting),
        )

    def blobs_in_use(self) -> frozenset[str]:
        with self._lock:
            return frozenset(key for row in self._rows.values() for key in row.message.blobs)


def _as_json(value: Any) -> Any:
    """What JSON makes of it, as in a queue that stores text."""
    return json.loads(json.dumps(value, allow_nan=False))


def _check_body(message_id: str, body: str, max_bytes: int) -> None:
    """L14."""
    if len(body) > max_bytes:
        raise SendRefused(
            f"{message_id}: a body of {len(body)} bytes, the limit is {max_bytes}", [message_id]
        )
    if not _BODY.fullmatch(body):
        raise SendRefused(f"{message_id}: a body is printable ASCII, tab and line ends", [message_id])


def _pending_twin(rows: Iterable[_Row], message: q.Outgoing) -> str | None:
    """The id of the message of this task that waits or runs under this message's unique key."""
    wanted = (message.task, message.unique_key)
    pending = (row.record for row in rows if row.record.state in _PENDING)
    return next(
        (each.id for each in pending if each.unique_key and (each.task, each.unique_key) == wanted), None
    )


class MemoryBlobs:
    """Blobs (contract) in memory.

    Args:
        clock: where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._blobs: dict[str, tuple[bytes, float]] = {}
        self._numbers = count(1)

    def put(self, source: BinaryIO, *, name: str = "", limit_bytes: int | None = None) -> BlobRef:
        data = source.read() if limit_bytes is None else source.read(limit_bytes + 1)
        if limit_bytes is not None and len(data) > limit_bytes:
            raise BlobTooLarge(f"{name or 'the blob'} has more than {limit_bytes} bytes")
        ref = BlobRef(f"memory/{next(self._numbers)}", len(data), hashlib.sha256(data).hexdigest(), name)
        self._blobs[ref.key] = (data, self._now())
        return ref

    def open(self, ref: BlobRef) -> BinaryIO:
        stored = self._blobs.get(ref.key)
        if stored is None:
            raise BlobMissing(f"there is no blob {ref.key}")
        data = stored[0]
        if (len(data), hashlib.sha256(data).hexdigest()) != (ref.size_bytes, ref.sha256):
            raise BlobMismatch(f"blob {ref.key} has another size or checksum than the message says")
        return io.BytesIO(data)

    def delete(self, key: str) -> None:
        self._blobs.pop(key, None)

    def stored(self) -> Iterator[tuple[str, float]]:
        return iter([(key, at) for key, (_, at) in self._blobs.items()])
