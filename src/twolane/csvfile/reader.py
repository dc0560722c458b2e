"""`read` and `check_head`: from a customer's file to typed rows in chunks that can be resumed.

    source -> head (is it CSV, which columns) -> records (bytes) -> batches -> rows -> Chunk

Nothing here loads pydantic before the first call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from twolane.csvfile.chunk import Chunk
from twolane.csvfile.cursor import position_of
from twolane.csvfile.errors import CsvError
from twolane.csvfile.head import read_head
from twolane.csvfile.limits import Limits
from twolane.csvfile.records import Oversized, count_lines, split
from twolane.csvfile.source import Source, opened
from twolane.values.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T", bound="BaseModel")

# A chunk also ends here, whatever its rows: a thousand records of 1 MiB must not be held at once.
CHUNK_BYTES = 4_194_304
_LIMITS = Limits()


def read(
    source: Source,
    model: type[T],
    *,
    start: str | None = None,
    chunk_rows: int = 1_000,
    limits: Limits = _LIMITS,
) -> Iterator[Chunk[T]]:
    """Yield the rows of a CSV file as `model`s, in chunks, in constant memory.

    The first row names the columns; a field of the model is read from the column of its name (or of its
    alias), other columns are ignored. An empty field is None where the type allows None, else the
    field's default, else ''. A row that does not fit is listed as rejected with its line and reason and
    stops nothing. Blank lines are skipped. UTF-8, with or without a byte order mark.

    Args:
        source: a blob, a path, or a seekable binary file, which is read from byte 0 and stays open.
        model: a pydantic model; text is converted even where the model is strict.
        start: the `cursor` of the last chunk that was dealt with, to go on behind it; None: the first row.
        chunk_rows: records a chunk holds at most; it also ends after 4 MiB.
        limits: what a file may ask for at most.

    Raises:
        CsvError: the file as a whole cannot be read (before the first row), or has more rows than
            `limits.max_rows` (when they are reached); the sentence is for the customer.
        CursorRefused: `start` is no cursor, or the file is another than the one it came from.
        UsageError: `chunk_rows` is below 1, or `source` is none of these.
    """
    if chunk_rows < 1:
        raise UsageError(f"csvfile.read takes chunk_rows of 1 or more, not {chunk_rows!r}.")
    return _chunks(source, model, start, chunk_rows, limits)


def check_head(source: Source, model: type[BaseModel], *, limits: Limits = _LIMITS) -> None:
    """Refuse a file whose head already shows that `read` would: for an endpoint that answers 422.

    Reads at most `limits.max_record_bytes`. A file that is given open is left where it stood.

    Args:
        source: as for `read`; of an UploadFile its `.file`.
        model: as for `read`.
        limits: as for `read`.

    Raises:
        CsvError: what is wrong with the file, in a sentence for the customer.
        UsageError: `source` is no blob, path or seekable binary file.
    """
    from twolane.csvfile.columns import match_columns

    with opened(source) as reader:
        stood_at = reader.tell()
        try:
            match_columns(model, read_head(reader, limits).names)
        finally:
            reader.seek(stood_at)


def _chunks(
    source: Source, model: type[T], start: str | None, chunk_rows: int, limits: Limits
) -> Iterator[Chunk[T]]:
    from twolane.csvfile.rows import RowReader

    with opened(source) as reader:
        head = read_head(reader, limits)
        row_reader = RowReader(model, head.names, limits)
        here = position_of(start, head)
        reader.seek(here.offset_bytes)
        for batch in _batches(split(reader, limits.max_record_bytes), chunk_rows):
            rows: list[T] = []
            if isinstance(batch, Oversized):
                rejected = [row_reader.reject(batch, here.lines + 1)]
                size_bytes, lines = batch.size_bytes, batch.lines
            else:
                rows, rejected = row_reader.read(batch, here.lines + 1)
                size_bytes, lines = sum(map(len, batch)), count_lines(b"".join(batch))
            here = here.moved(size_bytes=size_bytes, lines=lines, rows=len(rows) + len(rejected))
            if here.rows > limits.max_rows:
                raise CsvError(f"The file has more than {limits.max_rows:,} rows, which is the limit.")
            yield Chunk(rows, rejected, here.cursor(head), here.lines, here.offset_bytes)


def _batches(pieces: Iterator[list[bytes] | Oversized], chunk_rows: int) -> Iterator[list[bytes] | Oversized]:
    """Regroup records into lists of `chunk_rows`; an oversized record stands alone."""
    waiting: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, Oversized):
            if waiting:
                yield waiting
            waiting = []
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
    if waiting:
        yield waiting
