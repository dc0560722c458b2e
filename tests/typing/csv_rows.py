"""What every type checker must accept of `csvfile`: the rows are the model's."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, assert_type

from pydantic import BaseModel

from twolane import csvfile


class Flight(BaseModel):
    number: str
    seats: int


class Stored:
    def open(self) -> BinaryIO:
        return Path("flights.csv").open("rb")


def import_flights(source: Path | str | BinaryIO | Stored, cursor: str | None) -> Iterator[Flight]:
    csvfile.check_head(source, Flight, limits=csvfile.Limits(max_columns=20), dialect=";")
    report = csvfile.check(source, Flight, problems=5, columns={"flight no": "number"}, encoding="cp1252")
    assert_type(report, csvfile.Report)
    assert_type(report.problems, tuple[csvfile.Rejected, ...])
    csvfile.read(
        source, Flight, header=False, columns=["number", None, "seats"], dialect=csvfile.Dialect("|")
    )
    for chunk in csvfile.read(source, Flight, start=cursor, chunk_rows=100):
        assert_type(chunk, csvfile.Chunk[Flight])
        assert_type(chunk.rejected, list[csvfile.Rejected])
        yield from chunk.rows
