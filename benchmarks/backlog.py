"""Does a worker get slower where much waits? A sample of a drain from a long queue beside one of a short queue."""

import asyncio
import sqlite3
from pathlib import Path

from benchmarks import sketch
from benchmarks.drains import drained
from benchmarks.measure import Report, Scale, at_least, rates, ratio, scratch
from benchmarks.noop import Finish, make_tasks, open_bare

SHORT = 1_000
"""How many wait in the short queue at the beginning of each round; as many are drained of the long one."""
AT_ONCE = 50_000

MESSAGES = """
WITH RECURSIVE n (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)
INSERT INTO messages (seq, id, queue, task, digest, sent_at, visible_at, max_attempts)
SELECT i, printf('00000000-0000-7000-8000-%012x', i), 'default', 'noop', printf('%032x', i), 1e9, 1e9 + i / 1e3, 5 FROM n
"""
BODIES = """
INSERT INTO bodies SELECT seq, replace(:body, :old_id, id) FROM messages WHERE seq BETWEEN :first AND :last
"""


def fill(db: sqlite3.Connection, total: int) -> None:
    old_id, body = sketch.envelope(1)
    (before,) = db.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    for first in range(before + 1, before + total + 1, AT_ONCE):
        span = {"first": first, "last": min(first + AT_ONCE - 1, before + total)}
        db.execute("BEGIN IMMEDIATE")
        db.execute(MESSAGES, span)
        db.execute(BODIES, {**span, "old_id": old_id, "body": body})
        db.execute("COMMIT")


def sample(folder: Path) -> float:
    finish = Finish(SHORT)
    tasks, _ = make_tasks(folder, finish)
    asyncio.run(drained(tasks, finish))
    return finish.rate


def run(scale: Scale) -> Report:
    found: dict[str, list[float]] = {"short queue": [], f"{scale.waiting:,} waiting": []}
    with scratch() as short, scratch() as long:
        db = open_bare(short)
        long_db = open_bare(long)
        fill(long_db, scale.waiting)
        long_db.close()
        for number in range(scale.rounds * 3):
            fill(db, SHORT)
            for rates_of, folder in list(zip(found.values(), (short, long), strict=True))[:: (-1) ** number]:
                rates_of.append(sample(folder))
        db.close()
    few, many = found.values()
    return Report(
        [at_least(f"drain with {scale.waiting:,} waiting over {SHORT:,}", ratio(many, few), 0.8)],
        rates(found),
    )
