"""What the tests of the CSV reader share: a model, and ways to read bytes to the end."""

from __future__ import annotations

import io

import pytest
from pydantic import BaseModel

from twolane import csvfile


class Flight(BaseModel):
    number: str
    seats: int
    gate: str | None = None


class Dribble(io.BytesIO):
    """A raw stream that answers every read with less than was asked for."""

    def __init__(self, data: bytes, size_bytes: int) -> None:
        super().__init__(data)
        self._size_bytes = size_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._size_bytes if size is None or size < 0 else min(size, self._size_bytes))


@pytest.fixture(scope="session")
def flight() -> type[Flight]:
    return Flight


@pytest.fixture(scope="session")
def dribble() -> type[Dribble]:
    return Dribble


@pytest.fixture(scope="session")
def read_all():
    """Return what `csvfile.read` makes of some bytes: all rows, all rejected, the chunks."""

    def read_all(data: bytes, model: type[BaseModel] = Flight, **options):
        chunks = list(csvfile.read(io.BytesIO(data), model, **options))
        rows = [row for chunk in chunks for row in chunk.rows]
        rejected = [rejection for chunk in chunks for rejection in chunk.rejected]
        return rows, rejected, chunks

    return read_all


@pytest.fixture(scope="session")
def reason(read_all):
    """Return the reason and the line for which the one bad row of some bytes is rejected."""

    def reason(data: bytes, model: type[BaseModel] = Flight, **options) -> tuple[int, str]:
        _, rejected, _ = read_all(data, model, **options)
        assert len(rejected) == 1, rejected
        return rejected[0].line, rejected[0].reason

    return reason
