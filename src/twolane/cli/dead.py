"""`twolane dead list | show | log`: what a person reads about dead letters."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from twolane.cli import exits, forms
from twolane.cli.finding import find_settings, opened_stores
from twolane.cli.letter import show_letter
from twolane.cli.matching import Filters
from twolane.cli.options import App, AppDir, AsJson, Id, spread
from twolane.cli.screen import line, table, when
from twolane.contracts.records import Records
from twolane.engine.masking import Masker
from twolane.engine.wording import clipped, one_line
from twolane.values.letters import Matching
from twolane.values.record import DeadLetter

Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="How many at most.")]
Group = Annotated[
    bool, typer.Option("--group", help="Count them by task and error: how many, the first and the last time.")
]


@spread
def list_dead(
    filters: Filters,
    group: Group = False,
    limit: Limit = 100,
    app: App = None,
    app_dir: AppDir = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first, with the last error of each; or count them by kind."""
    which = filters.matching()
    with opened_stores(find_settings(app, app_dir)) as stores:
        if group:
            _list_groups(stores.records, which, limit, as_json=as_json)
            return
        letters = [forms.letter_line(letter) for letter in stores.records.list_dead(which, limit=limit)]
    if as_json:
        forms.print_json(letters)
    elif not letters:
        line("no dead letters")
    else:
        cells = (
            [*(str(each[name] or "") for name in _COLUMNS.values()), _error_of(each)] for each in letters
        )
        table([*_COLUMNS, "error"], cells)


_COLUMNS = {"died": "died_at", "id": "id", "task": "task", "reason": "reason"}
ERROR_CHARS = 120
"""So much of an error stands in a list."""


def _error_of(letter: forms.Form) -> str:
    parts = [str(letter[name]) for name in ("error_type", "error") if letter[name]]
    return clipped(one_line(": ".join(parts)), ERROR_CHARS)


def show(id: Id, app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:  # noqa: A002
    """Show a dead letter whole: why it died, each attempt with its traceback, its arguments, what to do."""
    with opened_stores(find_settings(app, app_dir)) as stores:
        letter = find_letter(stores.records, id)
    if as_json:
        forms.print_json(forms.letter_form(letter))
    else:
        show_letter(letter)


def log(limit: Limit = 100, app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:
    """List what people did about dead letters, the newest first: who, what, when, to how many."""
    with opened_stores(find_settings(app, app_dir)) as stores:
        actions = stores.records.actions(limit=limit)
    if as_json:
        forms.print_json([forms.action_form(action) for action in actions])
    elif not actions:
        line("nobody has done anything about a dead letter yet")
    else:
        rows = ([when(each.at) or "", each.who, each.what, str(each.count), each.which] for each in actions)
        table(["when", "who", "what", "count", "which"], rows, numbers=["count"])


def find_letter(records: Records, message_id: str) -> DeadLetter:
    """The dead letter; where there is none the command ends, having said so."""
    letter = records.dead_letter(message_id)
    if letter is None:
        record = records.get(message_id)
        what = (
            f"message {message_id!r} is {record.state}" if record else f"there is no message {message_id!r}"
        )
        typer.echo(f"twolane: {what}: no dead letter of this queue", err=True)
        raise typer.Exit(exits.NOTHING_DONE)
    return letter


def _list_groups(records: Records, which: Matching, limit: int, *, as_json: bool) -> None:
    groups = [
        replace(group, error=Masker.of(records.body(group.id)).headline(group.error))
        for group in records.dead_groups(which, limit=limit)
    ]
    if as_json:
        forms.print_json([forms.group_form(group) for group in groups])
    elif not groups:
        line("no dead letters")
    else:
        rows = (
            [
                str(each.count), each.task, one_line(each.error), when(each.first_at) or "", when(each.last_at) or "",
                each.fingerprint,
            ]
            for each in groups
        )  # fmt: skip
        table(["count", "task", "error", "first", "last", "fingerprint"], rows, numbers=["count"])
