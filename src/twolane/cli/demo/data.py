"""The file of the demo: one that is given, the real one where it lies, or one made from a seed."""

from __future__ import annotations

import gzip
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from twolane.cli.demo.failure import DemoFailed

SIZE_BYTES = 10_000_000
BAD_ROWS = 40
FLIGHTS_A_DAY = 900
CANCELLED = 0.02
BEYOND_ASCII = 0.02
"""So many rows have letters that say that the file is UTF-8: else a stray byte is no error but another encoding."""

_REAL_FILE = Path("shared/data/flights-10mb.csv.gz")
_HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    "origin,dest,air_time,distance,hour,minute,time_hour"
)
_CARRIERS = ("AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN")
_ORIGINS = ("EWR", "JFK", "LGA")
_DESTINATIONS = ("ATL", "BOS", "FLL", "IAH", "LAX", "MIA", "ORD", "SFO")


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A file to import.

    Attributes:
        path: where it lies, not compressed.
        label: what it is, for people.
        bad_lines: the lines that no app should take; None: not known.
    """

    path: Path
    label: str
    bad_lines: frozenset[int] | None = None


def prepare(given: Path | None, seed: int, folder: Path) -> CsvFile:
    """The file of this demo.

    Args:
        given: a CSV file, gzip or not; None: the real file where there is one, else one made from the seed.
        seed: what a made file depends on.
        folder: where a made or decompressed file goes.

    Raises:
        DemoFailed: the given file cannot be read.
    """
    found = given or real_file(Path(__file__))
    if found is None:
        path = folder / "flights.csv"
        bad_lines = generate(path, seed)
        return CsvFile(path, f"made from seed {seed}, with {len(bad_lines)} bad rows", bad_lines)
    try:
        return CsvFile(_plain(found, folder), str(found))
    except OSError as error:
        raise DemoFailed(f"{found} cannot be read: {error}") from error


def real_file(module: Path) -> Path | None:
    """The real file beside a checkout of twolane, if this module runs from one."""
    root = module.resolve().parents[4]
    file = root.parent / _REAL_FILE
    return file if (root / "examples" / "flights").is_dir() and file.is_file() else None


def _plain(file: Path, folder: Path) -> Path:
    """The file itself, or what it holds if it is compressed."""
    with file.open("rb") as source:
        if source.read(2) != b"\x1f\x8b":
            return file.resolve()
    path = folder / file.name.removesuffix(".gz")
    with gzip.open(file) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    return path


def generate(
    path: Path, seed: int, *, size_bytes: int = SIZE_BYTES, bad_rows: int = BAD_ROWS
) -> frozenset[int]:
    """Write a file of flights with rows that no app should take; equal seeds make equal files.

    Returns:
        The lines of the bad rows.
    """
    chance = random.Random(seed)  # noqa: S311  (data, no secret)
    lines = [_HEADER.encode()]
    size = len(lines[0])
    while size < size_bytes:
        lines.append(_row(len(lines), chance))
        size += len(lines[-1]) + 1
    bad_lines = chance.sample(range(1, len(lines)), min(bad_rows, len(lines) - 1))
    for number, index in enumerate(bad_lines):
        lines[index] = _SPOIL[number % len(_SPOIL)](lines[index])
    path.write_bytes(b"\n".join([*lines, b""]))
    return frozenset(index + 1 for index in bad_lines)


def _row(index: int, chance: random.Random) -> bytes:
    days, number = divmod(index, FLIGHTS_A_DAY)
    day = date(2013, 1, 1) + timedelta(days)
    hour, minute, minutes = chance.randrange(5, 20), chance.randrange(0, 60, 5), chance.randrange(40, 239)
    late, scheduled = chance.randrange(-9, 20), hour * 100 + minute
    arrival = (hour + minutes // 60) * 100 + minute
    departed = f"{scheduled},{scheduled},{late}" if chance.random() > CANCELLED else f"NA,{scheduled},NA"
    tail = "Ñ" if chance.random() < BEYOND_ASCII else "N"
    return (
        f"{day.year},{day.month},{day.day},{departed},{arrival},{arrival},{late},{chance.choice(_CARRIERS)},"
        f"{number + 1},{tail}{chance.randrange(100, 999)}TL,{chance.choice(_ORIGINS)},{chance.choice(_DESTINATIONS)},"
        f"{minutes},{minutes * 7},{hour},{minute},{day.isoformat()}T{hour:02}:00:00Z"
    ).encode()


def _with_field(index: int, value: bytes) -> Callable[[bytes], bytes]:
    def spoil(row: bytes) -> bytes:
        fields = row.split(b",")
        fields[index] = value
        return b",".join(fields)

    return spoil


_SPOIL: tuple[Callable[[bytes], bytes], ...] = (
    _with_field(1, b"13"),
    _with_field(4, b"25h10"),
    _with_field(9, b""),
    _with_field(12, b"New York"),
    _with_field(10, b"9" * 30),
    _with_field(13, b"\xe9\xe8\xea"),
    _with_field(9, b"A\0A"),
    _with_field(9, b'"AA"A'),
    lambda row: row.rpartition(b",")[0],
    lambda row: row + b",more",
)
"""What customers' files hold: a month of 13, text in a number, no carrier, a name for a code, a number
that no database holds, another encoding, a NUL byte, a stray quote, a field too few, one too many."""
