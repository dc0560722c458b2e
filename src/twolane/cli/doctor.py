"""`twolane doctor`: what holds here."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import typer

from twolane.backends.sqlite import SqliteQueue
from twolane.backends.sqlite.place import place_of
from twolane.cli import exits, forms
from twolane.cli.finding import find_settings
from twolane.cli.options import App, AppDir, AsJson
from twolane.cli.screen import fields, line
from twolane.values.errors import QueueError
from twolane.wiring.alert_targets import targets_of
from twolane.wiring.opening import open_stores
from twolane.wiring.settings import Settings

_PACKAGES = ("twolane", "fastapi", "starlette", "pydantic", "uvicorn")


def doctor(app: App = None, app_dir: AppDir = None, as_json: AsJson = False) -> None:
    """Tell what holds here: settings and where they come from, where the queue lies, what it can do, versions."""
    settings = find_settings(app, app_dir)
    place = place_of(settings.queue, os.environ)
    problem = place.sentence if place.refused else _problem(settings)
    form: dict[str, Any] = {
        "settings": {
            name: {"value": _value(settings, name), "from": source}
            for name, source in settings.sources.items()
        },
        "place": {"kind": place.kind, "sentence": place.sentence},
        "queue": {"usable": problem is None, "problem": problem, "can": asdict(SqliteQueue.capabilities)},
        "alerts": {target.name: target.problem() for target in targets_of(settings.alerts)},
        "versions": _versions(),
    }
    if as_json:
        forms.print_json(form)
    else:
        _show(form)
    if problem is not None:
        raise typer.Exit(exits.QUEUE)


def _problem(settings: Settings) -> str | None:
    """Why the queue cannot be read; None: it can."""
    try:
        open_stores(settings, create=False).records.stats()
    except QueueError as error:
        return str(error)
    return None


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
    can = [name.replace("_", " ") for name, holds in form["queue"]["can"].items() if holds]
    fields(
        [
            ("lies on", f"{form['place']['sentence']} [{form['place']['kind']}]"),
            ("is", form["queue"]["problem"] or "usable"),
            ("can", ", ".join(can)),
        ]
    )
    for target, problem in form["alerts"].items():
        line("alerts", "bold")
        fields([(target, problem or "its address is understood; `twolane alert --test` tries it")])
    line("versions", "bold")
    fields(form["versions"].items())
