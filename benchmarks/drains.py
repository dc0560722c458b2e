"""Draining tasks that do nothing, with one worker of 10 slots."""

import asyncio
from pathlib import Path

from benchmarks import peers, sketch
from benchmarks.measure import Report, Scale, at_least, interleave, rates, ratio
from benchmarks.noop import Finish, make_database, make_tasks, send_all

MANY, FEW = 4_000, 500
"""Tasks a round, and for those who need a commit or two for each."""


def our_drain(folder: Path) -> float:
    finish = Finish(MANY)
    tasks, noop = make_tasks(folder, finish)
    asyncio.run(_drain(tasks, noop, finish))
    return finish.rate


async def _drain(tasks, noop, finish: Finish) -> None:
    await send_all(tasks, noop, MANY)
    ended = asyncio.Event()
    finish.on_end = ended.set
    await tasks.runtime.start()
    await asyncio.wait_for(ended.wait(), 120)
    await tasks.runtime.stop()


def sketch_drain(folder: Path) -> float:
    connection = sketch.connect(make_database(folder))
    sketch.insert(connection, ['{"number": 1}'] * MANY)
    finish = Finish(MANY)

    async def noop(number: int) -> None:
        del number
        finish()

    asyncio.run(sketch.drain(connection, noop))
    return finish.rate


def run(scale: Scale) -> Report:
    found = interleave(
        {
            "twolane": our_drain,
            "sketch": sketch_drain,
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
