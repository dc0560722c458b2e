"""`twolane doctor`: what holds here."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from twolane.backends.sqlite import SqliteQueue
from twolane.backends.sqlite.place import Place, place_of
from twolane.backends.sqs import SqsQueue, StatelessSqsQueue
from twolane.backends.sqs.kinds import kinds
from twolane.cli import exits, forms
from twolane.cli.finding import find_settings, find_tasks, opened_stores
from twolane.cli.options import App, AppDir, AsJson
from twolane.cli.screen import fields, line
from twolane.contracts.queue import Capabilities
from twolane.values.errors import BlobError, QueueError, SettingsError
from twolane.wiring.alert_targets import targets_of
from twolane.wiring.settings import Settings

_PACKAGES = ("twolane", "fastapi", "starlette", "pydantic", "uvicorn", "botocore", "obstore")


def doctor(app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:
    """Tell what holds here: settings and where they come from, where the queue lies, what it can do, versions."""
    settings = find_settings(app, app_dir)
    place = _place(settings)
    problem, queues = (place.sentence, set[str]()) if place.refused else _looked_at(settings)
    if app is not None and (tasks := find_tasks(app, app_dir)) is not None:
        queues |= {
            task.queue for task in tasks.registry.queue_tasks()
        }  # also those that nobody has sent to yet
    bucket = None if isinstance(settings.queue, Path) else _looked_into_bucket(settings)
    form: dict[str, Any] = {
        "settings": {
            name: {"value": _value(settings, name), "from": source}
            for name, source in settings.sources.items()
        },
        "place": {"kind": place.kind, "sentence": place.sentence},
        "queue": {"usable": problem is None, "problem": problem, "can": asdict(_can(settings))},
        "bucket": {"problem": bucket},
        "uploads": {"problem": _without_secret(settings)},
        "kinds": {} if isinstance(settings.queue, Path) else kinds(settings.queue, sorted(queues)),
        "alerts": {target.name: target.problem() for target in targets_of(settings.alerts)},
        "versions": _versions(),
    }
    if as_json:
        forms.print_json(form)
    else:
        _show(form)
    if problem or bucket:
        raise typer.Exit(exits.QUEUE)


def _place(settings: Settings) -> Place:
    """Where the queue lies."""
    if isinstance(settings.queue, Path):
        return place_of(settings.queue, os.environ)
    return Place("durable", "", "", f"{settings.queue}, with its state in {settings.state or 'nothing'}")


def _can(settings: Settings) -> Capabilities:
    """What a queue at this address can do."""
    if isinstance(settings.queue, Path):
        return SqliteQueue.capabilities
    return SqsQueue.capabilities if settings.state else StatelessSqsQueue.capabilities


def _looked_at(settings: Settings) -> tuple[str | None, set[str]]:
    """Why the queue cannot be read, or None; and the queues' names."""
    queues = {"default"}
    try:
        with opened_stores(settings) as stores:
            queues |= set(stores.records.stats().queues)
    except (QueueError, SettingsError) as error:
        return str(error), queues
    return None, queues


def _looked_into_bucket(settings: Settings) -> str | None:
    """Why the blobs cannot be listed, or None."""
    try:
        with opened_stores(settings) as stores:
            next(iter(stores.blobs.stored()), None)
    except (BlobError, QueueError, SettingsError) as error:
        return str(error)
    return None


def _without_secret(settings: Settings) -> str | None:
    """Why no client can bring a file past the endpoint, or None. No fault where none is to."""
    if isinstance(settings.blobs, Path) or settings.secret is not None:
        return None
    return "TWOLANE_SECRET is not set: an endpoint that makes a form for one (lanes.upload_form) answers 500"


def _value(settings: Settings, name: str) -> str:
    """A setting for people; the targets of alerts without their secrets."""
    if name == "alerts":
        return ", ".join(["the log", *(target.name for target in targets_of(settings.alerts))])
    return str(getattr(settings, name))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _show(form: dict[str, Any]) -> None:
    line("settings", "bold")
    fields((name, f"{each['value']}  (from {each['from']})") for name, each in form["settings"].items())
    line("queue", "bold")
    can = [name.replace("_", " ") for name, holds in form["queue"]["can"].items() if holds is True]
    fields(
        [
            ("lies on", f"{form['place']['sentence']} [{form['place']['kind']}]"),
            ("is", form["queue"]["problem"] or "usable"),
            *([("bucket", form["bucket"]["problem"] or "can be listed")] if form["kinds"] else []),
            *([("uploads", uploads)] if (uploads := form["uploads"]["problem"]) else []),
            ("can", ", ".join(can)),
            *form["kinds"].items(),
        ]
    )
    for target, problem in form["alerts"].items():
        line("alerts", "bold")
        fields([(target, problem or "its address is understood; `twolane alert --test` tries it")])
    line("versions", "bold")
    fields(form["versions"].items())
