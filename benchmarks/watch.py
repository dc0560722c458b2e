"""What the watch costs: a look at a queue with a million finished records beside a look at an empty one."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Report, Scale, at_most, scratch
from twolane.backends.sqlite import SqliteQueue, SqliteRecords
from twolane.backends.sqlite import connection as opening
from twolane.backends.sqlite.place import place_of
from twolane.contracts.upkeep import Reap
from twolane.engine.batcher import Batcher
from twolane.engine.ids import new_id
from twolane.engine.limits import Limits
from twolane.engine.watching import Watching
from twolane.values.snapshot import BUCKET_S, DAY_BUCKETS
from twolane.values.thresholds import Thresholds
from twolane.wiring.clock import SystemClock
from twolane.wiring.premises import premises_of
from twolane.wiring.settings import Settings

LOOKS = 200
TASKS = 50
AT_ONCE = 50_000
MESSAGES = """
WITH RECURSIVE n (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
INSERT INTO messages (seq, id, queue, task, digest, sent_at, visible_at, max_attempts, state, finished_at, reason)
SELECT i, printf('00000000-0000-7000-8000-%012x', i), 'q' || (i % 5), 'task' || (i % :tasks), '', :now, :now, 5,
    :state, CASE WHEN :state <> 'waiting' THEN :now END, CASE WHEN :state = 'dead' THEN 'gave_up' END FROM n
"""
RATES = """
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :buckets * :tasks - 1)
INSERT INTO rates SELECT :last - i / :tasks, 'task' || (i % :tasks), 1000, 3 FROM n
"""


def fill(path: Path, finished: int) -> None:
    """Finished records, a thousand dead letters, a thousand messages that wait, and a day of rates."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    now, last = time.time(), 0
    for state, count in (("done", finished), ("dead", 1000), ("waiting", 1000)):
        for first in range(last + 1, last + count + 1, AT_ONCE):
            span = {"first": first, "last": min(first + AT_ONCE - 1, last + count)}
            db.execute(MESSAGES, {**span, "now": now, "state": state, "tasks": TASKS})
        last += count
    db.execute(RATES, {"last": int(now // BUCKET_S), "buckets": DAY_BUCKETS, "tasks": TASKS})
    db.close()


@contextmanager
def watch_of(folder: Path) -> Iterator[Watching]:
    settings = Settings(folder / "twolane.db", folder / "blobs", "off")
    clock = SystemClock()
    batcher = Batcher(SqliteQueue(settings.queue, clock=clock))
    records = SqliteRecords(settings.queue, clock)
    try:
        yield Watching(
            batcher,
            records,
            clock,
            premises=premises_of(settings, place_of(settings.queue, {})),
            thresholds=Thresholds(),
            limits=Limits(),
            new_id=new_id,
            on_notices=lambda _: None,
        )
    finally:
        records.close()
        batcher.close()


def cost(folder: Path) -> tuple[float, int]:
    """The CPU seconds of one look of the leader, all threads together, and how many statements it takes."""
    statements: list[str] = []
    configure = opening._configure  # noqa: SLF001

    def traced(connection: sqlite3.Connection) -> None:
        configure(connection)
        connection.set_trace_callback(statements.append)

    with watch_of(folder) as watching:
        watching.turn()
        began = time.process_time()
        for _ in range(LOOKS):
            watching.turn()
        took_s = time.process_time() - began
        assert watching.leads
        watching.begin_stop()
        watching.run()  # gives the lead back
    opening._configure = traced  # noqa: SLF001
    try:
        with watch_of(folder) as watching:
            for _ in range(2):
                statements.clear()
                watching.turn()
            assert watching.leads
    finally:
        opening._configure = configure  # noqa: SLF001
    return took_s / LOOKS, len(statements)


def run(scale: Scale) -> Report:
    found = {}
    for name, finished in (("an empty queue", 0), (f"{scale.waiting:,} finished records", scale.waiting)):
        with scratch() as folder:
            queue = SqliteQueue(folder / "twolane.db", clock=SystemClock())
            queue.flush([Reap()])
            queue.close()
            if finished:
                fill(folder / "twolane.db", finished)
            found[name] = cost(folder)
    (empty_s, few), (full_s, many) = found.values()
    every_s = Limits().watch_every_s
    return Report(
        [
            at_most(
                f"the watch of {scale.waiting:,} finished records, of a core",
                full_s / every_s * 100,
                0.2,
                "%",
            ),
            at_most("more statements a look than of an empty queue", many - few, 0, ""),
        ],
        {
            "a look": f"{full_s * 1e3:.2f} ms, of an empty queue {empty_s * 1e3:.2f} ms",
            "statements a look": str(many),
        },
    )
