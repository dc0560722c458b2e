"""Durable sends, from 100 callers and from one."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import peers, sketch
from benchmarks.measure import Report, Scale, at_least, at_most, interleave, rates, ratio
from benchmarks.noop import make_tasks, open_bare

CALLERS = 100
MANY, FEW = 5_000, 500
"""Sends a round by 100 callers, and by those who need a commit for each."""


async def by_callers(
    send: Callable[[int], Awaitable[object]], callers: int, total: int
) -> tuple[float, list[float]]:
    """Sends a second, and the seconds of each."""
    latencies: list[float] = []

    async def call() -> None:
        for number in range(total // callers):
            began = time.perf_counter()
            await send(number)
            latencies.append(time.perf_counter() - began)

    await send(0)
    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return len(latencies) / (time.perf_counter() - began), latencies


def sketch_sends(folder: Path, callers: int, total: int) -> float:
    group = sketch.GroupCommit(open_bare(folder))
    rate, _ = asyncio.run(by_callers(group.send, callers, total))
    group.arrivals.put(None)
    return rate


def one_row_commits(folder: Path) -> float:
    db = open_bare(folder)
    began = time.perf_counter()
    for _ in range(FEW):
        sketch.insert(db, [sketch.envelope(1)])
    return FEW / (time.perf_counter() - began)


class OurSends:
    """twolane's sends; keeps how much slower than the median the slowest in a hundred were, a round."""

    def __init__(self, callers: int, total: int) -> None:
        self.callers = callers
        self.total = total
        self.tails: list[float] = []

    def __call__(self, folder: Path) -> float:
        tasks, noop = make_tasks(folder)
        rate, latencies = asyncio.run(
            by_callers(lambda number: tasks.send(noop, number), self.callers, self.total)
        )
        tasks.close()
        self.tails.append(statistics.quantiles(latencies, n=100)[98] / statistics.median(latencies))
        return rate


def run(scale: Scale) -> Report:
    ours, one = OurSends(CALLERS, MANY), OurSends(1, FEW)
    found = interleave(
        {
            "twolane, 100 callers": ours,
            "sketch, 100 callers": lambda folder: sketch_sends(folder, CALLERS, MANY),
            "sketch, one caller": lambda folder: sketch_sends(folder, 1, FEW),
            "huey, 100 callers": lambda folder: peers.huey_sends(folder, CALLERS, FEW),
            "persist-queue, 100 callers": lambda folder: peers.persist_queue_sends(folder, CALLERS, FEW),
            "twolane, one caller": one,
            "bare insert": one_row_commits,
        },
        scale.rounds,
    )
    many, bare = found["twolane, 100 callers"], found["bare insert"]
    group = found["sketch, 100 callers"]
    return Report(
        [
            at_least(
                "honest: the sketch, 100 callers over one", ratio(group, found["sketch, one caller"]), 8
            ),
            at_least("sends, 100 callers, over the sketch", ratio(many, group), 0.6),
            at_least("sends, 100 callers, over huey", ratio(many, found["huey, 100 callers"]), 2),
            at_least(
                "sends, 100 callers, over persist-queue", ratio(many, found["persist-queue, 100 callers"]), 2
            ),
            at_most("sends, 100 callers, p99 over median", statistics.median(ours.tails), 10),
            at_least("sends, one caller, over a bare insert", ratio(found["twolane, one caller"], bare), 0.4),
        ],
        rates(found),
    )
