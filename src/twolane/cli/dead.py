"""`twolane dead list | show | redrive | discard`: what a person does about dead letters."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any, cast

import typer

from twolane.cli import exits, forms
from twolane.cli.finding import find_settings, find_tasks, opened_stores
from twolane.cli.letter import show_letter
from twolane.cli.options import App, AppDir, AsJson, Id, Yes
from twolane.cli.screen import line, table, when
from twolane.cli.writing import carry_out, carry_out_one
from twolane.contracts.queue import Discard, Redrive
from twolane.contracts.records import Records
from twolane.engine.dead_letters import redrive as redriven
from twolane.engine.dead_letters import redrive_edited
from twolane.engine.masking import MASK, holds_mask
from twolane.engine.runtime import Stores
from twolane.engine.task import Task
from twolane.values.errors import ArgumentsRefused, TwolaneError, UsageError
from twolane.values.record import DeadLetter, State

OfTask = Annotated[str | None, typer.Option("--task", metavar="NAME", help="Only those of this task.")]
MaybeId = Annotated[str | None, typer.Argument(metavar="[ID]", help="The dead letter's id.")]
Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="How many at most.")]
Args = Annotated[
    str | None,
    typer.Option(
        "--args",
        metavar="JSON",
        help="Other arguments: an object with all of them by name. Needs the app, which checks them.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="All of them, or all of --task.")]


def list_dead(
    task: OfTask = None,
    limit: Limit = 100,
    app: App = None,
    app_dir: AppDir = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first, with the last error of each."""
    with opened_stores(find_settings(app, app_dir)) as stores:
        letters = [forms.letter_line(letter) for letter in stores.records.list_dead(task=task, limit=limit)]
    if as_json:
        forms.print_json(letters)
    elif not letters:
        line("no dead letters")
    else:
        cells = ([str(each[name] or "") for name in _COLUMNS.values()] for each in letters)
        table(list(_COLUMNS), cells)


_COLUMNS = {"died": "died_at", "id": "id", "task": "task", "reason": "reason", "error": "error_type"}


def show(id: Id, app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:  # noqa: A002
    """Show a dead letter whole: why it died, each attempt with its traceback, its arguments, what to do."""
    with opened_stores(find_settings(app, app_dir)) as stores:
        letter = _letter(stores.records, id)
    if as_json:
        forms.print_json(forms.letter_form(letter))
    else:
        show_letter(letter)


def redrive(
    id: MaybeId = None,  # noqa: A002
    args: Args = None,
    every: All = False,
    task: OfTask = None,
    yes: Yes = False,
    app: App = None,
    app_dir: AppDir = None,
    as_json: AsJson = False,
) -> None:
    """Send a dead letter back to its queue with all attempts new, as it is or with other arguments."""
    if (id is None) == (not every) or (every and args) or (task and not every):
        raise UsageError("say an ID (perhaps with --args), or --all (perhaps with --task)")
    with opened_stores(find_settings(app, app_dir)) as stores:
        if id is None:
            _redrive_all(stores, task, yes=yes, as_json=as_json)
            return
        letter = _letter(stores.records, id)
        if args is None:
            entry = redriven(letter, time.time())
        else:
            entry = redrive_edited(letter, _task_of(letter, app, app_dir), _parsed(args))
        state = carry_out_one(stores.queue, entry)
    _tell_redriven([id] if state is State.WAITING else [], {}, as_json=as_json)


def discard(
    id: Id,  # noqa: A002
    yes: Yes = False,
    app: App = None,
    app_dir: AppDir = None,
    as_json: AsJson = False,
) -> None:
    """Delete a dead letter for good: its arguments, its attempts and then its bytes."""
    with opened_stores(find_settings(app, app_dir)) as stores:
        letter = _letter(stores.records, id)
        record = letter.record
        _confirm(
            f"Delete {record.task or 'an unreadable message'}, sent {when(record.sent_at)}, for good?",
            yes=yes,
        )
        state = carry_out_one(stores.queue, Discard(id))
    if as_json:
        forms.print_json({"id": id, "state": state and state.value})
    else:
        line(f"{id} is {state}")
    if state is not State.DISCARDED:
        raise typer.Exit(exits.NOTHING_DONE)


def _letter(records: Records, message_id: str) -> DeadLetter:
    letter = records.dead_letter(message_id)
    if letter is None:
        record = records.get(message_id)
        what = (
            f"message {message_id!r} is {record.state}" if record else f"there is no message {message_id!r}"
        )
        typer.echo(f"twolane: {what}: no dead letter of this queue", err=True)
        raise typer.Exit(exits.NOTHING_DONE)
    return letter


def _task_of(letter: DeadLetter, app: str | None, app_dir: str | None) -> Task[Any, Any, Any]:
    """The dead letter's task, imported.

    Raises:
        UsageError: nobody says which app.
        ArgumentsRefused: the app has no such task.
    """
    tasks = find_tasks(app, app_dir)
    if tasks is None:
        raise UsageError(
            "other arguments are checked by their task: say --app module:app; nothing was changed"
        )
    task = tasks.registry.get(letter.record.task)
    if task is None:
        raise ArgumentsRefused(
            f"the app has no task {letter.record.task!r} that could check other arguments; nothing was changed"
        )
    return task


def _parsed(args: str) -> dict[str, Any]:
    try:
        values = json.loads(args)
    except (ValueError, RecursionError) as error:
        raise ArgumentsRefused(f"--args is no JSON: {error}; nothing was changed") from None
    if not isinstance(values, dict):
        raise ArgumentsRefused("--args is an object with the arguments by name; nothing was changed")
    if holds_mask(values):
        raise ArgumentsRefused(
            f"--args holds {MASK}, which stands for a secret that is not shown: write the secret itself; nothing "
            f"was changed"
        )
    return cast("dict[str, Any]", values)


def _redrive_all(stores: Stores, task: str | None, *, yes: bool, as_json: bool) -> None:
    ids = stores.records.dead_ids(task=task)
    if ids:
        of_task = f" of {task}" if task else ""
        _confirm(f"Send {len(ids)} dead letter(s){of_task} back to their queues?", yes=yes)
    done: list[str] = []
    refused: dict[str, str] = {}
    entries = list(_entries(stores.records, ids))
    for entry, answer in zip(entries, carry_out(stores.queue, entries), strict=True):
        if isinstance(answer, TwolaneError):
            refused[entry.id] = str(answer)
        elif answer is State.WAITING:
            done.append(entry.id)
    _tell_redriven(done, refused, as_json=as_json)


def _entries(records: Records, ids: list[str]) -> Iterator[Redrive]:
    for message_id in ids:
        if (letter := records.dead_letter(message_id)) is not None:
            yield redriven(letter, time.time())


def _tell_redriven(done: list[str], refused: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        forms.print_json(
            {"redriven": done, "refused": [{"id": each, "why": why} for each, why in refused.items()]}
        )
    elif done or not refused:
        line(f"{len(done)} dead letter(s) sent back" + (f": {done[0]}" if len(done) == 1 else ""))
    if not as_json:
        for why in refused.values():
            line(f"refused: {why}")
    if refused or not done:
        raise typer.Exit(exits.NOTHING_DONE)


def _confirm(question: str, *, yes: bool) -> None:
    """Ask, unless told not to.

    Raises:
        UsageError: nobody is there to answer.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to answer: say --yes; nothing was changed")
    typer.confirm(question, abort=True, err=True)
