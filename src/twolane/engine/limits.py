"""Sizes and bounds of a process, with the defaults of DESIGN.md section 5."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and bounds of a process.

    Attributes:
        slots: how many deliveries a worker runs at a time.
        sync_threads: how many of them may be sync tasks.
        lease_s: how long a delivery is hidden, in seconds; extended three times as often.
        poll_s: how often a worker looks without having been woken, in seconds.
        grace_s: how long a shutdown waits for running deliveries and background tasks, in seconds.
        background_threads: how many sync background tasks run at a time.
        background_budget_s: a background task that takes longer is warned about, in seconds.
        blocking_s: a background task that holds the event loop longer is warned about, in seconds.
        look_s: how often records that event streams follow are read, in seconds.
        stream_s: how long an event stream stays open, in seconds.
        upload_bytes: the largest upload and the largest arguments, in bytes.
        keep_s: how long finished records and their blobs are kept, in seconds.
        orphan_s: how long a blob is kept that no message ever named, in seconds.
        watch_every_s: how often the watch looks, in seconds.
        watch_lease_s: how long who leads it goes on leading without a word, in seconds. With `watch_every_s` it
            bounds how long nobody watches after a kill: 25 s.
        digest_s: how long the first alert of a kind keeps others of it waiting for a digest, in seconds.
    """

    slots: int = 10
    sync_threads: int = 8
    lease_s: float = 60.0
    poll_s: float = 1.0
    grace_s: float = 25.0
    background_threads: int = 6
    background_budget_s: float = 5.0
    blocking_s: float = 0.1
    look_s: float = 0.25
    stream_s: float = 25.0
    upload_bytes: int = 100 * 1024 * 1024
    keep_s: float = 7 * 86_400.0
    orphan_s: float = 86_400.0
    watch_every_s: float = 5.0
    watch_lease_s: float = 20.0
    digest_s: float = 60.0
