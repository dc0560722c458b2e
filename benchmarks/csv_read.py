"""twolane.csvfile beside `csv.reader` + one `TypeAdapter(list[Model])` call a chunk, on the same file.

    python benchmarks/csv_read.py [PATH] [--rounds N]

Without a path it makes a file of 10 MB. The ceiling is for that file as it is, UTF-8 with commas; the same rows in other
encodings and in gzip are measured beside it, each over a sketch that is told the encoding. Rounds are interleaved and the medians compared: only the ratio means something.
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
OTHERS = {"Windows-1252": ("cp1252", False), "UTF-16": ("utf-16", False), "gzip": ("utf-8-sig", True)}


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


def sketch(path: Path, encoding: str = "utf-8-sig", packed: bool = False) -> int:
    rows = 0
    adapter = TypeAdapter(list[Flight])
    opening = gzip.open if packed else open
    with opening(path, "rt", encoding=encoding, newline="") as file:
        reader = csv.reader(file, strict=True)
        names = next(reader)
        while chunk := list(itertools.islice(reader, CHUNK_ROWS)):
            dicts = [dict(zip(names, (field or None for field in fields), strict=True)) for fields in chunk]
            rows += len(adapter.validate_python(dicts))
    return rows


def product(path: Path, *_: object) -> int:
    chunks = csvfile.read(path, Flight, chunk_rows=CHUNK_ROWS)
    return sum(len(chunk.rows) + len(chunk.rejected) for chunk in chunks)


def seconds(call, path: Path, how: tuple[str, bool]) -> tuple[float, int]:
    began = time.perf_counter()
    rows = call(path, *how)
    return time.perf_counter() - began, rows


def compared(
    path: Path, rounds: int, encoding: str = "utf-8-sig", packed: bool = False
) -> tuple[int, float, float]:
    """Rows, and the median seconds of the sketch and of ours, in interleaved rounds."""
    how = (encoding, packed)
    sides = [(seconds(sketch, path, how), seconds(product, path, how)) for _ in range(rounds)]
    if {base[1] for base, _ in sides} != {ours[1] for _, ours in sides}:
        raise SystemExit("the two read different numbers of rows")
    base_s, ours_s = (statistics.median(side[0] for side in each) for each in zip(*sides, strict=True))
    return sides[0][0][1], base_s, ours_s


def in_another(path: Path, folder: Path, name: str) -> Path:
    """The same rows with an accent in each, in another encoding or packed."""
    encoding, packed = OTHERS[name]
    text = path.read_text("utf-8-sig").replace("IAH", "ÎAH")
    other = folder / f"{name}.csv"
    other.write_bytes(gzip.compress(text.encode()) if packed else text.encode(encoding))
    return other


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
        rows, base_s, ours_s = compared(path, options.rounds)
        print(f"{rows:,} rows: csv.reader + TypeAdapter {base_s:.3f} s, csvfile.read {ours_s:.3f} s")
        print(f"ratio {ours_s / base_s:.2f} (ceiling {CEILING})")
        for name, how in OTHERS.items():
            _, base_s, ours_s = compared(in_another(path, Path(folder), name), options.rounds, *how)
            print(f"{name}: {base_s:.3f} s, {ours_s:.3f} s, ratio {ours_s / base_s:.2f}")


if __name__ == "__main__":
    main()
