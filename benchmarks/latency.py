"""Idle latency from a send to the start of its handler, in one process and across two; a worker's idle CPU.

The slowest of these are the disk's slowest: so a bare fdatasync is measured beside each send.
"""

import asyncio
import os
import random
import statistics
import time
from pathlib import Path

from benchmarks import processes
from benchmarks.measure import Report, Scale, at_most, scratch
from benchmarks.noop import make_tasks

SENDS = 100
PAUSE_S = (0.005, 0.03)


def synced_s(file: int) -> float:
    """How long the disk takes for 4 KiB."""
    began = time.perf_counter()
    os.pwrite(file, bytes(4096), 0)
    getattr(os, "fdatasync", os.fsync)(file)  # macOS has the latter only
    return time.perf_counter() - began


async def in_one_process(folder: Path) -> tuple[list[float], list[float]]:
    """Latencies, and how long the disk took in the pauses between them."""
    started = asyncio.Event()
    tasks, noop = make_tasks(folder, started.set)
    await tasks.runtime.start()
    found, disk = [], []
    file = os.open(folder / "beside", os.O_WRONLY | os.O_CREAT)
    for number in range(SENDS):
        await asyncio.sleep(random.uniform(*PAUSE_S))
        disk.append(synced_s(file))
        started.clear()
        began = time.perf_counter()
        sending = asyncio.create_task(tasks.send(noop, number))
        await started.wait()
        found.append(time.perf_counter() - began)
        await sending
    await tasks.runtime.stop()
    os.close(file)
    return found[5:], disk[5:]


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


def p99(found: list[float]) -> str:
    return f"{statistics.quantiles(found, n=100)[98] * 1000:.1f} ms"


def run(scale: Scale) -> Report:
    with scratch() as folder:
        inside, disk = asyncio.run(in_one_process(folder))
    with scratch() as folder, processes.queue_in(folder):
        across, busy = across_processes(folder, scale.watch_s)
    return Report(
        [
            at_most("latency in one process, median", statistics.median(inside) * 1000, 3, "ms"),
            at_most("latency across processes, median", statistics.median(across) * 1000, 10, "ms"),
            at_most("idle worker, share of a core", busy * 100, 1, "%"),
        ],
        {
            "in one process, p99": p99(inside),
            "across processes, p99": p99(across),
            "a bare fdatasync in the first one's pauses, p99": p99(disk),
        },
    )
