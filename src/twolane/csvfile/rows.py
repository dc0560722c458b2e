"""Makes typed rows of records, one by one: decode, parse, pick the columns, validate. Loads pydantic.

A row costs one step of a shared `csv.reader` and one call into pydantic's compiled validator; that is
as fast as validating a whole list, and a bad row costs only itself.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from twolane.csvfile.chunk import Rejected
from twolane.csvfile.columns import Match
from twolane.csvfile.head import Head
from twolane.csvfile.limits import Limits
from twolane.csvfile.reasons import Reasons, RowError, RowOversized, RowRefused
from twolane.csvfile.records import SHOWN_BYTES, Oversized, count_lines

T = TypeVar("T", bound=BaseModel)
_ROW_ERRORS = (RowRefused, RowOversized, UnicodeDecodeError, csv.Error, ValidationError)


class RowReader(Generic[T]):
    """Turns the records of one file into rows of `model`."""

    def __init__(self, model: type[T], head: Head, match: Match, limits: Limits) -> None:
        self._limits = limits
        self._encoding, self._codec = head.encoding, head.encoding.text_codec
        self._parser = head.dialect.parser
        self._width = match.width
        self._places = [(column.key, column.index) for column in match.columns]
        self._may_be_empty = [column for column in match.columns if column.empty != "text"]
        self._reasons = Reasons(match.columns, head.encoding, head.dialect.grammar, limits)
        self._validate = TypeAdapter(model).validator.validate_python

    def read(self, records: Sequence[bytes], line: int) -> tuple[list[T], list[Rejected]]:
        """Return the valid rows of `records`, the first of which begins on `line`, and the rejected ones."""
        rows: list[T] = []
        rejected: list[Rejected] = []
        lines = _Lines(records, line)
        parser = self._parser(map(self._text, records))
        fields: list[str] = []
        for index, record in enumerate(records):
            try:
                if fields := next(parser):
                    rows.append(self._row(fields, record))
            except _ROW_ERRORS as error:
                if not (isinstance(error, ValidationError) and _is_blank(fields)):
                    rejected.append(self._rejected(error, record, lines.of(index)))
            except Exception as error:
                error.add_note(f"raised by the row on line {lines.of(index)} of the CSV file")
                raise
        return rows, rejected

    def reject(self, oversized: Oversized, line: int) -> Rejected:
        """Return what becomes of an oversized record that begins on `line`."""
        return self._rejected(RowOversized(), oversized.start, line)

    def _rejected(self, error: RowError, record: bytes, line: int) -> Rejected:
        shown = record if len(record) <= self._limits.max_record_bytes else record[:SHOWN_BYTES]
        raw = self._encoding.shown(shown).replace("\0", "\\x00").rstrip("\r\n")
        return Rejected(line, self._reasons.of(error, record, line), raw)

    def _text(self, record: bytes) -> str:
        if len(record) > self._limits.max_record_bytes:
            raise RowOversized
        if b"\0" in record:
            raise RowRefused("contains a NUL byte, which is not text")
        return record.decode(self._codec)

    def _row(self, fields: list[str], record: bytes) -> T:
        if len(fields) != self._width:
            raise RowRefused(_ragged(len(fields), self._width))
        if len(record) > self._limits.max_field_bytes:
            self._refuse_long_fields(fields)
        values: dict[str, str | None] = {key: fields[index] for key, index in self._places}
        if "" in fields:
            self._fill(values)
        # Everything in a CSV file is text: a strict model would refuse every number.
        row: T = self._validate(values, strict=False)
        return row

    def _refuse_long_fields(self, fields: list[str]) -> None:
        limit = self._limits.max_field_bytes
        codec = self._encoding.text_codec
        if any(len(field.encode(codec)) > limit for field in fields):
            raise RowRefused(f"has a field of more than {limit:,} bytes")

    def _fill(self, values: dict[str, str | None]) -> None:
        """Let empty fields become None or the field's default."""
        for column in self._may_be_empty:
            if values[column.key] == "":
                if column.empty == "none":
                    values[column.key] = None
                else:
                    del values[column.key]


class _Lines:
    """Counts lines only as far as somebody asks: most chunks have no row that needs its number."""

    def __init__(self, records: Sequence[bytes], line: int) -> None:
        self._records, self._line, self._index = records, line, 0

    def of(self, index: int) -> int:
        """Return the line that record `index` begins on; `index` never goes back."""
        self._line += sum(map(count_lines, self._records[self._index : index]))
        self._index = index
        return self._line


def _ragged(count: int, width: int) -> str:
    few = "few" if count < width else "many"
    return f"has too {few} fields: {count:,}, where the file has {width:,} columns"


def _is_blank(fields: list[str]) -> bool:
    """Tell whether a row has nothing but separators, as spreadsheets write below their last row."""
    return len(fields) > 1 and not any(fields)
