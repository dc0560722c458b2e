"""The app that other processes run: served by uvicorn, or worked for by `twolane worker`.

Tasks tell what they measure as a line of JSON on standard output, where the benchmark reads it.
"""

import json
import os
import resource
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from fastapi import BackgroundTasks, FastAPI

from benchmarks.csv_read import Flight
from twolane import Blob, Lanes, TaskContext, Tasks, csvfile

tasks = Tasks(worker="off")
app = FastAPI()
tasks.install(app)
plain = FastAPI()

FLIGHTS = """
CREATE TABLE IF NOT EXISTS flights (
    year INT, month INT, day INT, dep_time INT, sched_dep_time INT, carrier TEXT, flight INT, tailnum TEXT,
    origin TEXT, dest TEXT, distance INT, time_hour TEXT,
    PRIMARY KEY (year, month, day, carrier, flight, origin, dest)
) WITHOUT ROWID
"""
SAVE = f"INSERT OR REPLACE INTO flights VALUES ({', '.join('?' * len(Flight.model_fields))})"


def tell(**found: float) -> None:
    print(json.dumps(found), flush=True)


@tasks.task(if_lost="alert", name="tell_latency")
async def tell_latency(sent_ns: int) -> None:
    tell(seconds=(time.monotonic_ns() - sent_ns) / 1e9)


@tasks.task(if_lost="alert", name="tell_usage")
async def tell_usage() -> None:
    tell(cpu_s=time.process_time(), memory_bytes=memory_bytes("VmRSS"), peak_bytes=memory_bytes("VmHWM"))


@tasks.task(if_lost="alert", name="import_flights", timeout_s=3600)
def import_flights(ctx: TaskContext, upload: Blob, into: Path) -> None:
    with closing(open_flights(into)) as db:
        for chunk in csvfile.read(upload, Flight, start=ctx.cursor):
            with db:
                db.executemany(SAVE, (tuple(row.__dict__.values()) for row in chunk.rows))
            ctx.checkpoint(chunk.cursor, done=chunk.offset_bytes, total=upload.size_bytes)
    tell(peak_bytes=memory_bytes("VmHWM"))


@tasks.task(if_lost="ignore", name="nothing")
async def nothing(number: int) -> None:
    del number


async def plain_nothing(number: int) -> None:
    del number


@app.get("/task")
async def with_task(lanes: Lanes) -> None:
    lanes.add_task(nothing, 1)


@plain.get("/task")
async def with_background_task(background: BackgroundTasks) -> None:
    background.add_task(plain_nothing, 1)


@app.get("/none")
@plain.get("/none")
async def without_task() -> None:
    return


@app.get("/cpu")
@plain.get("/cpu")
async def cpu() -> float:
    return time.process_time()


def open_flights(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(FLIGHTS)
    return db


def memory_bytes(field: str) -> int:
    """What the process holds (VmRSS) or held at most (VmHWM); elsewhere than on Linux the latter for both."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


if __name__ == "__main__":  # what the app takes by itself, before any worker
    tell(memory_bytes=memory_bytes("VmRSS"), pid=os.getpid())
