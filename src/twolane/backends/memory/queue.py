# ruff: noqa: D102 - the contracts carry the docstrings
"""A queue and its records in memory, as plain as the laws allow.

Dictionaries under one lock; every question is answered by looking at every row. Nothing survives the
process (capability `durable`).
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from twolane.backends.memory.records import Row, as_json, pending_twin
from twolane.backends.memory.watching import MemoryWatch
from twolane.contracts import outbox as o
from twolane.contracts import queue as q
from twolane.contracts import upkeep as u
from twolane.contracts.clock import Clock
from twolane.values.body import check_body
from twolane.values.errors import SendRefused
from twolane.values.outcome import Reason
from twolane.values.policy import MAX_CRASHES, MAX_PAUSE_S
from twolane.values.record import FINISHED, Record, State

_SETTLING = (
    q.AckDelivery,
    q.RetryDelivery,
    q.WaitDelivery,
    q.ReleaseDelivery,
    q.DeadLetterDelivery,
    q.CancelDelivery,
)
_BY_ID = (q.CancelMessage, q.Redrive, q.Discard)


class MemoryQueue(MemoryWatch):
    """Queue and Records (contracts) in memory.

    Args:
        clock: where time comes from.
    """

    capabilities = q.Capabilities(durable=False, detects_stale=True, release_is_free=True, knows_crashes=True)
    max_body_bytes = 1024 * 1024

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._crashed: set[str] = set()
        self._numbers = count(1)
        self._listeners: dict[int, Callable[[], None]] = {}
        self._woken = False
        self._verbs: dict[type[q.Entry[Any]], Callable[[Any], Any]] = {
            q.Send: lambda entry: self._send(entry.messages),
            q.Receive: self._receive,
            q.Extend: lambda entry: tuple(self._extend(each, entry.lease_s) for each in entry.receipts),
            q.SaveCheckpoint: self._save_checkpoint,
            **dict.fromkeys(_SETTLING, self._settle),
            **dict.fromkeys(_BY_ID, self._turn),
            u.Register: self._register,
            u.Unregister: self._unregister,
            u.Reap: self._reap,
            o.OweNotice: self._owe_notice,
            o.RegisterTargets: self._register_targets,
            o.SaveTarget: self._save_target,
            o.Act: self._act,
            u.Prune: self._prune,
            **self._watch_verbs(),
        }

    # The queue

    def flush(self, entries: Sequence[q.Entry[Any]]) -> list[Any]:
        with self._lock:
            self._woken = False
            answers = [self._carry_out(entry) for entry in entries]
            listeners = list(self._listeners.values()) if self._woken else []
        for on_visible in listeners:
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

    def next_visible_at(self, queues: tuple[str, ...], after: float) -> float | None:
        with self._lock:
            waiting = [row.record for row in self._rows.values() if row.record.state is State.WAITING]
            times = (each.visible_at for each in waiting if each.queue in queues)
            return min((at for at in times if at > after), default=None)

    def close(self) -> None:
        self._listeners.clear()

    def crash(self, worker: str) -> None:
        """For tests: a registered worker is dead; the next Reap notices."""
        with self._lock:
            self._crashed.add(worker)

    # Sending

    def _send(self, messages: Iterable[q.Outgoing]) -> tuple[q.Sent, ...]:
        fresh: dict[str, Row] = {}
        names = dict(self._aliases)
        answers = tuple(self._admit(message, fresh, names) for message in messages)
        self._rows |= fresh
        self._sums.note_sent([row.message for row in fresh.values()])
        self._aliases = names
        return answers

    def _admit(self, message: q.Outgoing, fresh: dict[str, Row], names: dict[str, str]) -> q.Sent:
        if message.unique_key is not None and message.id in names:
            return q.Sent(names[message.id], duplicate=True)
        check_body(message.body, self.max_body_bytes, message.id)
        rows = ChainMap(fresh, self._rows)
        if stored := rows.get(message.id):
            if stored.message.digest != message.digest:
                raise SendRefused(f"id {message.id} is stored with another task or arguments", [message.id])
            return q.Sent(message.id, duplicate=True)
        if twin := pending_twin(rows.values(), message):
            names[message.id] = twin
            return q.Sent(twin, duplicate=True)
        record = Record(
            message.id,
            message.task,
            message.queue,
            State.WAITING,
            attempt=1,
            deliveries=0,
            sent_at=message.sent_at,
            visible_at=self._now() + message.delay_s,
            parent=message.parent,
            unique_key=message.unique_key,
        )
        fresh[message.id] = Row(message, record)
        self._woken = True
        return q.Sent(message.id)

    # Receiving and holding

    def _receive(self, entry: q.Receive) -> tuple[q.Delivery, ...]:
        known = {"", *(entry.tasks or ()), *(name for each in self._workers.values() for name in each.tasks)}
        rows = [row for row in self._rows.values() if self._is_for(entry, row.record, known)]
        rows.sort(key=lambda row: row.record.visible_at)
        suspects = self._pick((row for row in rows if row.suspect and entry.idle), min(entry.limit, 1))
        chosen = suspects or self._pick((row for row in rows if not row.suspect), entry.limit)
        return tuple(self._hand_out(row, entry) for row in chosen)

    def _pick(self, rows: Iterable[Row], limit: int) -> list[Row]:
        """The first of them; those on the way whose attempts are used up are buried (L8)."""
        picked: list[Row] = []
        for row in rows:
            if len(picked) == limit:
                break
            if row.record.attempt > row.message.max_attempts:
                row.change(attempt=row.message.max_attempts)
                self._bury(row, Reason.USED_UP)
            else:
                picked.append(row)
        return picked

    def _is_for(self, entry: q.Receive, kept: Record, known: set[str]) -> bool:
        if kept.state is not State.WAITING or kept.visible_at > self._now() or kept.queue not in entry.queues:
            return False
        if entry.strangers:
            return kept.task not in known
        return entry.tasks is None or kept.task in ("", *entry.tasks)

    def _hand_out(self, row: Row, entry: q.Receive) -> q.Delivery:
        now, before = self._now(), row.record
        until = now + entry.lease_s
        row.receipt = f"{before.id}/{next(self._numbers)}"
        deliveries = before.deliveries + 1
        row.change(
            state=State.RUNNING, deliveries=deliveries, started_at=now, visible_at=until, worker=entry.worker
        )
        return q.Delivery(
            before.id,
            before.queue,
            before.task,
            row.message.body,
            row.receipt,
            before.attempt,
            received_at=now,
            lease_until=until,
            alone=row.suspect,
            checkpoint=row.checkpoint(),
            waits_since=row.waits_since,
            crashes=before.crashes,
        )

    def _held(self, receipt: str) -> Row | None:
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
        cursor = as_json(entry.cursor)
        cleared = row.suspect and cursor != row.record.cursor  # a suspect's cursor is that of its last crash
        row.suspect = row.suspect and not cleared
        row.change(cursor=cursor, done=entry.done, total=entry.total, progressed_at=self._now())
        return q.Holding(held=True, cancel_requested=row.record.cancel_requested, cleared=cleared)

    # Settling

    def _settle(self, entry: Any) -> q.Settled:
        row = self._held(entry.receipt)
        if row is None:
            return q.Settled(held=False)
        match entry:
            case q.AckDelivery():
                self._ack(row, entry)
            case q.RetryDelivery():
                row.waits_since, row.suspect = None, False
                self._note(row, entry.outcome, entry.failure)
                return self._pause(row, entry.after_s, charge=True)
            case q.WaitDelivery():
                row.waits_since = row.waits_since or self._now()
                return self._pause(row, entry.after_s)
            case q.DeadLetterDelivery():
                self._note(row, entry.outcome, entry.failure)
                self._bury(row, entry.reason, entry.public)
            case q.CancelDelivery():
                self._end(row, State.CANCELLED)
            case _:
                self._back(row)
        return q.Settled(held=True)

    def _ack(self, row: Row, entry: q.AckDelivery) -> None:
        before, receipt = row.record, row.receipt
        self._end(row, State.DONE, result=as_json(entry.result))
        try:
            self._send(entry.sends)
        except SendRefused:
            row.record, row.receipt = before, receipt
            raise
        self._count(row, done=True, run_s=self._now() - (before.started_at or self._now()))

    def _pause(self, row: Row, asked_s: float, *, charge: bool = False) -> q.Settled:
        after_s = min(max(asked_s, 0.0), MAX_PAUSE_S)
        self._back(row, after_s, charge=charge)
        return q.Settled(held=True, after_s=after_s if after_s < asked_s else None)

    def _back(self, row: Row, after_s: float = 0.0, *, charge: bool = False) -> None:
        """Waiting again; one whose cancellation was asked for ends here."""
        row.receipt, self._woken = None, True
        visible_at = self._now() + after_s
        row.change(state=State.WAITING, visible_at=visible_at, attempt=row.record.attempt + charge)
        if row.record.cancel_requested:
            self._end(row, State.CANCELLED)

    def _end(self, row: Row, state: State, **changes: Any) -> None:
        row.receipt = None
        row.change(state=state, finished_at=self._now(), **changes)

    def _bury(self, row: Row, reason: Reason, public: str | None = None) -> None:
        self._end(row, State.DEAD, reason=reason, public=public)
        self._sums.add(row.record.task, dead=1)
        self._owe_death(row, reason)

    # By id, by a human

    def _turn(self, entry: Any) -> State | None:
        row = self._rows.get(entry.id)
        if row is None:
            return None
        match entry, row.record.state:
            case q.CancelMessage(), State.WAITING:
                self._end(row, State.CANCELLED)
            case q.CancelMessage(), State.RUNNING:
                row.change(cancel_requested=True)
            case q.Redrive(), State.DEAD:
                self._redrive(row, entry)
            case q.Discard(), State.DEAD:
                self._end(row, State.DISCARDED, reason=None)
                row.message, row.attempts = row.message._replace(body="", blobs=()), []
            case _:
                pass
        return row.record.state

    def _redrive(self, row: Row, entry: q.Redrive) -> None:
        message = row.message._replace(unique_key=entry.unique_key or row.message.unique_key)
        if twin := pending_twin(self._rows.values(), message):
            raise SendRefused(f"{entry.id} stays dead: {twin} waits or runs under its unique key", [entry.id])
        if entry.body is not None:
            check_body(entry.body, self.max_body_bytes, entry.id)
            row.message = message._replace(body=entry.body, digest=entry.digest or message.digest)
            row.change(cursor=None, done=None, total=None, progressed_at=None, unique_key=message.unique_key)
        row.suspect, row.waits_since = False, None
        row.change(attempt=1, finished_at=None, reason=None, public=None, crashes=0, cancel_requested=False)
        self._back(row)

    # Workers

    def _register(self, entry: u.Register) -> None:
        self._workers[entry.worker.id] = entry.worker

    def _unregister(self, entry: u.Unregister) -> None:
        self._workers.pop(entry.worker, None)
        for row in self._running_on(entry.worker):
            self._back(row)

    def _running_on(self, worker: str) -> list[Row]:
        return [row for row in self._rows.values() if row.receipt is not None and row.record.worker == worker]

    def _reap(self, _: u.Reap) -> u.Reaped:
        now = self._now()
        dead = tuple(worker for worker in self._workers if worker in self._crashed)
        self._crashed.clear()
        crashed = [row for worker in dead for row in self._running_on(worker)]
        for worker in dead:
            del self._workers[worker]
        for row in crashed:
            self._after_crash(row)
        expired = [row for row in self._rows.values() if row.receipt and row.record.visible_at <= now]
        for row in expired:
            self._after_expiry(row)
        ended = [*crashed, *expired]
        buried = sum(row.record.state is State.DEAD for row in ended)
        ready = [row for row in self._rows.values() if row.suspect and row.record.state is State.WAITING]
        suspects = sum(row.record.visible_at <= now for row in ready)
        return u.Reaped(dead, freed=len(ended) - buried, buried=buried, suspects=suspects)

    def _after_crash(self, row: Row) -> None:
        """Suspect from now on; charged only if it ran alone and got no further."""
        guilty, row.suspect = row.suspect, True
        row.change(crashes=row.record.crashes + 1)
        text = f"the process of worker {row.record.worker} died during this attempt"
        self._note_lost(row, "crashed", "ProcessDied", text)
        if row.record.crashes >= MAX_CRASHES:
            self._bury(row, Reason.CRASHED)
        elif guilty:
            self._charge(row, Reason.CRASHED)
        else:
            self._back(row)

    def _after_expiry(self, row: Row) -> None:
        """L3."""
        text = "the lease ran out before the delivery was settled"
        self._note_lost(row, "lease_expired", "LeaseExpired", text)
        self._charge(row, Reason.USED_UP)

    def _charge(self, row: Row, reason: Reason) -> None:
        if row.record.attempt >= row.message.max_attempts:
            self._bury(row, reason)
        else:
            self._back(row, charge=True)

    # Alerts and pruning

    def _act(self, entry: o.Act) -> tuple[Any, ...]:
        answers: list[Any] = []
        done = 0
        for each in entry.entries:
            was_dead = self._is_dead(each.id)
            answers.append(self._carry_out(each))
            done += was_dead and answers[-1] in (State.WAITING, State.DISCARDED)
        self._write_down(entry.action, done)
        return tuple(answers)

    def _prune(self, entry: u.Prune) -> int:
        until, told = self._now() - entry.keep_s, self._told_by_all()
        owed = {alert.row.record.id for alert in self._alerts if alert.row and alert.number > told}
        finished = [row.record for row in self._rows.values() if row.record.state in FINISHED]
        old = [each for each in finished if (each.finished_at or 0.0) <= until and each.id not in owed]
        for record in old[: entry.limit]:
            del self._rows[record.id]
            self._aliases = {alias: name for alias, name in self._aliases.items() if name != record.id}
            self._pruned[record.state] += 1
        self._alerts = [alert for alert in self._alerts if alert.number > told or alert.owed_at > until]
        self._forget_old()
        return len(old[: entry.limit])
