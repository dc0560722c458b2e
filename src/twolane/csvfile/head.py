"""Reads the head of a file: whether it is CSV text at all, its encoding, dialect and columns, and where its rows begin."""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass

from twolane.csvfile.archive import Contents
from twolane.csvfile.dialect import Dialect, Fits, named_by_excel, told_by
from twolane.csvfile.encoding import ENCODINGS, Encoding
from twolane.csvfile.errors import CsvError, refuse_no_text
from twolane.csvfile.guess import encoding_in, wide_by_nuls
from twolane.csvfile.limits import Limits
from twolane.csvfile.options import Options
from twolane.csvfile.records import count_lines
from twolane.csvfile.source import read_fully
from twolane.csvfile.strangers import refuse_binary, refuse_markup
from twolane.csvfile.text import Text

_MARK = "\ufeff".encode()
_BLANK_LINES = re.compile(rb"[\r\n]*+")
_MAGIC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a file tells.

    Args:
        encoding: of its text.
        dialect: how its fields are told apart.
        first_row: the fields of the first row that is not blank, surrounding spaces removed: the columns'
            names, or where the file has no header its first row of data.
        end_bytes: where the rows begin, in bytes of the CSV file.
        lines: physical lines up to there.
        size_bytes: the size of the upload.
        has_rows: False where nothing but blank lines follows the header.
        fingerprint: tells this file from another, as far as size and header can.
    """

    encoding: Encoding
    dialect: Dialect
    first_row: tuple[str, ...]
    end_bytes: int
    lines: int
    size_bytes: int
    has_rows: bool
    fingerprint: str


def read_head(
    contents: Contents,
    options: Options,
    limits: Limits,
    fits: Fits,
    known: tuple[Encoding, Dialect] | None = None,
) -> Head:
    """Read the head of the CSV file in an upload.

    Args:
        contents: the CSV file.
        options: what the caller says of it.
        limits: what it may ask for.
        fits: tells how many columns of the model a header row gives.
        known: its encoding and dialect, where a cursor names them: then nothing is guessed.

    Raises:
        CsvError: the file is empty, no CSV text, or its header cannot be used.
    """
    refuse_binary(read_fully(contents.stream(), _MAGIC_BYTES), contents.archive)
    encoding = known[0] if known else _encoding(contents, options)
    text = Text(contents.stream(), encoding)
    start = text.read_fully(limits.max_record_bytes + 1)
    mark = len(_MARK) if start.startswith(_MARK) and encoding.text_codec == "utf_8" else 0
    by_excel = named_by_excel(start[mark : mark + _MAGIC_BYTES])
    begin = _first_row_begin(start, mark + (by_excel[1] if by_excel else 0), header=options.header)
    refuse_markup(start[begin : begin + 1_000], contents.archive)
    dialect = known[1] if known else options.dialect or (by_excel[0] if by_excel else None)
    dialect = dialect or told_by(start[begin:], encoding, fits)
    if dialect.delimiter == "|" and not encoding.takes_pipe:
        raise CsvError(
            f"Fields in {encoding.label} cannot be separated by '|': save the file as CSV (UTF-8)."
        )
    record = dialect.grammar.first_record(start, begin)
    row = _fields(record, begin, dialect, encoding, limits)
    end = begin + len(record) if options.header else begin
    return Head(
        encoding,
        dialect,
        row,
        end_bytes=encoding.source_bytes(start[:end]),
        lines=count_lines(start[:end]) if end else 0,
        size_bytes=contents.size_bytes,
        has_rows=bool(start[end:].strip(b"\r\n")) or len(start) > limits.max_record_bytes,
        fingerprint=_fingerprint(contents.size_bytes, start[: begin + len(record)]),
    )


def _encoding(contents: Contents, options: Options) -> Encoding:
    if options.encoding is None:
        return encoding_in(contents.stream())
    if options.encoding != "utf_16":
        return ENCODINGS[options.encoding]
    start = read_fully(contents.stream(), 65_536)
    by_mark = ENCODINGS["utf_16_be"] if start.startswith(b"\xfe\xff") else None
    return by_mark or wide_by_nuls(start) or ENCODINGS["utf_16_le"]


def _fingerprint(size_bytes: int, start: bytes) -> str:
    return hashlib.sha256(b"%d " % size_bytes + start).hexdigest()[:16]


def _first_row_begin(start: bytes, begin: int, *, header: bool) -> int:
    """Return where the first line stands that is not blank."""
    blank = _BLANK_LINES.match(start, begin)
    begin = blank.end() if blank else begin
    if begin == len(start):
        needs = "a header row with the names of the columns" if header else "at least one row"
        raise CsvError(f"The file is empty: it needs {needs}.")
    return begin


def _fields(
    record: bytes, begin: int, dialect: Dialect, encoding: Encoding, limits: Limits
) -> tuple[str, ...]:
    """Parse the first row; refuse what is no text or too wide."""
    if begin + len(record) > limits.max_record_bytes:
        _refuse_long(record, dialect, limits)
    refuse_no_text(record)
    try:
        fields = next(dialect.parser((record.decode(encoding.text_codec),)))
    except UnicodeDecodeError as error:
        raise CsvError(
            f"The header row is not {encoding.label} text: save the file as CSV (UTF-8)."
        ) from error
    except csv.Error as error:
        raise CsvError(_broken_header(dialect, record)) from error
    if len(fields) > limits.max_columns:
        raise CsvError(f"The file has {len(fields):,} columns; {limits.max_columns:,} are the limit.")
    return tuple(name.strip() for name in fields)


def _broken_header(dialect: Dialect, record: bytes) -> str:
    if dialect.grammar.unclosed_quote(record) is not None:
        return "The header row has a quote that is never closed."
    return "The header row has text behind a closing quote: a quote inside a quoted name must be doubled."


def _refuse_long(record: bytes, dialect: Dialect, limits: Limits) -> None:
    if record.count(dialect.delimiter.encode()) >= limits.max_columns:
        raise CsvError(f"The file has more than {limits.max_columns:,} columns, which is the limit.")
    raise CsvError(
        f"The header row does not end within {limits.max_record_bytes:,} bytes: is this a CSV file?"
    )
