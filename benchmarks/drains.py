"""Draining tasks that do nothing, with one worker of 10 slots; the sketch claims as many at a time."""

import asyncio
from pathlib import Path

from benchmarks import peers, sketch
from benchmarks.measure import Report, Scale, at_least, interleave, rates, ratio
from benchmarks.noop import Finish, make_tasks, open_bare, send_all
from twolane import Tasks

MANY, FEW = 4_000, 1_000
"""Tasks a round, and for those who need a commit or two for each."""


def our_drain(folder: Path) -> float:
    finish = Finish(MANY)
    tasks, noop = make_tasks(folder, finish)
    asyncio.run(send_all(tasks, noop, MANY))
    asyncio.run(drained(tasks, finish))
    return finish.rate


async def drained(tasks: Tasks, finish: Finish) -> None:
    """Run a worker until `finish` has seen enough."""
    ended = asyncio.Event()
    finish.on_end = ended.set
    await tasks.runtime.start()
    await asyncio.wait_for(ended.wait(), 120)
    await tasks.runtime.stop()


def sketch_drain(folder: Path, batch: int = peers.SLOTS) -> float:
    db = open_bare(folder)
    sketch.insert(db, [sketch.envelope(1) for _ in range(MANY)])
    finish = Finish(MANY)

    async def noop(number: int) -> None:
        del number
        finish()

    asyncio.run(sketch.drain(db, noop, batch))
    return finish.rate


def run(scale: Scale) -> Report:
    found = interleave(
        {
            "twolane": our_drain,
            "sketch": sketch_drain,
            "sketch, claiming 100": lambda folder: sketch_drain(folder, 100),
            "huey": lambda folder: peers.huey_drains(folder, FEW),
            "persist-queue": lambda folder: peers.persist_queue_drains(folder, FEW),
        },
        scale.rounds,
    )
    return Report(
        [
            at_least(f"drain over {name}", ratio(found["twolane"], found[name]), limit)
            for name, limit in (("sketch", 0.3), ("huey", 2), ("persist-queue", 2))
        ],
        rates(found),
    )
