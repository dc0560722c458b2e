"""Why a row was rejected, in one sentence that a customer understands. Loads pydantic."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TypeAlias

from pydantic import ValidationError

from twolane.csvfile.columns import Column
from twolane.csvfile.encoding import Encoding
from twolane.csvfile.grammar import Grammar
from twolane.csvfile.limits import Limits
from twolane.csvfile.records import count_line_ends
from twolane.csvfile.sentences import sentence_of


class RowRefused(Exception):
    """A row that cannot be taken for a reason of its own; the sentence says which."""


class RowOversized(Exception):
    """A record above `max_record_bytes`."""


RowError: TypeAlias = RowRefused | RowOversized | UnicodeDecodeError | csv.Error | ValidationError


class Reasons:
    """Finds the sentences for the rows of one file."""

    def __init__(
        self, columns: Sequence[Column], encoding: Encoding, grammar: Grammar, limits: Limits
    ) -> None:
        self._labels = {column.key: column.label for column in columns}
        self._choices = frozenset(column.key for column in columns if column.is_choice)
        self._encoding, self._grammar, self._limits = encoding, grammar, limits

    def of(self, error: RowError, record: bytes, line: int) -> str:
        """Return the sentence for `error`, raised by the record that begins on `line`.

        Of an oversized record its first `max_record_bytes` are enough.
        """
        if isinstance(error, ValidationError):
            return sentence_of(error, self._labels, self._choices)
        if isinstance(error, UnicodeDecodeError):
            return self._undecoded(record[error.start])
        if isinstance(error, csv.Error):
            return self._broken(error, record, line)
        if isinstance(error, RowOversized):
            return self._oversized(record[: self._limits.max_record_bytes], line)
        return str(error)

    def _undecoded(self, byte: int) -> str:
        if self._encoding.is_wide:
            return "contains half a character, which is not UTF-16 text"
        return f"contains the byte 0x{byte:02X}, which is not {self._encoding.label.partition(' (')[0]} text"

    def _broken(self, error: csv.Error, record: bytes, line: int) -> str:
        opened_on = self._opened_on(record, line)
        if opened_on is not None:
            return f"a quote that opens on line {opened_on:,} is never closed"
        if str(error).startswith("field larger"):
            return f"has a field of more than {csv.field_size_limit():,} characters"
        return "has text behind a closing quote: a quote inside a quoted field must be doubled"

    def _oversized(self, start: bytes, line: int) -> str:
        most = f"{self._limits.max_record_bytes:,} bytes"
        opened_on = self._opened_on(start, line)
        if opened_on is not None:
            return f"a quote that opens on line {opened_on:,} is not closed within {most}"
        return f"is longer than {most}"

    def _opened_on(self, record: bytes, line: int) -> int | None:
        position = self._grammar.unclosed_quote(record)
        return None if position is None else line + count_line_ends(record[:position])
