"""Idle latency from a send to the start of its handler, in one process and across two; a worker's idle CPU."""

import asyncio
import random
import statistics
import time
from pathlib import Path

from benchmarks import processes
from benchmarks.measure import Report, Scale, at_most, scratch
from benchmarks.noop import make_tasks

SENDS = 100
PAUSE_S = (0.005, 0.03)


async def in_one_process(folder: Path) -> list[float]:
    started = asyncio.Event()
    tasks, noop = make_tasks(folder, started.set)
    await tasks.runtime.start()
    found = []
    for number in range(SENDS):
        await asyncio.sleep(random.uniform(*PAUSE_S))
        started.clear()
        began = time.perf_counter()
        sending = asyncio.create_task(tasks.send(noop, number))
        await started.wait()
        found.append(time.perf_counter() - began)
        await sending
    await tasks.runtime.stop()
    return found[5:]


def across_processes(folder: Path, watch_s: float) -> tuple[list[float], float]:
    """Latencies, and the share of a core that the idle worker takes."""
    from benchmarks.app import tasks, tell_latency, tell_usage

    with processes.worker(folder) as worker:
        found = []
        for _ in range(SENDS):
            time.sleep(random.uniform(*PAUSE_S))
            tasks.send_blocking(tell_latency, time.monotonic_ns())
            found.append(worker.told()["seconds"])
        tasks.send_blocking(tell_usage)
        before = worker.told()
        time.sleep(watch_s)
        tasks.send_blocking(tell_usage)
        busy_s = worker.told()["cpu_s"] - before["cpu_s"]
    return found[5:], busy_s / watch_s


def run(scale: Scale) -> Report:
    with scratch() as folder:
        inside = asyncio.run(in_one_process(folder))
    with scratch() as folder, processes.queue_in(folder):
        across, busy = across_processes(folder, scale.watch_s)
    return Report(
        [
            at_most("latency in one process, median", statistics.median(inside) * 1000, 3, "ms"),
            at_most("latency across processes, median", statistics.median(across) * 1000, 10, "ms"),
            at_most("idle worker, share of a core", busy * 100, 1, "%"),
        ],
        {
            "in one process, p99": f"{statistics.quantiles(inside, n=100)[98] * 1000:.1f} ms",
            "across processes, p99": f"{statistics.quantiles(across, n=100)[98] * 1000:.1f} ms",
        },
    )
