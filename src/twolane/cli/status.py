"""`twolane status ID` and `twolane cancel ID`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import typer

from twolane.cli import exits, forms
from twolane.cli.finding import find_settings, opened_stores
from twolane.cli.one_message import clipped, show_arguments, show_attempt
from twolane.cli.options import App, AppDir, AsJson, Id
from twolane.cli.screen import fields, line, when
from twolane.cli.writing import carry_out_one
from twolane.contracts.queue import CancelMessage
from twolane.engine.masking import Masker
from twolane.values.record import FINISHED, Attempt, Record, State


def status(id: Id, app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:  # noqa: A002
    """Show what became of one message: state, progress, arguments, attempts, result; secrets are masked."""
    with opened_stores(find_settings(app, app_dir)) as stores:
        record = stores.records.get(id)
        if record is None:
            raise not_found(id)
        body, attempts = stores.records.body(record.id), stores.records.attempts(record.id)
    if as_json:
        forms.print_json(forms.message_form(record, body, attempts))
    else:
        show(record, body, attempts)


def cancel(id: Id, app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:  # noqa: A002
    """Cancel a waiting message at once; ask a running one to end at its next checkpoint."""
    with opened_stores(find_settings(app, app_dir)) as stores:
        before = stores.records.get(id)
        if before is None:
            raise not_found(id)
        state = carry_out_one(stores.queue, CancelMessage(before.id))
    changed = before.state not in FINISHED and state in (State.CANCELLED, State.RUNNING)
    if as_json:
        forms.print_json({"id": id, "state": state and state.value, "cancel_requested": changed})
    else:
        line(_cancelled(id, state, changed=changed))
    if not changed:
        raise typer.Exit(exits.NOTHING_DONE)


def not_found(message_id: str) -> typer.Exit:
    """Say that there is no such message; raise what this answers."""
    typer.echo(
        f"twolane: there is no message {message_id!r} in this queue: it was stored in another one, or it "
        f"finished more than 7 days ago and is forgotten",
        err=True,
    )
    return typer.Exit(exits.NOTHING_DONE)


def show(record: Record, body: str | None, attempts: Sequence[Attempt]) -> None:
    """Print a record."""
    masker = Masker.of(body)
    line(f"{record.state.value}  {record.task or '(no envelope)'}  {record.id}", "bold")
    fields(
        [
            ("queue", record.queue),
            ("attempt", _attempts(record)),
            ("sent", when(record.sent_at)),
            ("visible", when(record.visible_at) if record.state is State.WAITING else None),
            ("started", when(record.started_at)),
            ("ended", when(record.finished_at)),
            ("progress", progress(record, masker)),
            ("reason", record.reason and f"{record.reason} (see twolane dead show {record.id})"),
            ("customer", masker.value(record.public)),
            ("cancel", "asked for; it ends at its next checkpoint" if _is_ending(record) else None),
            ("worker", record.worker),
            ("result", None if record.result is None else clipped(json.dumps(masker.value(record.result)))),
            ("unique key", masker.value(record.unique_key)),
            ("sent by", record.parent),
        ]
    )
    show_arguments(body)
    for attempt in attempts:
        show_attempt(attempt, masker)


def progress(record: Record, masker: Masker) -> str | None:
    """How far it got, in words."""
    if record.progressed_at is None:
        return None
    done = "" if record.done is None else f"{record.done:,.0f}"
    if record.done is not None and record.total:
        done += f" of {record.total:,.0f} ({record.done / record.total:.0%})"
    return f"{done or 'a checkpoint'} at {when(record.progressed_at)}, cursor {clipped(json.dumps(masker.value(record.cursor)))}"


def _is_ending(record: Record) -> bool:
    return record.state is State.RUNNING and record.cancel_requested


def _attempts(record: Record) -> str:
    more = record.deliveries - record.attempt
    told = f"{record.attempt}"
    if more > 0:
        told += f", {record.deliveries} deliveries"
    if record.crashes:
        told += f", {record.crashes} of them ended with their process"
    return told


def _cancelled(message_id: str, state: State | None, *, changed: bool) -> str:
    if state is State.CANCELLED and changed:
        return f"{message_id} is cancelled"
    if state is State.RUNNING:
        return f"{message_id} is asked to end: it does so at its next checkpoint"
    return f"{message_id} is {state}: there was nothing to cancel"
