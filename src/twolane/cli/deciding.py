"""`twolane dead redrive | discard`: what a person does about dead letters; who did it is written down with it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any

import typer

from twolane.cli import exits, forms
from twolane.cli.dead import find_letter
from twolane.cli.editing import edited, parsed
from twolane.cli.finding import find_settings, find_tasks, opened_stores
from twolane.cli.matching import Filters, described
from twolane.cli.options import App, AppDir, AsJson, Yes, spread
from twolane.cli.screen import line, when
from twolane.cli.swept import sweep
from twolane.contracts.outbox import Act
from twolane.contracts.queue import Discard, Redrive
from twolane.engine.batcher import Batcher
from twolane.engine.dead_letters import redrive as redriven
from twolane.engine.dead_letters import redrive_edited
from twolane.engine.ids import new_id
from twolane.engine.masking import Masker
from twolane.engine.runtime import Stores
from twolane.engine.task import Task
from twolane.values.errors import ArgumentsRefused, BlobError, EnvelopeError, TwolaneError, UsageError
from twolane.values.letters import ALL, Action, Matching
from twolane.values.message import decode
from twolane.values.record import DeadLetter, State

AT_ONCE = 200
"""How many one transaction changes: others may send and receive between two of them."""

MaybeId = Annotated[str | None, typer.Argument(metavar="[ID]", help="The dead letter's id.")]
Args = Annotated[
    str | None,
    typer.Option(
        "--args",
        metavar="JSON",
        help="Other arguments: an object with all of them by name. Needs the app, which checks them.",
    ),
]
Edit = Annotated[
    bool,
    typer.Option(
        "--edit", help="Edit the arguments in $VISUAL or $EDITOR. Needs the app, which checks them."
    ),
]
All = Annotated[
    bool,
    typer.Option(
        "--all-matching", "--all", help="All that match --task, --reason and the like; without any, all."
    ),
]


@dataclass(frozen=True)
class Chosen(Filters):
    """What both verbs are told: which dead letters, by id or by the filters, and where they are."""

    id: MaybeId = None
    every: All = False
    yes: Yes = False
    app: App = None
    app_dir: AppDir = None
    as_json: AsJson = False


@spread
def redrive(chosen: Chosen, args: Args = None, edit: Edit = False) -> None:
    """Send dead letters back to their queues with all attempts new: one, perhaps edited, or all that match."""
    which = _which(chosen, edits=edit + (args is not None))
    with opened_stores(find_settings(chosen.app, chosen.app_dir)) as stores:
        if chosen.id is None:
            question = "Send {} back to their queues?"
            done = _all_matching(stores, which, "redrive", question, _redriven(stores), yes=chosen.yes)
        else:
            letter = _letter(stores, chosen.id)
            done = _redrive_one(stores, letter, args, chosen.app, chosen.app_dir, edit=edit)
    _tell("redriven", "sent back", done, as_json=chosen.as_json)


@spread
def discard(chosen: Chosen) -> None:
    """Delete dead letters for good, one or all that match: their arguments, their attempts and then their bytes."""
    which = _which(chosen)
    with opened_stores(find_settings(chosen.app, chosen.app_dir)) as stores:
        if chosen.id is None:
            done = _all_matching(stores, which, "discard", "Delete {} for good?", Discard, yes=chosen.yes)
        else:
            record = _letter(stores, chosen.id).record
            _confirm(
                f"Delete {record.task or 'an unreadable message'}, sent {when(record.sent_at)}, for good?",
                yes=chosen.yes,
            )
            done = _carried_out(stores, "discard", chosen.id, iter([Discard(chosen.id)]), raises=True)
    if chosen.id is not None and chosen.as_json:
        forms.print_json({"id": chosen.id, "state": "discarded" if done.ids else None})
        raise typer.Exit(exits.OK if done.ids else exits.NOTHING_DONE)
    _tell("discarded", "deleted for good", done, as_json=chosen.as_json)


@dataclass
class Done:
    """What became of each: done, or refused with the reason."""

    ids: list[str] = field(default_factory=list[str])
    refused: dict[str, str] = field(default_factory=dict[str, str])


def _which(chosen: Chosen, *, edits: int = 0) -> Matching:
    """The filters, having seen that one is meant or all that match, not both.

    Raises:
        UsageError: neither, or both; or a time that is none.
    """
    which, one = chosen.matching(), chosen.id is not None
    if one == chosen.every or (chosen.every and edits) or edits > 1 or (which != ALL and one):
        raise UsageError(
            "say an ID (perhaps with --args or --edit), or --all-matching (perhaps with --task and the like)"
        )
    return which


def _letter(stores: Stores, message_id: str) -> DeadLetter:
    """The dead letter, also one that only SQS knows of yet; where there is none the command ends."""
    if stores.records.dead_letter(message_id) is None:
        sweep(stores)
    return find_letter(stores.records, message_id)


def _redrive_one(
    stores: Stores, letter: DeadLetter, args: str | None, app: str | None, app_dir: str | None, *, edit: bool
) -> Done:
    message_id = letter.record.id
    if not edit and args is None:
        return _carried_out(stores, "redrive", message_id, iter([redriven(letter, time.time())]), raises=True)
    task = _task_of(letter, app, app_dir)
    if args is not None:
        entry = redrive_edited(letter, task, parsed(args, "--args"))
    else:
        chosen = edited(
            f"{letter.record.task} {message_id}",
            values := _arguments(stores, letter),
            _masked(letter, values),
            lambda values: redrive_edited(letter, task, values),
        )
        if chosen is None:
            typer.echo("twolane: nothing was changed", err=True)
            raise typer.Exit(exits.NOTHING_DONE)
        entry = chosen
    return _carried_out(stores, "edit", message_id, iter([entry]), raises=True)


def _all_matching(
    stores: Stores,
    which: Matching,
    what: str,
    question: str,
    entry: Callable[[str], Redrive | Discard | None],
    *,
    yes: bool,
) -> Done:
    """Do it to those that match now; what dies meanwhile is not among them."""
    sweep(stores)
    ids = stores.records.dead_ids(which)
    if not ids:
        return Done()
    _confirm_count(question.format(f"{len(ids)} dead letter(s) ({described(which)})"), len(ids), yes=yes)
    made = (each for message_id in ids if (each := entry(message_id)) is not None)
    return _carried_out(stores, what, described(which), made)


def _redriven(stores: Stores) -> Callable[[str], Redrive | None]:
    def entry(message_id: str) -> Redrive | None:
        letter = stores.records.dead_letter(message_id)
        return None if letter is None else redriven(letter, time.time())

    return entry


def _carried_out(
    stores: Stores, what: str, which: str, entries: Iterator[Redrive | Discard], *, raises: bool = False
) -> Done:
    """Do it, some at a time, each lot with its line of the audit log."""
    done = Done()
    action = Action(new_id(), _who(), what, which)
    batcher = Batcher(stores.queue)
    try:
        while lot := tuple(islice(entries, AT_ONCE)):
            answers = batcher.ask_blocking(Act(action, lot))
            for entry, answer in zip(lot, answers, strict=True):
                if isinstance(answer, TwolaneError):
                    if raises:
                        raise answer
                    done.refused[entry.id] = str(answer)
                elif answer is (State.DISCARDED if isinstance(entry, Discard) else State.WAITING):
                    done.ids.append(entry.id)
    finally:
        batcher.close()
    return done


def _who() -> str:
    """The person, as the system knows them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


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


