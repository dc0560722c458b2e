"""twolane.csvfile beside `csv.reader` + one `TypeAdapter(list[Model])` call a chunk, on the same file.

    python benchmarks/csv_read.py [PATH] [--rounds N]

Without a path it makes a file of 10 MB. Rounds are interleaved and the medians compared: only the ratio means something.
The sketch takes what the product does not trust: it has no line numbers, no cursor, no limits and dies of the first bad row.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import random
import statistics
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from twolane import csvfile

FILE_BYTES = 10_000_000
FIRST_DAY = date(2013, 1, 1)
FLIGHTS_A_DAY = 900
CHUNK_ROWS = 1_000
CEILING = 2.5


class Flight(BaseModel):
    year: int
    month: int
    day: int
    dep_time: int | Literal["NA"] | None  # the real file writes NA for a cancelled flight
    sched_dep_time: int
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    distance: int
    time_hour: str


def sketch(path: Path) -> int:
    rows = 0
    adapter = TypeAdapter(list[Flight])
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        names = next(reader)
        while chunk := list(itertools.islice(reader, CHUNK_ROWS)):
            dicts = [dict(zip(names, (field or None for field in fields), strict=True)) for fields in chunk]
            rows += len(adapter.validate_python(dicts))
    return rows


def product(path: Path) -> int:
    chunks = csvfile.read(path, Flight, chunk_rows=CHUNK_ROWS)
    return sum(len(chunk.rows) + len(chunk.rejected) for chunk in chunks)


def seconds(call, path: Path) -> tuple[float, int]:
    began = time.perf_counter()
    rows = call(path)
    return time.perf_counter() - began, rows


def make_file(path: Path, size_bytes: int = FILE_BYTES) -> None:
    """Flights in the order of their days, as a real export has them."""
    rng = random.Random(1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*Flight.model_fields, "remark"])
        number = 0
        while file.tell() < size_bytes:
            day = FIRST_DAY + timedelta(days=number // FLIGHTS_A_DAY)
            departed = rng.choice([None, rng.randrange(2400)])
            times = [day.year, day.month, day.day, departed, rng.randrange(2400)]
            leg = ["UA", rng.randint(1, 9999), "N14228", "EWR", "IAH", 1400, f"{day}T10:00:00Z"]
            writer.writerow([*times, *leg, 'a "remark", quoted'])
            number += 1


def prepared(given: Path | None, folder: Path) -> Path:
    if given is not None and given.suffix != ".gz":
        return given
    path = folder / "flights.csv"
    if given is None:
        make_file(path)
    else:
        path.write_bytes(gzip.decompress(given.read_bytes()))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="csvfile.read beside csv.reader + TypeAdapter")
    parser.add_argument("path", nargs="?", type=Path, help="a CSV of flights, plain or .gz")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = prepared(options.path, Path(folder))
        rounds = [(seconds(sketch, path), seconds(product, path)) for _ in range(options.rounds)]
    if {base[1] for base, _ in rounds} != {ours[1] for _, ours in rounds}:
        raise SystemExit("the two read different numbers of rows")
    base_s, ours_s = (statistics.median(side[0] for side in sides) for sides in zip(*rounds, strict=True))
    print(f"{rounds[0][0][1]:,} rows: csv.reader + TypeAdapter {base_s:.3f} s, csvfile.read {ours_s:.3f} s")
    print(f"ratio {ours_s / base_s:.2f} (ceiling {CEILING})")


if __name__ == "__main__":
    main()
