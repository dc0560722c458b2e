"""A 10 MB CSV through a real worker, beside stdlib `csv` and `executemany` in one transaction; and its memory."""

import csv
import statistics
import time
from contextlib import closing
from pathlib import Path

from benchmarks import processes
from benchmarks.csv_read import FILE_BYTES, Flight, make_file
from benchmarks.measure import Report, Scale, at_most, ratio, scratch

ROUNDS = 5


def by_hand(csv_file: Path, folder: Path) -> float:
    """Seconds for a file that nobody checks, imported by a process that nobody kills."""
    from benchmarks.app import SAVE, open_flights

    columns = len(Flight.model_fields)
    began = time.perf_counter()
    with closing(open_flights(folder / "flights.db")) as db, csv_file.open(newline="") as file, db:
        rows = csv.reader(file)
        next(rows)
        db.executemany(SAVE, (row[:columns] for row in rows))
    return time.perf_counter() - began


def by_worker(csv_file: Path, folder: Path) -> tuple[float, int]:
    """Seconds from the send to the end, and the worker's peak memory."""
    from benchmarks.app import import_flights, tasks, tell_usage

    with processes.queue_in(folder), processes.worker(folder) as worker:
        tasks.send_blocking(tell_usage)
        worker.told()
        began = time.perf_counter()
        tasks.send_blocking(import_flights, tasks.runtime.upload(csv_file), folder / "flights.db")
        peak_bytes = worker.told()["peak_bytes"]
        took_s = time.perf_counter() - began
    return took_s, peak_bytes


def run(scale: Scale) -> Report:
    with scratch() as files:
        small, large = files / "small.csv", files / "large.csv"
        make_file(small, FILE_BYTES)
        make_file(large, scale.large_file_bytes)
        hand, worker, peaks = [], [], []
        for _ in range(min(ROUNDS, scale.rounds)):
            with scratch() as folder:
                hand.append(by_hand(small, folder))
            with scratch() as folder:
                took_s, peak = by_worker(small, folder)
            worker.append(took_s)
            peaks.append(peak)
        with scratch() as folder:
            large_s, large_peak = by_worker(large, folder)
    megabytes = scale.large_file_bytes / 1e6
    return Report(
        [
            at_most("import of 10 MB over csv + executemany", ratio(worker, hand), 4),
            at_most(
                f"peak memory at {megabytes:.0f} MB over that at 10 MB",
                large_peak / statistics.median(peaks),
                1.2,
            ),
        ],
        {
            "10 MB through a worker": f"{statistics.median(worker):.2f} s",
            "10 MB with csv + executemany": f"{statistics.median(hand):.2f} s",
            f"{megabytes:.0f} MB through a worker": f"{large_s:.1f} s",
            "peak memory of the worker": f"{statistics.median(peaks) / 1e6:.0f} MB, then {large_peak / 1e6:.0f} MB",
        },
    )