def _arguments(stores: Stores, letter: DeadLetter) -> dict[str, Any]:
    """The arguments as they were sent, from their blob if they lie in one.

    Raises:
        ArgumentsRefused: they cannot be read.
    """
    try:
        message = decode(letter.body)
        if message.args_blob is None:
            return dict(message.args or {})
        with stores.blobs.open(message.args_blob) as file:
            return dict(json.load(file))
    except (EnvelopeError, BlobError, ValueError) as error:
        raise ArgumentsRefused(f"the arguments of {letter.record.id} cannot be read: {error}") from None


def _masked(letter: DeadLetter, values: dict[str, Any]) -> dict[str, Any]:
    """The arguments as a person may read them."""
    return Masker(values, Masker.of(letter.body).secrets).args or {}


def _tell(name: str, became: str, done: Done, *, as_json: bool) -> None:
    if as_json:
        forms.print_json(
            {name: done.ids, "refused": [{"id": each, "why": why} for each, why in done.refused.items()]}
        )
    elif done.ids or not done.refused:
        line(f"{len(done.ids)} dead letter(s) {became}" + (f": {done.ids[0]}" if len(done.ids) == 1 else ""))
    if not as_json:
        for why in done.refused.values():
            line(f"refused: {why}")
    if done.refused or not done.ids:
        raise typer.Exit(exits.NOTHING_DONE)


def _confirm(question: str, *, yes: bool) -> None:
    """Ask, unless told not to.

    Raises:
        UsageError: nobody is there to answer.
    """
    if yes:
        return
    _see_that_somebody_is_there(question)
    typer.confirm(question, abort=True, err=True)


def _confirm_count(question: str, count: int, *, yes: bool) -> None:
    """Ask for the count, so that nobody agrees to more than they have read.

    Raises:
        UsageError: nobody is there to answer.
    """
    if yes:
        return
    _see_that_somebody_is_there(question)
    typed = typer.prompt(f"{question} Type {count} to confirm", err=True, default="", show_default=False)
    if typed.strip() != str(count):
        typer.echo("twolane: nothing was changed", err=True)
        raise typer.Exit(exits.NOTHING_DONE)


def _see_that_somebody_is_there(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to answer: say --yes; nothing was changed")
