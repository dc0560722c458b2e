"""`twolane status ID` and `twolane cancel ID`."""

from __future__ import annotations

import json

import typer

from twolane.cli import exits, forms
from twolane.cli.finding import find_settings, opened_stores
from twolane.cli.options import App, AppDir, AsJson, Id
from twolane.cli.screen import fields, line, when
from twolane.cli.writing import carry_out_one
from twolane.contracts.queue import CancelMessage
from twolane.values.record import FINISHED, Record, State


def status(id: Id, app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:  # noqa: A002
    """Show what became of one message: its state, progress, arguments and result."""
    with opened_stores(find_settings(app, app_dir)) as stores:
        record = stores.records.get(id)
        if record is None:
            raise not_found(id)
        arguments = forms.arguments(stores.records.body(id))
    if as_json:
        forms.print_json({**forms.record_form(record), **arguments})
    else:
        show(record, arguments)


def cancel(id: Id, app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:  # noqa: A002
    """Cancel a waiting message at once; ask a running one to end at its next checkpoint."""
    with opened_stores(find_settings(app, app_dir)) as stores:
        before = stores.records.get(id)
        if before is None:
            raise not_found(id)
        state = carry_out_one(stores.queue, CancelMessage(id))
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


def show(record: Record, arguments: forms.Form) -> None:
    """Print a record."""
    line(f"{record.state.value}  {record.task or '(no envelope)'}  {record.id}", "bold")
    fields(
        [
            ("queue", record.queue),
            ("attempt", _attempts(record)),
            ("sent", when(record.sent_at)),
            ("visible", when(record.visible_at) if record.state is State.WAITING else None),
            ("started", when(record.started_at)),
            ("ended", when(record.finished_at)),
            ("progress", progress(record)),
            ("reason", record.reason and f"{record.reason} (see twolane dead show {record.id})"),
            ("customer", record.public),
            ("cancel", "asked for; it ends at its next checkpoint" if _is_ending(record) else None),
            ("arguments", _arguments(arguments)),
            ("result", None if record.result is None else json.dumps(record.result)),
            ("unique key", record.unique_key),
            ("sent by", record.parent),
        ]
    )


def progress(record: Record) -> str | None:
    """How far it got, in words."""
    if record.progressed_at is None:
        return None
    done = "" if record.done is None else f"{record.done:,.0f}"
    if record.done is not None and record.total:
        done += f" of {record.total:,.0f} ({record.done / record.total:.0%})"
    return f"{done or 'a checkpoint'} at {when(record.progressed_at)}, cursor {json.dumps(record.cursor)}"


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


def _arguments(arguments: forms.Form) -> str | None:
    if arguments["args_blob"] is not None:
        return f"{arguments['args_blob']['size_bytes']} bytes in blob {arguments['args_blob']['key']}"
    return None if arguments["args"] is None else json.dumps(arguments["args"])


def _cancelled(message_id: str, state: State | None, *, changed: bool) -> str:
    if state is State.CANCELLED and changed:
        return f"{message_id} is cancelled"
    if state is State.RUNNING:
        return f"{message_id} is asked to end: it does so at its next checkpoint"
    return f"{message_id} is {state}: there was nothing to cancel"
