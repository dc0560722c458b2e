"""Settings become backends, made at first use."""

from __future__ import annotations

import logging
import os

from twolane.engine.ids import new_id
from twolane.engine.limits import Limits
from twolane.engine.runtime import Runtime, Stores
from twolane.engine.task import Registry
from twolane.values.errors import SettingsError
from twolane.values.thresholds import Thresholds
from twolane.wiring.alert_targets import targets_of
from twolane.wiring.clock import SystemClock
from twolane.wiring.settings import Settings

log = logging.getLogger("twolane.queue")


def make_runtime(registry: Registry, settings: Settings, limits: Limits | None = None) -> Runtime:
    """What one process holds open for these tasks; nothing is opened yet.

    Args:
        registry: the tasks.
        settings: where things live.
        limits: sizes and bounds; the defaults unless a test brings its own.
    """
    return Runtime(
        registry,
        SystemClock(),
        lambda: open_stores(settings),
        new_id=new_id,
        limits=limits or Limits(),
        in_app=settings.worker == "in_app",
        targets=lambda: targets_of(settings.alerts),
        thresholds=settings.thresholds if settings.watches else None,
    )


def make_watch(registry: Registry, settings: Settings, thresholds: Thresholds) -> Runtime:
    """What `twolane watch` holds open: it watches and tells, runs nothing and makes no queue.

    Args:
        registry: the app's tasks, for what its alerts say; empty: no app is loaded.
        settings: where things live.
        thresholds: from when on something is wrong.
    """
    return Runtime(
        registry,
        SystemClock(),
        lambda: open_stores(settings, create=False),
        new_id=new_id,
        limits=Limits(),
        in_app=False,
        targets=lambda: targets_of(settings.alerts),
        thresholds=thresholds,
    )


def open_stores(settings: Settings, *, create: bool = True) -> Stores:
    """Open the backends.

    Args:
        settings: where they live.
        create: make what is missing.

    Raises:
        SettingsError: the queue lies where SQLite cannot keep its word.
    """
    from twolane.backends.files import FileBlobs
    from twolane.backends.sqlite import SqliteQueue, SqliteRecords
    from twolane.backends.sqlite.place import place_of
    from twolane.wiring.premises import premises_of

    place = place_of(settings.queue, os.environ)
    if place.refused:
        raise SettingsError(f"no queue can be there: {place.sentence}")
    if place.kind != "durable":
        log.warning("THE QUEUE WILL NOT LAST: %s", place.sentence)
    log.info("the queue is %s (from %s)", settings.queue, settings.sources.get("queue", "code"))
    clock = SystemClock()
    return Stores(
        SqliteQueue(settings.queue, clock=clock, create=create),
        SqliteRecords(settings.queue, clock),
        FileBlobs(settings.blobs, clock=clock),
        address=f"sqlite:///{settings.queue}",
        premises=premises_of(settings, place),
    )
