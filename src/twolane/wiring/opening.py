"""Settings become backends, made at first use."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from twolane.backends.sqs import Address
from twolane.contracts.blobs import Blobs
from twolane.engine.ids import new_id
from twolane.engine.limits import Limits
from twolane.engine.runtime import Runtime, Stores
from twolane.engine.task import Registry
from twolane.values.errors import SettingsError
from twolane.values.thresholds import Thresholds
from twolane.wiring.alert_targets import targets_of
from twolane.wiring.aws_rules import MISSING, require_alerts
from twolane.wiring.clock import SystemClock
from twolane.wiring.secret import secret_of
from twolane.wiring.settings import Settings

SQS_POLL_S = 20.0
"""What is done beside SQS's long polls: owed alerts, ended leases; in seconds (DESIGN.md section 5)."""

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
        lambda: _open_for_app(settings),
        new_id=new_id,
        limits=limits or _limits(settings.queue),
        in_app=settings.worker == "in_app" and settings.function is None,
        targets=lambda: targets_of(settings.alerts),
        tells=settings.function is None,  # between two invocations a function stands still
        thresholds=settings.thresholds if settings.watches and settings.function is None else None,
        secret=lambda: secret_of(settings),
    )


def _limits(queue: Path | Address) -> Limits:
    if isinstance(queue, Path):
        return Limits()
    return Limits(poll_s=SQS_POLL_S, lease_s=float(queue.lease_s))


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


def _open_for_app(settings: Settings) -> Stores:
    """As `open_stores`, where tasks die and somebody must be told."""
    if not isinstance(settings.queue, Path):
        require_alerts(said=settings.alerts_said)
    return open_stores(settings)


def open_stores(settings: Settings, *, create: bool = True) -> Stores:
    """Open the backends.

    Args:
        settings: where they live.
        create: make what is missing; on AWS nothing is ever made.

    Raises:
        SettingsError: the queue lies where it cannot keep its word, or a package is missing.
        QueueError: the queue cannot be used.
    """
    log.info("the queue is %s (from %s)", settings.queue, settings.sources.get("queue", "code"))
    if isinstance(settings.queue, Path):
        return _open_sqlite(settings, create=create)
    return _open_sqs(settings, settings.queue)


def _open_sqlite(settings: Settings, *, create: bool) -> Stores:
    from twolane.backends.sqlite import SqliteQueue, SqliteRecords
    from twolane.backends.sqlite.place import place_of
    from twolane.wiring.premises import premises_of

    if settings.function is not None:
        raise SettingsError(
            f"no queue can be in a file of Lambda function {settings.function}: each of its sandboxes has a disk of its "
            "own, which goes with it. Set TWOLANE_QUEUE=sqs://NAME"
        )
    place = place_of(settings.file, os.environ)
    if place.refused:
        raise SettingsError(f"no queue can be there: {place.sentence}")
    if place.kind != "durable":
        log.warning("THE QUEUE WILL NOT LAST: %s", place.sentence)
    clock = SystemClock()
    return Stores(
        SqliteQueue(settings.file, clock=clock, create=create),
        SqliteRecords(settings.file, clock),
        _open_blobs(settings),
        address=settings.address,
        premises=premises_of(settings, place),
    )


def _open_sqs(settings: Settings, address: Address) -> Stores:
    from twolane.backends.dynamodb import DynamoState
    from twolane.backends.s3 import S3Blobs
    from twolane.backends.sqs import NoRecords, SqsQueue, StatelessSqsQueue, StateRecords

    clock = SystemClock()
    if settings.state is None:
        log.warning(
            "THERE IS NO STATE STORE (%s). So there is none of: %s", settings.sources["state"], MISSING
        )
        alone = StatelessSqsQueue(address, clock=clock)
        if settings.function is None:
            alone.start()
        return Stores(
            alone, NoRecords(address, alone.here, clock), _open_blobs(settings), address=settings.address
        )
    blobs = _open_blobs(settings)
    expiring = blobs if isinstance(blobs, S3Blobs) else None
    queue = SqsQueue(address, DynamoState(settings.state), clock=clock, blobs=expiring)
    if settings.function is None:  # which may never need SQS, and starts anew all the time
        queue.start()
    return Stores(
        queue,
        StateRecords(DynamoState(settings.state), clock),
        blobs,
        address=settings.address,
    )


def _open_blobs(settings: Settings) -> Blobs:
    from twolane.backends.files import FileBlobs
    from twolane.backends.s3 import S3Blobs

    if isinstance(settings.blobs, Path):
        return FileBlobs(settings.blobs, clock=SystemClock())
    return S3Blobs(settings.blobs)
