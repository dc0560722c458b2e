"""The JSON forms of what people read; their field names are an interface and stay. Times are ISO 8601, UTC."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from twolane.engine.conditions import Seen
from twolane.engine.masking import Masker
from twolane.values.condition import Standing
from twolane.values.errors import EnvelopeError
from twolane.values.fingerprint import fingerprint
from twolane.values.letters import Action, DeadGroup
from twolane.values.message import decode
from twolane.values.record import Attempt, DeadLetter, QueueStats, Record, State, Stats, WorkerInfo
from twolane.values.telling import TargetRow, Telling

Form = dict[str, Any]


def print_json(form: Form | list[Form]) -> None:
    """Print a form as one document of ASCII, so that no terminal takes anything in it for a command."""
    print(json.dumps(form, indent=2))


def print_json_line(form: Form) -> None:
    """Print a form as one line, at once."""
    print(json.dumps(form), flush=True)


def iso(epoch_s: float | None) -> str | None:
    """A time; None: there is none, or a row that was put in by hand holds one that no calendar has."""
    if epoch_s is None:
        return None
    try:
        moment = datetime.fromtimestamp(epoch_s, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def arguments(body: str | None) -> Form:
    """What a body says of the arguments, masked: themselves, or the blob they lie in, or neither."""
    form: Form = {"args": Masker.of(body).args, "args_blob": None}
    try:
        message = decode(body or "")
    except EnvelopeError:
        return form
    form["args_blob"] = message.args_blob and message.args_blob.to_json()
    return form


def message_form(record: Record, body: str | None, attempts: Sequence[Attempt]) -> Form:
    """All that is known of a message, masked."""
    masker = Masker.of(body)
    return {
        **record_form(record, masker),
        **arguments(body),
        "attempts": [attempt_form(each, masker) for each in attempts],
    }


def record_form(record: Record, masker: Masker) -> Form:
    """A record, masked."""
    return {
        "id": record.id,
        "task": record.task,
        "queue": record.queue,
        "state": record.state.value,
        "attempt": record.attempt,
        "deliveries": record.deliveries,
        "crashes": record.crashes,
        "sent_at": iso(record.sent_at),
        "visible_at": iso(record.visible_at),
        "started_at": iso(record.started_at),
        "finished_at": iso(record.finished_at),
        "done": record.done,
        "total": record.total,
        "cursor": masker.value(record.cursor),
        "progressed_at": iso(record.progressed_at),
        "reason": record.reason and record.reason.value,
        "public": masker.value(record.public),
        "result": masker.value(record.result),
        "cancel_requested": record.cancel_requested,
        "worker": record.worker,
        "parent": record.parent,
        "unique_key": masker.value(record.unique_key),
    }


def letter_form(letter: DeadLetter) -> Form:
    """A dead letter, whole but for its secrets."""
    return {
        **message_form(letter.record, letter.body, letter.attempts),
        "body": Masker.of(letter.body).body(letter.body),
    }


def letter_line(letter: DeadLetter) -> Form:
    """A dead letter in a list: no arguments, no tracebacks."""
    record, last = letter.record, letter.attempts[-1].failure if letter.attempts else None
    return {
        "id": record.id,
        "task": record.task,
        "queue": record.queue,
        "reason": record.reason and record.reason.value,
        "error_type": last and last.error_type,
        "error": last and Masker.of(letter.body).text(last.message),
        "fingerprint": fingerprint(record.task, last),
        "attempts": len(letter.attempts),
        "sent_at": iso(record.sent_at),
        "died_at": iso(record.finished_at),
    }


def group_form(group: DeadGroup) -> Form:
    """Dead letters of one kind."""
    return {
        "task": group.task,
        "fingerprint": group.fingerprint,
        "count": group.count,
        "reason": group.reason.value,
        "error": group.error,
        "first_at": iso(group.first_at),
        "last_at": iso(group.last_at),
        "last_id": group.id,
    }


def action_form(action: Action) -> Form:
    """A line of the audit log."""
    return {
        "id": action.id,
        "at": iso(action.at),
        "who": action.who,
        "what": action.what,
        "which": action.which,
        "count": action.count,
    }


def target_form(row: TargetRow, telling: Telling) -> Form:
    """A target of alerts."""
    state = row.state
    return {
        "target": row.name,
        "id": row.id,
        "owed": telling.owed(row),
        "told_at": iso(state.told_at),
        "tries": state.tries,
        "error": state.error,
        "failed_at": iso(state.failed_at),
        "next_try_at": iso(state.next_at or None),
        "added_at": iso(row.added_at),
        "seen_at": iso(row.seen_at),
    }


def attempt_form(attempt: Attempt, masker: Masker) -> Form:
    """An attempt that did not succeed, masked."""
    failure = attempt.failure
    return {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "error_type": failure.error_type,
        "message": masker.text(failure.message),
        "traceback": masker.text(failure.traceback),
        "started_at": iso(failure.started_at),
        "ended_at": iso(failure.ended_at),
    }


def stats_form(stats: Stats, telling: Telling) -> Form:
    """The statistics. Told alerts are those that every target has accepted; how far each is, is said beside."""
    return {
        "queues": {name: _queue_form(queue) for name, queue in sorted(stats.queues.items())},
        "accepted": stats.accepted,
        "pruned": {state.value: stats.pruned.get(state, 0) for state in State},
        "late_records": stats.late_records,
        "workers": [_worker_form(worker) for worker in stats.workers],
        "alerts": {
            "owed": stats.owed_alerts,
            "told": stats.told_alerts,
            "targets": [target_form(row, telling) for row in telling.live],
        },
    }


def condition_form(seen: Seen, standing: Standing) -> Form:
    """A condition that holds now."""
    return {
        "name": seen.kind.value,
        "subject": seen.subject,
        "since": iso(standing.since),
        "title": seen.title,
        "body": seen.body,
    }


def _queue_form(queue: QueueStats) -> Form:
    return {
        **{state.value: queue.counts.get(state, 0) for state in State},
        "oldest_age_s": queue.oldest_age_s,
        "not_understood": queue.not_understood,
    }


def _worker_form(worker: WorkerInfo) -> Form:
    return {
        "id": worker.id,
        "pid": worker.pid,
        "kind": worker.kind,
        "queues": list(worker.queues),
        "tasks": list(worker.tasks),
        "slots": worker.slots,
        "started_at": iso(worker.started_at),
        "stopping": worker.stopping,
    }
