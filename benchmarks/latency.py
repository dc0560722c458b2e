"""Idle latency from a send to the start of its handler, in one process and across two; a worker's idle CPU.

Much of it is the disk's and the machine's, which is half as fast in some hours: so a bare fdatasync is measured beside
each send, and the sketch's send, which stores a message and hands it to nobody.
"""

import asyncio
import os
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import processes, sketch
from benchmarks.measure import Report, Scale, at_most, scratch
from benchmarks.noop import make_tasks, open_bare
from twolane import Tasks
from twolane.engine.task import Task

SENDS = 100
PAUSE_S = (0.005, 0.03)


def synced_s(file: int) -> float:
    """How long the disk takes for 4 KiB."""
    began = time.perf_counter()
    os.pwrite(file, bytes(4096), 0)
    getattr(os, "fdatasync", os.fsync)(file)  # macOS has the latter only
    return time.perf_counter() - began


async def write_log_over(tasks: Tasks, noop: Task, log: int) -> None:
    """Send until the write-ahead log no longer grows, which takes an app some hundred sends: a file that grows is slower."""
    size = -1
    while size < (size := os.fstat(log).st_size):
        await tasks.send(noop, 0)


@dataclass
class Beside:
    """Seconds, of as many sends."""

    ours: list[float] = field(default_factory=list[float])
    sketch: list[float] = field(default_factory=list[float])
    disk: list[float] = field(default_factory=list[float])


async def pause() -> None:
    await asyncio.sleep(random.uniform(*PAUSE_S))


async def in_one_process(folder: Path) -> Beside:
    """Latencies of ours, how long the disk took in the pauses before them, and the sketch's sends."""
    started = asyncio.Event()
    tasks, noop = make_tasks(folder, started.set)
    await tasks.runtime.start()
    log = os.open(folder / "twolane.db-wal", os.O_RDONLY)
    await write_log_over(tasks, noop, log)
    (folder / "sketch").mkdir()
    group = sketch.GroupCommit(open_bare(folder / "sketch"))
    found = Beside()
    file = os.open(folder / "beside", os.O_WRONLY | os.O_CREAT)
    for number in range(SENDS):
        await pause()
        found.disk.append(synced_s(file))
        started.clear()
        began = time.perf_counter()
        sending = asyncio.create_task(tasks.send(noop, number))
        await started.wait()
        found.ours.append(time.perf_counter() - began)
        await sending
        await pause()
        began = time.perf_counter()
        await group.send(number)
        found.sketch.append(time.perf_counter() - began)
    group.arrivals.put(None)
    await tasks.runtime.stop()
    for each in (log, file):
        os.close(each)
    return found


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
    return found, busy_s / watch_s


def median(found: list[float]) -> float:
    """In milliseconds, without the first few."""
    return statistics.median(found[5:]) * 1000


def p99(found: list[float]) -> str:
    return f"{statistics.quantiles(found[5:], n=100)[98] * 1000:.1f} ms"


def run(scale: Scale) -> Report:
    with scratch() as folder:
        inside = asyncio.run(in_one_process(folder))
    with scratch() as folder, processes.queue_in(folder):
        across, busy = across_processes(folder, scale.watch_s)
    return Report(
        [
            at_most("latency in one process, median", median(inside.ours), 3, "ms"),
            at_most("latency across processes, median", median(across), 10, "ms"),
            at_most("idle worker, share of a core", busy * 100, 1, "%"),
        ],
        {
            "in one process, p99": p99(inside.ours),
            "across processes, p99": p99(across),
            "the sketch's send beside the first, median": f"{median(inside.sketch):.2f} ms",
            "a bare fdatasync beside the first, median": f"{median(inside.disk):.2f} ms",
            "a bare fdatasync beside the first, p99": p99(inside.disk),
        },
    )
