"""`read`: from a customer's file to typed rows in chunks that can be resumed.

    source -> archive -> encoding, dialect, head, columns -> text -> records (bytes) -> batches -> rows -> Chunk

Nothing here loads pydantic before the first call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from twolane.csvfile.batches import batches
from twolane.csvfile.chunk import Chunk
from twolane.csvfile.cursor import Position, cursor_of
from twolane.csvfile.dialect import Dialect
from twolane.csvfile.errors import CsvError
from twolane.csvfile.limits import Limits
from twolane.csvfile.options import Columns, Options, options_of
from twolane.csvfile.records import Oversized, count_lines, split
from twolane.csvfile.source import BinaryReader, Source, opened
from twolane.csvfile.text import Text
from twolane.values.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from twolane.csvfile.columns import Matcher

T = TypeVar("T", bound="BaseModel")

CHUNK_ROWS = 1_000
LIMITS = Limits()


def read(
    source: Source,
    model: type[T],
    *,
    start: str | None = None,
    chunk_rows: int = CHUNK_ROWS,
    limits: Limits = LIMITS,
    encoding: str | None = None,
    dialect: Dialect | str | None = None,
    columns: Columns | None = None,
    header: bool = True,
) -> Iterator[Chunk[T]]:
    r"""Yield the rows of a CSV file as `model`s, in chunks, in constant memory.

    The first row names the columns; a field of the model is read from the column of its name (or of its
    alias), whatever its case, spaces, underscores and hyphens; other columns are ignored. An empty field is
    None where the type allows None, else the field's default, else ''. A row that does not fit is listed as
    rejected with its line and reason and stops nothing. Blank lines are skipped. A gzip file or a ZIP archive
    of one file is read as the file in it. What is told from the file (encoding, dialect) is part of the
    cursor, so that going on never tells it otherwise.

    Args:
        source: a blob, a path, or a seekable binary file, which is read from byte 0 and stays open.
        model: a pydantic model; text is converted even where the model is strict.
        start: the `cursor` of the last chunk that was dealt with, to go on behind it; None: the first row.
        chunk_rows: records a chunk holds at most; it also ends after 4 MiB.
        limits: what a file may ask for at most.
        encoding: of the text, such as "cp1252"; None: told from the file.
        dialect: a `Dialect`, or only its delimiter, one of ",", ";", "\t" and "|"; None: told from the file.
        columns: fields of the model by further names of their columns, such as `{"dep time": "dep_time"}`;
            with `header=False` a list of fields by place, None for a column to pass over.
        header: False where the first row is a row of data already. The columns are then the fields of the
            model in their order, or those of `columns`.

    Raises:
        CsvError: the file as a whole cannot be read: before the first row, or when more rows or bytes are
            reached than `limits` allow, or a damaged part of an archive; the sentence is for the customer.
        CursorRefused: `start` is no cursor, or the file is another than the one it came from.
        UsageError: `chunk_rows` is below 1, `source` is none of these, or an option says what cannot be.
    """
    from twolane.csvfile.columns import Matcher

    if chunk_rows < 1:
        raise UsageError(f"csvfile.read takes chunk_rows of 1 or more, not {chunk_rows!r}.")
    options = options_of(encoding, dialect, columns, header=header)
    matcher = Matcher(model, options)

    def chunks() -> Iterator[Chunk[T]]:
        with opened(source) as reader:
            yield from chunks_of(reader, model, matcher, options, limits, start=start, chunk_rows=chunk_rows)

    return chunks()


def chunks_of(
    reader: BinaryReader,
    model: type[T],
    matcher: Matcher,
    options: Options,
    limits: Limits,
    *,
    start: str | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[Chunk[T]]:
    """Yield the chunks of an open file from the cursor `start` on.

    Raises:
        CsvError: as `read` does.
    """
    from twolane.csvfile.opening import open_for
    from twolane.csvfile.rows import RowReader

    cursor = None if start is None else cursor_of(start, options)
    file = open_for(matcher, reader, options, limits, cursor)
    file.refuse()
    head = file.head
    rows_of = RowReader(model, head, file.match, limits)
    here = Position(head.end_bytes, head.lines, 0) if cursor is None else cursor.place_in(head, file.contents)
    stream = file.contents.stream(here.offset_bytes)
    records = split(Text(stream, head.encoding), head.dialect.grammar, limits.max_record_bytes)
    for batch in batches(records, chunk_rows):
        rows: list[T] = []
        if isinstance(batch, Oversized):
            rejected = [rows_of.reject(batch, here.lines + 1)]
            size_bytes, lines = batch.size_bytes, batch.lines
        else:
            rows, rejected = rows_of.read(batch, here.lines + 1)
            joined = b"".join(batch)
            size_bytes, lines = head.encoding.source_bytes(joined), count_lines(joined)
        here = here.moved(size_bytes=size_bytes, lines=lines, rows=len(rows) + len(rejected))
        if here.rows > limits.max_rows:
            raise CsvError(f"The file has more than {limits.max_rows:,} rows, which is the limit.")
        uploaded_bytes = stream.uploaded_bytes(here.offset_bytes)
        yield Chunk(rows, rejected, here.cursor(head), here.lines, uploaded_bytes)
