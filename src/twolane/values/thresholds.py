"""From when on the watch finds that something is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from twolane.values.policy import seconds
from twolane.values.snapshot import Disk

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on the watch finds that something is wrong. Durations are seconds or a timedelta.

    Attributes:
        too_old_s: a message that could be received waits for so long (start value: 15 min).
        too_old_of: the same for single queues, by name, where it is another.
        no_worker_s: no live worker has served a queue that has work for so long: what a restart or a deploy
            may take (60 s).
        dead_s: a dead letter waits for a human for so long (1 d).
        alerts_s: a target of alerts has owed one for so long (10 min).
        failing: the share of a task's attempts that fail is above that of the day before by so much (0.25).
        failing_least: fewer failed attempts than this in 10 minutes are no jump (10).
        disk_free: a disk is nearly full with so many bytes left; None (the start value): with 5 % left, but
            not above 10 GiB and not below 1 GiB.

    Raises:
        ValueError: a value that makes no sense.
    """

    too_old_s: float | timedelta = 900.0
    too_old_of: Mapping[str, float | timedelta] = field(default_factory=dict[str, "float | timedelta"])
    no_worker_s: float | timedelta = 60.0
    dead_s: float | timedelta = 86_400.0
    alerts_s: float | timedelta = 600.0
    failing: float = 0.25
    failing_least: int = 10
    disk_free: int | None = None

    def __post_init__(self) -> None:
        for name in ("too_old_s", "no_worker_s", "dead_s", "alerts_s"):
            object.__setattr__(self, name, seconds(getattr(self, name), name))
        by_queue = {queue: seconds(each, f"too_old_of[{queue!r}]") for queue, each in self.too_old_of.items()}
        object.__setattr__(self, "too_old_of", by_queue)
        if not 0 < self.failing <= 1:
            raise ValueError(f"failing takes a share above 0 and up to 1, not {self.failing!r}")
        if self.failing_least < 1:
            raise ValueError(f"failing_least takes a whole number from 1, not {self.failing_least!r}")
        if self.disk_free is not None and self.disk_free < 0:
            raise ValueError(f"disk_free takes a number of bytes, not {self.disk_free!r}")

    def too_old_in_s(self, queue: str) -> float:
        """How old is too old in one queue, in seconds."""
        return _seconds(self.too_old_of.get(queue, self.too_old_s))

    def least_free_bytes(self, disk: Disk) -> int:
        """With less than this a disk is nearly full."""
        if self.disk_free is not None:
            return self.disk_free
        return min(max(disk.size_bytes // 20, _GIB), 10 * _GIB)


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value
