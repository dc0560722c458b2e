"""What is wrong in one snapshot: a pure function. How long it must be so, and who is told when: watch.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twolane.values.condition import Kind, Phase
from twolane.values.lengths import length, size
from twolane.values.policy import seconds
from twolane.values.snapshot import Backlog, Disk, Snapshot, Tally
from twolane.values.thresholds import Thresholds

SETTLES_S = 30.0
"""So long a condition must be seen before it is told, so that one bad look tells nobody."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A condition in one snapshot.

    Attributes:
        kind: what is wrong.
        subject: with which queue, task, target or disk; empty: with the whole.
        title: the same in a line.
        body: what it means and what to do, in plain text.
        begins_after_s: it must be seen for so long before it is told.
        level: what was normal before, where it is a jump; None: it is none.
    """

    kind: Kind
    subject: str
    title: str
    body: str
    begins_after_s: float = SETTLES_S
    level: float | None = None

    @property
    def name(self) -> str:
        """Kind and subject, as of a Standing."""
        return f"{self.kind}:{self.subject}" if self.subject else str(self.kind)


def seen_in(snapshot: Snapshot, now: float, thresholds: Thresholds) -> Iterator[Seen]:
    """Everything that is wrong in a snapshot.

    Args:
        snapshot: the whole at this moment.
        now: when that is, in epoch seconds.
        thresholds: from when on something is wrong.
    """
    served = {queue for worker in snapshot.workers if not worker.stopping for queue in worker.queues}
    for queue, backlog in snapshot.backlogs.items():
        yield from _backlog(queue, backlog, now, thresholds, is_served=queue in served)
    yield from _dead(snapshot, now, thresholds)
    yield from _unsent(snapshot, now, thresholds)
    levels = {
        each.subject: each.level
        for each in snapshot.state.standings
        if each.kind == Kind.FAILING and each.phase is Phase.HOLDING
    }
    for task, tally in snapshot.tallies.items():
        yield from _failing(task, tally, thresholds, levels.get(task))
    for disk in snapshot.disks:
        yield from _disk(disk, thresholds)
    if snapshot.place:
        yield Seen(
            Kind.PLACE,
            "",
            "the queue will not last where it lies",
            f"{snapshot.place}.\nWhat waits and what is dead goes with it, and nobody will be told.",
            begins_after_s=0.0,
        )


def _backlog(
    queue: str, backlog: Backlog, now: float, thresholds: Thresholds, *, is_served: bool
) -> Iterator[Seen]:
    if backlog.ready_since is None:
        return
    age_s, many = now - backlog.ready_since, _waits(backlog.waiting, "message")
    if age_s >= thresholds.too_old_in_s(queue):
        yield Seen(
            Kind.TOO_OLD,
            queue,
            f"queue {queue}: a message has waited {length(age_s)} for a worker",
            f"{many} in it. Either its workers are too few, too slow or stuck, or none knows the task.\n"
            f"See what runs: twolane stats\nMore at a time: twolane worker module:app --queue {queue}",
        )
    if not is_served:
        yield Seen(
            Kind.NO_WORKER,
            queue,
            f"queue {queue}: no live worker serves it, and {many}",
            "Nothing is lost, but nothing runs. Start the app, or: twolane worker module:app",
            begins_after_s=seconds(thresholds.no_worker_s, "no_worker_s"),
        )


def _dead(snapshot: Snapshot, now: float, thresholds: Thresholds) -> Iterator[Seen]:
    since = snapshot.dead_since
    if since is None or now - since < seconds(thresholds.dead_s, "dead_s"):
        return
    yield Seen(
        Kind.DEAD_LETTERS,
        "",
        f"{_waits(snapshot.dead, 'dead letter')} for a human, the oldest for {length(now - since)}",
        "They are kept until somebody decides.\nSee them: twolane dead list\n"
        "Then, for each: twolane dead redrive ID, or twolane dead discard ID",
    )


def _unsent(snapshot: Snapshot, now: float, thresholds: Thresholds) -> Iterator[Seen]:
    for target, since in snapshot.unsent.items():
        if now - since >= seconds(thresholds.alerts_s, "alerts_s"):
            yield Seen(
                Kind.ALERTS,
                target,
                f"alerts cannot be sent to {target}: it has owed one for {length(now - since)}",
                "They are tried again until they are accepted.\nSee what it answers: twolane alert --test",
            )


def _failing(task: str, tally: Tally, thresholds: Thresholds, level: float | None) -> Iterator[Seen]:
    """A jump above the day before; once told, it lasts until half of the jump is gone.

    While it lasts it is held against what was normal before it, since a day of failing would else become normal.
    """
    ended = tally.done + tally.failed
    if not tally.failed or (level is None and tally.failed < thresholds.failing_least):
        return
    share = tally.failed / ended
    before = tally.done_before + tally.failed_before
    normal = level if level is not None else tally.failed_before / before if before else 0.0
    if share - normal >= thresholds.failing * (1.0 if level is None else 0.5):
        yield Seen(
            Kind.FAILING,
            task,
            f"task {task}: {share:.0%} of its attempts fail, {normal:.0%} is normal",
            f"{tally.failed} of {ended} attempts failed in the last 10 to 15 minutes.\n"
            f"See what they say: twolane dead list --task {task}",
            level=normal,
        )


def _disk(disk: Disk, thresholds: Thresholds) -> Iterator[Seen]:
    what = f"the disk of the {disk.holds}"
    then = f"{disk.path}: when it is full nothing can be sent, and clients get 503. Make room."
    if disk.free_bytes < thresholds.least_free_bytes(disk):
        left = f"{size(disk.free_bytes)} of {size(disk.size_bytes)} are left"
        yield Seen(Kind.DISK, disk.holds, f"{what} is nearly full: {left}", then, begins_after_s=0.0)
    elif disk.free_files is not None and disk.most_files and disk.free_files < disk.most_files / 100:
        left = f"{disk.free_files} of {disk.most_files} are left"
        yield Seen(Kind.DISK, disk.holds, f"{what} has few names for files: {left}", then, begins_after_s=0.0)


def _waits(count: int, what: str) -> str:
    return f"{count:,} {what} waits" if count == 1 else f"{count:,} {what}s wait"
