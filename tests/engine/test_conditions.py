"""What is wrong in one snapshot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from twolane.engine.conditions import Seen, seen_in
from twolane.values.condition import Kind, Phase, Standing, WatchState
from twolane.values.record import WorkerInfo
from twolane.values.snapshot import Backlog, Disk, Snapshot, Tally
from twolane.values.thresholds import Thresholds

NOW = 1_800_000_000.0
GIB = 1 << 30


def seen(snapshot: Snapshot, thresholds: Thresholds | None = None) -> list[Seen]:
    return list(seen_in(snapshot, NOW, thresholds or Thresholds()))


def names(snapshot: Snapshot, thresholds: Thresholds | None = None) -> list[str]:
    return [each.name for each in seen(snapshot, thresholds)]


def worker(*queues: str, stopping: bool = False) -> WorkerInfo:
    return WorkerInfo("w", 1, "process", queues, ("app:work",), 10, NOW, stopping)


def backlog(age_s: float | None, **more: object) -> Snapshot:
    ready_since = None if age_s is None else NOW - age_s
    return Snapshot(backlogs={"imports": Backlog(3, ready_since)}, workers=(worker("imports"),))


def test_nothing_is_wrong_with_an_empty_queue() -> None:
    assert seen(Snapshot()) == []


@pytest.mark.parametrize(
    ("age_s", "expected"), [(None, []), (899.0, []), (900.0, ["too_old:imports"]), (-5.0, [])]
)
def test_a_message_waits_for_too_long(age_s: float | None, expected: list[str]) -> None:
    assert names(backlog(age_s)) == expected


def test_how_old_is_too_old_is_said_by_queue() -> None:
    thresholds = Thresholds(too_old_s=60, too_old_of={"imports": timedelta(hours=2)})
    assert names(backlog(7199.0), thresholds) == []
    assert names(backlog(7200.0), thresholds) == ["too_old:imports"]
    other = Snapshot(backlogs={"mail": Backlog(1, NOW - 60)}, workers=(worker("mail"),))
    assert names(other, thresholds) == ["too_old:mail"]


@pytest.mark.parametrize(
    "workers", [(), (worker("mail"),), (worker("imports", stopping=True),)], ids=["none", "others", "leaving"]
)
def test_no_live_worker_serves_a_queue_that_has_work(workers: tuple[WorkerInfo, ...]) -> None:
    [condition] = seen(Snapshot(backlogs={"imports": Backlog(1, NOW - 1)}, workers=workers))
    assert condition.name == "no_worker:imports"
    assert condition.begins_after_s == 60.0  # a restart or a deploy may take so long
    assert condition.title == "queue imports: no live worker serves it, and 1 message waits"


def test_what_is_not_visible_yet_is_no_work() -> None:
    assert names(Snapshot(backlogs={"imports": Backlog(5, None)})) == []


def test_dead_letters_wait_for_a_human() -> None:
    assert names(Snapshot(dead=2, dead_since=NOW - 86_399)) == []
    [condition] = seen(Snapshot(dead=1200, dead_since=NOW - 2 * 86_400))
    assert condition.kind is Kind.DEAD_LETTERS
    assert condition.title == "1,200 dead letters wait for a human, the oldest for 2.0 d"


def test_alerts_cannot_be_sent_to_a_target() -> None:
    found = seen(Snapshot(unsent={"slack": NOW - 601, "mail": NOW - 599}))
    assert [each.name for each in found] == ["alerts:slack"]


@pytest.mark.parametrize(
    ("tally", "fails"),
    [
        (Tally(done=0, failed=9), False),  # too few to say anything
        (Tally(done=0, failed=10), True),  # new, and it always fails
        (Tally(done=31, failed=10), False),
        (Tally(done=30, failed=10), True),
        (Tally(done=60, failed=40, done_before=800, failed_before=200), False),  # 20 points above normal
        (Tally(done=55, failed=45, done_before=800, failed_before=200), True),
        (Tally(done=0, failed=100, done_before=0, failed_before=100), False),  # as always
        (Tally(done=100, failed=0, done_before=0, failed_before=100), False),
    ],
)
def test_a_failure_rate_jumps(tally: Tally, *, fails: bool) -> None:
    assert names(Snapshot(tallies={"app:work": tally})) == (["failing:app:work"] if fails else [])


@pytest.mark.parametrize(
    ("tally", "lasts"),
    [
        (Tally(done=87, failed=13, done_before=0, failed_before=500), True),  # a day of it is not normal
        (Tally(done=88, failed=12), False),
        (Tally(done=0, failed=1), True),  # the few that are tried again still fail
        (Tally(done=5, failed=0), False),
        (Tally(), False),
    ],
)
def test_a_jump_that_was_told_lasts_until_half_of_it_is_gone(tally: Tally, *, lasts: bool) -> None:
    told = Standing(Kind.FAILING, "app:work", Phase.HOLDING, NOW - 900, level=0.0, times=1, told_at=NOW - 900)
    snapshot = Snapshot(tallies={"app:work": tally}, state=WatchState(standings=(told,)))
    assert names(snapshot) == (["failing:app:work"] if lasts else [])


@pytest.mark.parametrize(
    ("size_gib", "free_gib", "full"),
    [
        (10, 1.1, False),
        (10, 0.9, True),
        (100, 5.1, False),
        (100, 4.9, True),
        (4000, 10.1, False),
        (4000, 9.9, True),
    ],
)
def test_a_disk_is_nearly_full(size_gib: int, free_gib: float, *, full: bool) -> None:
    disk = Disk("queue", "/data", int(free_gib * GIB), size_gib * GIB)
    assert names(Snapshot(disks=(disk,))) == (["disk:queue"] if full else [])
    assert names(Snapshot(disks=(disk,)), Thresholds(disk_free=2**60)) == ["disk:queue"]
    assert names(Snapshot(disks=(disk,)), Thresholds(disk_free=0)) == []


@pytest.mark.parametrize(("free", "most", "few"), [(99, 10_000, True), (100, 10_000, False), (0, 0, False)])
def test_a_disk_runs_out_of_files(free: int, most: int, *, few: bool) -> None:
    disk = Disk("blobs", "/data", 50 * GIB, 100 * GIB, free_files=free, most_files=most)
    assert names(Snapshot(disks=(disk,))) == (["disk:blobs"] if few else [])


def test_a_queue_that_dies_with_its_container_is_told_at_once() -> None:
    [condition] = seen(Snapshot(place="/q.db lies on overlay: mount a volume"))
    assert (condition.name, condition.begins_after_s) == ("place", 0.0)
    assert "mount a volume" in condition.body


@pytest.mark.parametrize(
    "options",
    [
        {"too_old_s": -1},
        {"too_old_of": {"imports": "soon"}},
        {"no_worker_s": float("nan")},
        {"failing": 0},
        {"failing": 1.5},
        {"failing_least": 0},
        {"disk_free": -1},
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Thresholds(**options)  # type: ignore[arg-type]
