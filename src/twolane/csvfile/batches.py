"""Regroups records into the lists that become chunks."""

from __future__ import annotations

from collections.abc import Iterator

from twolane.csvfile.errors import CsvError
from twolane.csvfile.records import Oversized

# A chunk also ends here, whatever its rows: a thousand records of 1 MiB must not be held at once.
CHUNK_BYTES = 4_194_304


def batches(pieces: Iterator[list[bytes] | Oversized], chunk_rows: int) -> Iterator[list[bytes] | Oversized]:
    """Yield lists of `chunk_rows` records; an oversized record stands alone.

    Raises:
        CsvError: the file ends in the middle of a damaged archive. What is whole before it comes first.
    """
    waiting: list[bytes] = []
    while True:
        try:
            piece = next(pieces, None)
        except CsvError:
            if waiting:
                yield waiting
            raise
        if piece is None or isinstance(piece, Oversized):
            if waiting:
                yield waiting
            waiting = []
            if piece is None:
                return
            yield piece
            continue
        waiting += piece
        full = len(waiting) // chunk_rows * chunk_rows
        for begin in range(0, full, chunk_rows):
            yield waiting[begin : begin + chunk_rows]
        waiting = waiting[full:]
        if sum(map(len, waiting)) >= CHUNK_BYTES:
            yield waiting
            waiting = []
