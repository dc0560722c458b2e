"""Find the queue a command is about, loading the app's code only where nothing else says where it lies."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from twolane.cli import exits
from twolane.cli.tracebacks import print_from_the_app_on
from twolane.engine.runtime import Stores
from twolane.values.errors import SettingsError
from twolane.wiring.opening import open_stores
from twolane.wiring.settings import Settings, read_settings
from twolane.wiring.target import find_target, load

if TYPE_CHECKING:
    from twolane.wiring.installed import Installed


def find_settings(app: str | None, app_dir: str | None) -> Settings:
    """Where the queue lies: TWOLANE_QUEUE, else what the app says.

    Args:
        app: the app that the command line names: it is loaded, so that a wrong name does not pass unnoticed.
        app_dir: the folder it is imported from.

    Raises:
        SettingsError: nobody says, or the app that is named is none.
    """
    if app is None and os.environ.get("TWOLANE_QUEUE"):
        return read_settings()
    tasks = find_tasks(app, app_dir)
    if tasks is None:
        raise SettingsError(
            "which queue? Set TWOLANE_QUEUE=sqlite:////absolute/path.db, or say --app module:app, or set "
            'TWOLANE_APP, or write app = "module:app" below [tool.twolane] in pyproject.toml'
        )
    return tasks.settings


def find_tasks(app: str | None, app_dir: str | None) -> Installed | None:
    """The tasks of the app, imported; None: nobody says which app. A failing import ends the command.

    Raises:
        SettingsError: no such app, or it has no tasks.
    """
    target = find_target(app, folder=app_dir)
    if target is None:
        return None
    try:
        return load(target.name, folder=target.folder)[1]
    except SettingsError:
        raise
    except BaseException as error:  # noqa: BLE001  (also what an app raises to end its import)
        print_from_the_app_on(error)
        print(f"twolane: {target.name} (from {target.source}) cannot be imported", file=sys.stderr)
        if app is not None and os.environ.get("TWOLANE_QUEUE"):
            print("Most commands need no app where TWOLANE_QUEUE is set: leave out --app.", file=sys.stderr)
        sys.exit(exits.APP)


@contextmanager
def opened_stores(settings: Settings) -> Generator[Stores]:
    """The backends, opened without making anything; closed at the end.

    Raises:
        QueueMissing: there is no queue.
    """
    log = logging.getLogger("twolane.queue")
    level = log.level
    log.setLevel(logging.ERROR)  # where it lies is said by who works on it
    try:
        stores = open_stores(settings, create=False)
    finally:
        log.setLevel(level)
    try:
        yield stores
    finally:
        stores.records.close()
        stores.queue.close()
