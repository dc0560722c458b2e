"""Where a queue lives, as the system tells it: its disks, and whether they last."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from twolane.backends.sqlite.place import Place
from twolane.values.snapshot import Disk, Premises
from twolane.wiring.settings import Settings

log = logging.getLogger("twolane.watch")


def premises_of(settings: Settings, place: Place) -> Callable[[], Premises]:
    """What tells where the queue and its blobs live, each time anew.

    Args:
        settings: where they are.
        place: what was found out about the queue's file.
    """
    sentence = place.sentence if place.kind == "dies_with_container" else ""

    def look() -> Premises:
        return Premises(tuple(_disks(settings)), sentence)

    return look


def _disks(settings: Settings) -> Iterator[Disk]:
    """The file system of the queue, and that of the blobs where it is another."""
    queue, blobs = _there(settings.queue.parent), _there(settings.blobs)
    try:
        if queue.stat().st_dev == blobs.stat().st_dev:
            yield disk_at(queue, "queue and blobs")
        else:
            yield disk_at(queue, "queue")
            yield disk_at(blobs, "blobs")
    except OSError as error:
        log.debug("a disk does not tell how full it is: %s", error)


def disk_at(path: Path, holds: str) -> Disk:
    """The file system that a folder is on.

    Args:
        path: the folder.
        holds: what twolane keeps there, for people.

    Raises:
        OSError: it does not tell.
    """
    told = os.statvfs(path)
    return Disk(
        holds,
        str(path),
        free_bytes=told.f_bavail * told.f_frsize,
        size_bytes=told.f_blocks * told.f_frsize,
        free_files=told.f_favail if told.f_files else None,  # btrfs and others have no such limit
        most_files=told.f_files or None,
    )


def _there(path: Path) -> Path:
    """The nearest folder that exists: blobs have theirs from the first one on."""
    return next((each for each in (path, *path.parents) if each.exists()), path)
