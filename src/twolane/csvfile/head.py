"""Reads the head of a file: whether it is CSV text at all, its column names, and where its rows begin."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass

from twolane.csvfile.errors import CsvError, listed
from twolane.csvfile.limits import Limits
from twolane.csvfile.records import count_lines, first_record
from twolane.csvfile.source import BinaryReader, read_fully

_BOM = b"\xef\xbb\xbf"
_BLANK_LINES = re.compile(rb"[\r\n]*+")
_STRANGERS = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook (.xlsx)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office document such as an Excel workbook (.xls)"),
    (b"%PDF", "a PDF document"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


@dataclass(frozen=True, slots=True)
class Head:
    """The header row of a file.

    Args:
        names: the columns' names in order, surrounding spaces removed; a nameless column is "".
        end_bytes: the byte behind the header's line end, where the rows begin.
        lines: physical lines up to there.
        size_bytes: the size of the whole file.
        fingerprint: tells this file from another, as far as size and header can.
    """

    names: tuple[str, ...]
    end_bytes: int
    lines: int
    size_bytes: int
    fingerprint: str


def read_head(reader: BinaryReader, limits: Limits) -> Head:
    """Read the header row of `reader`, from byte 0.

    Raises:
        CsvError: the file is empty, no CSV text, or its header cannot be used.
    """
    size_bytes = reader.seek(0, os.SEEK_END)
    reader.seek(0)
    start = read_fully(reader, limits.max_record_bytes + 1)
    _refuse_strangers(start)
    begin = _header_begin(start)
    record = first_record(start, begin)
    end_bytes = begin + len(record)
    if end_bytes > limits.max_record_bytes:
        _refuse_long(record, limits)
    names = _names(record, limits)
    digest = hashlib.sha256(b"%d " % size_bytes + start[:end_bytes]).hexdigest()
    return Head(names, end_bytes, count_lines(start[:end_bytes]), size_bytes, digest[:16])


def _refuse_strangers(start: bytes) -> None:
    for magic, what in _STRANGERS:
        if start.startswith(magic):
            raise CsvError(f"This is {what}, not a CSV file: save it as CSV (UTF-8) and upload that.")


def _header_begin(start: bytes) -> int:
    """Return where the first line stands that is not blank."""
    bom = len(_BOM) if start.startswith(_BOM) else 0
    blank = _BLANK_LINES.match(start, bom)
    begin = blank.end() if blank else bom
    if begin == len(start):
        raise CsvError("The file is empty: it needs a header row with the names of the columns.")
    return begin


def _refuse_long(record: bytes, limits: Limits) -> None:
    if record.count(b",") >= limits.max_columns:
        raise CsvError(f"The file has more than {limits.max_columns:,} columns, which is the limit.")
    raise CsvError(
        f"The header row does not end within {limits.max_record_bytes:,} bytes: is this a CSV file?"
    )


def _names(record: bytes, limits: Limits) -> tuple[str, ...]:
    """Parse the header row; refuse what is no text, too wide, or ambiguous."""
    if b"\0" in record:
        raise CsvError(
            "The header row contains NUL bytes: this is not a CSV file, or not one saved as UTF-8."
        )
    try:
        fields = next(csv.reader((record.decode(),), strict=True))
    except UnicodeDecodeError as error:
        raise CsvError("The header row is not UTF-8 text: save the file as CSV (UTF-8).") from error
    except csv.Error as error:
        raise CsvError(f"The header row is not valid CSV: {error}.") from error
    if len(fields) > limits.max_columns:
        raise CsvError(f"The file has {len(fields):,} columns; {limits.max_columns:,} are the limit.")
    names = tuple(name.strip() for name in fields)
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise CsvError(f"The header row names a column twice: {listed(twice)}.")
    return names
